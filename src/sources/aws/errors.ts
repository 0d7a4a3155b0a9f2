/**
 * From what the SDK throws to an error of ours. The original is not kept: it holds request ids, headers, and in messages
 * about signatures the whole signed request with its session token. What is kept of it is an `AwsCause`.
 */

import { messageOf, RunbookdError } from '../../model/errors.ts';
import { redact } from '../../model/redact.ts';
import type { AwsAccount, AwsAction } from './calls.ts';

/** `sts:AssumeRole` is called by the SDK's credential provider and not by us; `credentials` is the chain's search. */
export type AnyAwsAction = AwsAction | 'sts:AssumeRole' | 'credentials';

/** What AWS said, fit to be shown: the `cause` of every AWS_… error. */
export class AwsCause extends Error {
  readonly action: AnyAwsAction;
  /** The SDK's or the system's name of the error: `AccessDeniedException`, `ECONNREFUSED`. */
  readonly kind: string;
  readonly status: number | null;
  /** A policy says no, where otherwise no policy says yes. */
  readonly explicitDeny: boolean;

  constructor(action: AnyAwsAction, kind: string, status: number | null, message: string) {
    super(message);
    this.name = 'AwsCause';
    this.action = action;
    this.kind = kind;
    this.status = status;
    this.explicitDeny = /explicit deny/i.test(message);
  }
}

/** `AWS us-east-1`, and with its name where there are several accounts: `AWS eu (eu-west-1)`. */
export function accountLabel({ name, region }: AwsAccount): string {
  return name === 'default' ? `AWS ${region}` : `AWS ${name} (${region})`;
}

const MESSAGE_LIMIT = 300;

const DENIED =
  /^(AccessDenied|AccessDeniedException|AccessDeniedFault|UnauthorizedOperation|AuthorizationError|AuthorizationErrorException|NotAuthorized|NotAuthorizedException|UnauthorizedException)$/;
const CREDENTIALS =
  /^(CredentialsProviderError|TokenProviderError|ExpiredToken|ExpiredTokenException|UnrecognizedClientException|InvalidClientTokenId|AuthFailure|InvalidAccessKeyId|MissingAuthenticationToken|MissingAuthenticationTokenException|IncompleteSignature|IncompleteSignatureException|InvalidSignature|InvalidSignatureException|SignatureDoesNotMatch|RequestExpired|RequestTimeTooSkewed|InvalidIdentityToken|ExpiredTokenError|IDPRejectedClaim)$/;
const THROTTLED =
  /^(Throttling|ThrottlingException|ThrottledException|RequestThrottled|RequestThrottledException|TooManyRequestsException|RequestLimitExceeded|BandwidthLimitExceeded|SlowDown|EC2ThrottledException|PriorRequestNotComplete|LimitExceededException|LimitExceeded|LimitExceededFault)$/;
const TIMEOUT = /^(TimeoutError|RequestTimeout|RequestTimeoutException|AbortError|ETIMEDOUT|ESOCKETTIMEDOUT)$/;
const NOT_FOUND = /NotFound|DoesNotExist|NonExistent|NoSuch|^ServiceNotActiveException$/;
const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was reset',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name cannot be looked up now',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
};

/** Names that mean that the credentials had their time: a fresh look at the chain may cure it at once. */
export function isExpired(error: unknown): boolean {
  const cause = error instanceof RunbookdError ? error.cause : null;
  return cause instanceof AwsCause && /^(ExpiredToken|RequestExpired)/.test(cause.kind);
}

/**
 * @param elapsedMs how long the call had been under way, for AWS_TIMEOUT
 */
export function awsError(account: AwsAccount, action: AnyAwsAction, error: unknown, elapsedMs: number): RunbookdError {
  if (error instanceof RunbookdError) return error;
  const label = accountLabel(account);
  const kind = kindOf(error);
  const status = statusOf(error);
  const words = wordsOf(error, status);
  const cause = new AwsCause(action, kind, status, words);
  const failed = (why: string): RunbookdError => new RunbookdError('AWS_FAILED', [label, action, why], cause);

  if (TIMEOUT.test(kind)) return new RunbookdError('AWS_TIMEOUT', [label, action, Math.round(elapsedMs)], cause);
  if (NETWORK[kind] !== undefined) return failed(`${NETWORK[kind]} (${kind})`);
  if (CREDENTIALS.test(kind)) {
    return new RunbookdError('AWS_CREDENTIALS', [label, credentialWords(kind, words)], cause);
  }
  if (THROTTLED.test(kind) || status === 429) return new RunbookdError('AWS_THROTTLED', [label, action], cause);
  if (DENIED.test(kind)) return new RunbookdError('AWS_DENIED', [label, action], cause);
  if (NOT_FOUND.test(kind)) return new RunbookdError('AWS_NOT_FOUND', [label, action, words], cause);
  // Region switched off, or the account never subscribed: 403, but no policy would help.
  if (/^(OptInRequired|SubscriptionRequiredException)$/.test(kind)) return failed(`${kind}: ${words}`);
  if (status === 401) return new RunbookdError('AWS_CREDENTIALS', [label, words], cause);
  if (status === 403) return new RunbookdError('AWS_DENIED', [label, action], cause);
  return failed(kind === 'Error' || kind === 'SyntaxError' ? words : `${kind}: ${words}`);
}

