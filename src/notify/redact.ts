/** Every string that leaves the process goes through `redact`: the second line of defence behind not collecting it. */

export { MAX_REDACT_LENGTH, redact } from '../model/redact.ts';
