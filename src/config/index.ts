export { hostPortText, isLoopback, parseDatabaseUrl, parseListen } from './address.ts';
export { AWS_NAMES, type AwsName, type AwsNameForm, REGION_PATTERN, readAwsName } from './aws-names.ts';
export { type CheckedOptions, validateDetectorOptions } from './detector-options.ts';
export { parseDuration } from './durations.ts';
export { type Hint, signalHints } from './hints.ts';
export { configFromEnv, type Env, type LoadOptions, loadConfig } from './load.ts';
export { createSecret, type Secret } from './secrets.ts';
export type * from './types.ts';