/** The deadline was ours or the caller's. */
export function awsTimeout(account: AwsAccount, action: AnyAwsAction, elapsedMs: number): RunbookdError {
  const cause = new AwsCause(action, 'TimeoutError', null, `gave up after ${Math.round(elapsedMs)} ms`);
  return new RunbookdError('AWS_TIMEOUT', [accountLabel(account), action, Math.round(elapsedMs)], cause);
}

/**
 * What the credential provider threw. STS that says no is a missing `sts:AssumeRole` and not a missing right of the call
 * that happened to need the credentials.
 */
export function credentialsError(account: AwsAccount, error: unknown, elapsedMs: number): RunbookdError {
  if (error instanceof RunbookdError) return error;
  const label = accountLabel(account);
  if (account.roleArn !== null && kindOf(error) !== 'CredentialsProviderError') {
    const mapped = awsError(account, 'sts:AssumeRole', error, elapsedMs);
    if (mapped.code !== 'AWS_FAILED' && mapped.code !== 'AWS_NOT_FOUND') return mapped;
  }
  const words = wordsOf(error, statusOf(error));
  const action = account.roleArn === null ? 'credentials' : 'sts:AssumeRole';
  const cause = new AwsCause(action, kindOf(error), statusOf(error), words);
  return new RunbookdError('AWS_CREDENTIALS', [label, words], cause);
}

function credentialWords(kind: string, words: string): string {
  if (/^ExpiredToken/.test(kind)) return 'they have expired';
  // EC2 has one word for both.
  if (kind === 'RequestExpired') return 'they have expired, or the clock of this machine is off';
  if (kind === 'RequestTimeTooSkewed') return CLOCK;
  if (/Signature/.test(kind)) {
    // Only these words are passed on: the rest of such a message is the request that was signed.
    return /expired|not yet current|too skewed|earlier than|later than/i.test(words)
      ? CLOCK
      : 'the signature does not match: the secret key is wrong, or the clock of this machine is';
  }
  if (/^(UnrecognizedClientException|InvalidClientTokenId|InvalidAccessKeyId|AuthFailure)$/.test(kind)) {
    return `AWS does not know them (${kind})`;
  }
  return words;
}

const CLOCK =
  'AWS refuses the time of the request: the clock of this machine is off by more than 5 minutes, check its NTP';

function kindOf(error: unknown): string {
  // The system's code says more than the name `Error`: `ECONNREFUSED` of one address, or of each that was tried.
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1) {
    const code = (each as { readonly code?: unknown }).code;
    if (typeof code === 'string' && /^E[A-Z_]+$/.test(code)) return code;
    if (each instanceof AggregateError && each.errors[0] instanceof Error) {
      const inner = kindOf(each.errors[0]);
      if (inner !== 'Error') return inner;
    }
  }
  if (!(error instanceof Error)) return 'Error';
  // `AWS.SimpleQueueService.NonExistentQueue`, `com.amazonaws.ecs#ClusterNotFoundException`.
  return error.name.split('#').at(-1) ?? error.name;
}

function statusOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null) return null;
  const { $metadata, $response } = error as {
    readonly $metadata?: { readonly httpStatusCode?: unknown };
    readonly $response?: { readonly statusCode?: unknown };
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  return typeof status === 'number' ? status : null;
}

function wordsOf(error: unknown, status: number | null): string {
  // The parser's message quotes the body, which may be any proxy's page.
  if (error instanceof SyntaxError) return `an answer that is not what the API gives${http(status)}`;
  const words = redactAws(messageOf(error));
  if (words === '' || words === 'UnknownError') return `no reason given${http(status)}`;
  return words;
}

function http(status: number | null): string {
  return status === null ? '' : ` (HTTP ${status})`;
}

/**
 * One line of AWS' own words, at most 300 characters, without who asked (principals), key ids, request ids, encoded
 * messages and whatever follows a line break; and, since containers and people write into such texts too, without
 * credentials and personal data. For every text of AWS that is shown.
 */
export function redactAws(text: string): string {
  const line = text.split(/[\r\n]/, 1)[0] ?? '';
  const clean = line
    .replace(/\s*Encoded authorization failure message:.*$/i, '')
    .replace(
      /\s*[([]?\s*(?:Service: [^;]*; )?(?:Status Code: \d+; ?)?(?:AWS )?Request ?ID:?\s*[A-Za-z0-9-]+[^)\]]*[)\]]?/gi,
      '',
    )
    .replace(/\s*\(Service: [^)]*\)/g, '')
    .replace(/arn:aws[a-z-]*:(?:sts|iam)::\d*:[^\s"',;)]+/g, '(principal)')
    .replace(/\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b/g, '(key id)')
    .replace(/[A-Za-z0-9+/=_-]{80,}/g, '(…)');
  const printable = redact(clean)
    .replace(/[^\x20-\x7e\u00a0-\u024f…–]/g, '?')
    .trim();
  return printable.length > MESSAGE_LIMIT ? `${printable.slice(0, MESSAGE_LIMIT - 1)}…` : printable;
}
