/**
 * The error catalogue. Code decides on `code`, never on a message. A message names the thing, the value and what was
 * expected; lower case, no full stop. `src/model/errors.md` lists exactly these codes (a test compares both).
 */

interface ErrorEntry {
  readonly template: string;
  readonly retryable: boolean;
}

export const ERRORS = {
  CONFIG_FILE: { template: '%s: cannot be read: %s', retryable: false },
  CONFIG_SYNTAX: { template: '%s: not valid YAML: %s', retryable: false },
  CONFIG_INVALID: { template: '%s', retryable: false },
  CONFIG_EMPTY: { template: 'nothing to watch: %s', retryable: false },
  SECRET_MISSING: { template: '%s: %s', retryable: false },
  DETECTOR_LOAD: { template: 'detector %s cannot be loaded: %s', retryable: false },
  DETECTOR_CONTRACT: { template: 'detector %s breaks the contract: %s', retryable: false },
  DETECTOR_FAILED: { template: 'detector %s failed on %s: %s', retryable: true },
  STORE_LOCKED: { template: 'store %s is in use by another runbookd: %s', retryable: false },
  STORE_OPEN: { template: 'store %s cannot be opened: %s', retryable: false },
  STORE_DAMAGED: { template: 'store %s is damaged: %s', retryable: false },
  STORE_VERSION: {
    template: 'store %s was written by a newer runbookd (schema %s, this one knows %s)',
    retryable: false,
  },
  STORE_READ: { template: 'store %s cannot be read: %s', retryable: true },
  STORE_WRITE: { template: 'store %s cannot be written: %s', retryable: true },
  HTTP_LISTEN: { template: 'cannot listen on %s: %s', retryable: false },
  POSTGRES_URL: { template: 'database %s: url is not a postgres:// URL: %s', retryable: false },
  POSTGRES_CONNECT: { template: 'database %s: cannot connect: %s', retryable: true },
  POSTGRES_TIMEOUT: { template: 'database %s: no answer to %s within %s ms', retryable: true },
  POSTGRES_QUERY: { template: 'database %s: %s failed: %s', retryable: true },
  POSTGRES_DENIED: { template: 'database %s: %s is denied: %s', retryable: false },
  AWS_DENIED: { template: '%s: %s is denied', retryable: false },
  AWS_CREDENTIALS: { template: '%s: no valid AWS credentials: %s', retryable: true },
  AWS_THROTTLED: { template: '%s: %s is throttled', retryable: true },
  AWS_TIMEOUT: { template: '%s: no answer to %s within %s ms', retryable: true },
  AWS_NOT_FOUND: { template: '%s: %s found nothing: %s', retryable: false },
  AWS_FAILED: { template: '%s: %s failed: %s', retryable: true },
  HTTP_ANSWER: { template: '%s: %s', retryable: true },
  POLL_DEADLINE: { template: 'poll %s did not finish within %s ms', retryable: true },
  ABORTED: { template: '%s was stopped', retryable: true },
  TEMPLATE: { template: 'command template %s: %s', retryable: false },
  TARGET_UNKNOWN: { template: 'no target is named %s; known: %s', retryable: false },
  DETECTOR_UNKNOWN: { template: 'no detector is named %s; nearest: %s', retryable: false },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** Every error that the program throws on purpose. `cause` keeps the original. */
export class RunbookdError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(code: ErrorCode, args: readonly (string | number)[], cause?: unknown) {
    let next = 0;
    const message = ERRORS[code].template.replace(/%s/g, () => String(args[next++] ?? '?'));
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RunbookdError';
    this.code = code;
    this.retryable = ERRORS[code].retryable;
  }
}

/** The message of anything that can be thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
