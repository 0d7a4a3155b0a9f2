/**
 * One GET that cannot hurt: a deadline for all of it, a cap on the body while it comes in, no redirect followed, no
 * cookie kept, a connection of its own (so that each look resolves the name and shakes hands anew). Errors are told by
 * their kind only: the words of an HTTP client repeat addresses and parts of what was sent.
 */

import type { HealthCheckResult } from '../../model/health.ts';
import { isHost } from '../aws/logs/kind.ts';

export type Failure = NonNullable<HealthCheckResult['failure']>;

export interface GetOptions {
  readonly deadlineMs: number;
  readonly maxBytes: number;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic: () => number;
  /** Sent besides: a key, an `authorization`. In no message. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Makes it a POST of this form, for what would be too long in an address. It must still only read. */
  readonly form?: Readonly<Record<string, string>>;
}

export interface GetResult {
  readonly status: number | null;
  readonly failure: Failure | null;
  /** The system's or the TLS library's code of the failure: `CERT_HAS_EXPIRED`. Empty when there is none. */
  readonly code: string;
  /** Host that a redirect points to. */
  readonly redirectHost: string | null;
  /** Null where it is not whole. */
  readonly body: string | null;
  /** The `Link` header of the answer, by which some interfaces page; null without one. */
  readonly link: string | null;
  readonly milliseconds: number;
}

const USER_AGENT = 'runbookd';

/** Never throws. An abort of `signal` reads as the deadline. */
export async function get(url: string, options: GetOptions, signal: AbortSignal): Promise<GetResult> {
  const { deadlineMs, maxBytes, monotonic } = options;
  const started = monotonic();
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), deadlineMs);
  const limit = AbortSignal.any([signal, controller.signal]);
  let status: number | null = null;
  let link: string | null = null;
  const result = (rest: Partial<GetResult>): GetResult => ({
    status,
    failure: null,
    code: '',
    redirectHost: null,
    body: null,
    link,
    milliseconds: Math.max(0, Math.round(monotonic() - started)),
    ...rest,
  });
  try {
    const response = await within(
      fetch(url, {
        method: options.form === undefined ? 'GET' : 'POST',
        ...(options.form !== undefined && { body: new URLSearchParams(options.form) }),
        redirect: 'manual',
        credentials: 'omit',
        cache: 'no-store',
        headers: {
          ...options.headers,
          accept: 'application/json, */*;q=0.1',
          // A compressed body could unfold into anything.
          'accept-encoding': 'identity',
          connection: 'close',
          'user-agent': USER_AGENT,
        },
        signal: limit,
      }),
      limit,
    );
    status = response.status;
    link = response.headers.get('link');
    // An answer to a condition, which was not made.
    if (status === 304) return result({ failure: 'other' });
    if (status >= 300 && status < 400) {
      return result({ failure: 'redirect', redirectHost: hostOf(response.headers.get('location'), url) });
    }
    const body = await readBody(response, maxBytes, limit);
    return body === null ? result({ failure: 'too-large' }) : result({ body });
  } catch (error) {
    if (limit.aborted) return result({ failure: 'timeout' });
    return result(failureIn(error));
  } finally {
    clearTimeout(timer);
    // Ends what is left of the response, whose body nobody reads to its end.
    controller.abort();
  }
}

/** Null when it is larger than allowed. Bytes that are no UTF-8 become replacement characters. */
async function readBody(response: Response, maxBytes: number, signal: AbortSignal): Promise<string | null> {
  if (response.body === null) return '';
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await within(reader.read(), signal);
    if (done) return new TextDecoder().decode(Buffer.concat(chunks));
    size += value.byteLength;
    if (size > maxBytes) return null;
    chunks.push(value);
  }
}

/** Ends with the work or with the signal; the work that lost may fail later. */
async function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new Error('no answer within the deadline'));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** What an error of a connection means: its kind, and the system's or the TLS library's code. */
export function failureIn(error: unknown): { readonly failure: Failure; readonly code: string } {
  const code = codeOf(error);
  return { failure: failureOf(code), code };
}

/** fetch says `fetch failed`; what failed is the cause, or the first of several addresses that were tried. */
function codeOf(error: unknown): string {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; depth += 1) {
    const { code } = each as { readonly code?: unknown };
    if (typeof code === 'string' && /^[A-Z0-9_]{3,60}$/.test(code)) return code;
    each = each instanceof AggregateError ? each.errors[0] : each.cause;
  }
  return '';
}

function failureOf(code: string): Failure {
  if (/^(?:ENOTFOUND|EAI_\w+)$/.test(code)) return 'dns';
  if (code === 'ECONNREFUSED') return 'refused';
  if (/TIMEDOUT|TIMEOUT|^(?:EHOSTUNREACH|ENETUNREACH|EHOSTDOWN)$/.test(code)) return 'timeout';
  if (/^(?:ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)$/.test(code))
    return 'reset';
  if (/CERT|TLS|SSL|SIGNATURE|ISSUER|CRL|^EPROTO$/.test(code)) return 'tls';
  return 'other';
}

function hostOf(location: string | null, base: string): string | null {
  const parsed = location === null ? null : URL.parse(location, base);
  return parsed !== null && isHost(parsed.hostname) ? parsed.hostname : null;
}

/** Host and path of an address for people: no user, no query. */
export function endpointOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? '(not a URL)' : `${parsed.host}${parsed.pathname}`;
}

/** What a failure means, for people. */
export function wordsOf({ failure, code, redirectHost }: GetResult, options: Omit<GetOptions, 'monotonic'>): string {
  const withCode = (words: string): string => (code === '' ? words : `${words} (${code})`);
  switch (failure) {
    case 'dns':
      return withCode('the host name cannot be resolved');
    case 'refused':
      return withCode('the connection was refused');
    case 'timeout':
      return withCode(code === '' ? `no whole answer within ${options.deadlineMs} ms` : 'the host cannot be reached');
    case 'tls':
      return withCode('TLS failed');
    case 'reset':
      return withCode('the connection was closed before the answer');
    case 'redirect':
      return redirectHost === null
        ? 'redirects, which is not followed'
        : `redirects to ${redirectHost}, which is not followed`;
    case 'too-large':
      return `the answer is larger than ${Math.round(options.maxBytes / 1024)} KB`;
    case 'other':
      return withCode('no usable answer in HTTP');
    case null:
      return 'answered';
  }
}
