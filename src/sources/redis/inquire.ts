/**
 * One connection to a Redis, AUTH where the URL has a password, PING, INFO, and the end: read-only commands only, deadlines
 * on the whole and on each, a cap on what comes in, no second try. Errors are told by their kind: the client's words
 * repeat the URL with its password.
 *
 * RESP2, so that AUTH is what it was before HELLO came and everything that speaks INFO understands it.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { type Failure, failureIn } from '../http/get.ts';

export interface InquireOptions {
  /** `redis://` or `rediss://`, with its password. */
  readonly url: string;
  readonly connectMs: number;
  /** Of each command. */
  readonly commandMs: number;
  /** Of all of it. */
  readonly deadlineMs: number;
  readonly maxBytes: number;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic: () => number;
}

/** Why there is no INFO. `url`: of a kind that is not asked at all; `reply`: not what the protocol allows. */
export type RedisFailure =
  | Exclude<Failure, 'redirect'>
  | 'url'
  | 'auth'
  | 'denied'
  | 'max-clients'
  | 'busy'
  | 'reply'
  | 'client-missing';

export type Inquiry =
  /** `ponged` is false for one that says LOADING or MASTERDOWN. */
  | { readonly state: 'said'; readonly info: string; readonly pingMs: number; readonly ponged: boolean }
  | { readonly state: 'failed'; readonly failure: RedisFailure; readonly code: string };

const CHANNEL = 'net.client.socket';
const WATCH_MS = 20;
/** What a server answers to PING that is there and cannot serve yet. */
const NOT_YET = /^(?:LOADING|MASTERDOWN)$/;

/** Never throws. An abort of `signal` reads as the deadline. */
export async function inquire(options: InquireOptions, signal: AbortSignal): Promise<Inquiry> {
  const { url, connectMs, commandMs, deadlineMs, maxBytes, monotonic } = options;
  const failed = (failure: RedisFailure, code = ''): Inquiry => ({ state: 'failed', failure, code });
  if (!/^rediss?:$/.test(URL.parse(url)?.protocol ?? '')) return failed('url');
  // Loaded by who watches a cache, and by nobody else.
  const library = await import('@redis/client').catch(() => null);
  if (library === null) return failed('client-missing');
  if (signal.aborted) return failed('timeout');

  const { promise: ended, reject } = Promise.withResolvers<never>();
  ended.catch(() => undefined);
  let end: RedisFailure | null = null;
  const stop = (failure: RedisFailure): void => {
    end ??= failure;
    reject(new Error(failure));
  };
  let socket: Socket | null = null;
  const onSocket = (message: unknown): void => {
    socket ??= (message as { readonly socket: Socket }).socket;
  };
  const abort = (): void => stop('timeout');
  signal.addEventListener('abort', abort, { once: true });
  const deadline = setTimeout(abort, deadlineMs);
  const watch = setInterval(() => {
    if ((socket?.bytesRead ?? 0) > maxBytes) stop('too-large');
  }, WATCH_MS);

  let client: ReturnType<typeof createOne> | null = null;
  const createOne = () =>
    library.createClient({
      url,
      RESP: 2,
      disableClientInfo: true,
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
      commandOptions: { timeout: commandMs },
      socket: { connectTimeout: connectMs, reconnectStrategy: false },
    });
  try {
    client = createOne();
    // Without a listener the client would throw into nowhere; a broken protocol is told here and to no command.
    client.on('error', (error: unknown) => reject(error));
    // The client shows its socket to nobody, and needs it closed while it is still being connected: Node tells of it, and
    // connecting creates it before the first await.
    subscribe(CHANNEL, onSocket);
    const connecting = client.connect();
    unsubscribe(CHANNEL, onSocket);
    connecting.catch(() => undefined);
    await Promise.race([connecting, ended]);
    const started = monotonic();
    const ponged = await Promise.race([ping(client), ended]);
    const pingMs = Math.max(0, monotonic() - started);
    const info: unknown = await Promise.race([client.info(), ended]);
    return typeof info === 'string' ? { state: 'said', info, pingMs, ponged } : failed('reply');
  } catch (error) {
    if (end !== null) return failed(end);
    return kindOf(error, failed);
  } finally {
    unsubscribe(CHANNEL, onSocket);
    clearTimeout(deadline);
    clearInterval(watch);
    signal.removeEventListener('abort', abort);
    client?.destroy();
    (socket as Socket | null)?.destroy();
  }
}

async function ping(client: { ping(): Promise<unknown> }): Promise<boolean> {
  try {
    if ((await client.ping()) === 'PONG') return true;
  } catch (error) {
    if (NOT_YET.test(replyCode(error))) return false;
    throw error;
  }
  throw new ReplyError();
}

/** Not an answer to what was asked. */
class ReplyError extends Error {}

/** `NOAUTH` of `NOAUTH Authentication required.`; empty for what is not the server's error. */
function replyCode(error: unknown): string {
  if (!(error instanceof Error) || !/^(?:SimpleError|ErrorReply|BlobError)$/.test(error.constructor.name)) return '';
  return /^-?([A-Z]{2,30})\b/.exec(error.message)?.[1] ?? 'ERR';
}

function kindOf(error: unknown, failed: (failure: RedisFailure, code?: string) => Inquiry): Inquiry {
  if (error instanceof ReplyError) return failed('reply');
  const code = replyCode(error);
  if (/^(?:NOAUTH|WRONGPASS)$/.test(code)) return failed('auth', code);
  if (code === 'NOPERM') return failed('denied', code);
  if (/^(?:BUSY|LOADING|MASTERDOWN)$/.test(code)) return failed('busy', code);
  const words = error instanceof Error ? error.message : '';
  if (code === 'ERR') {
    if (/^(?:ERR )?max(?: number of)? clients reached/i.test(words)) return failed('max-clients', code);
    // Before version 6: a password where none is set, or a wrong one.
    return /password/i.test(words) ? failed('auth', code) : failed('reply', code);
  }
  if (code !== '') return failed('reply', code);
  const name = error instanceof Error ? error.constructor.name : '';
  if (/Timeout/.test(name)) return failed('timeout');
  if (/^(?:SocketClosed|DisconnectsClient|ClientClosed|ClientOffline)/.test(name)) return failed('reset');
  const { failure, code: system } = failureIn(error);
  if (failure === 'redirect') return failed('other', system);
  return failure === 'other' && system === '' ? failed('reply') : failed(failure, system);
}

/** What a failure means, for people. */
export function wordsOfRedis(
  failure: RedisFailure,
  code: string,
  limits: Pick<InquireOptions, 'deadlineMs' | 'maxBytes'>,
): string {
  const withCode = (words: string): string => (code === '' ? words : `${words} (${code})`);
  switch (failure) {
    case 'dns':
      return withCode('the host name cannot be resolved');
    case 'refused':
      return withCode('the connection was refused');
    case 'timeout':
      return withCode(`no whole answer within ${limits.deadlineMs} ms`);
    case 'tls':
      return withCode('TLS failed');
    case 'reset':
      return withCode('the connection was closed before the answer');
    case 'too-large':
      return `the answer is larger than ${Math.round(limits.maxBytes / 1024)} KB`;
    case 'url':
      return 'the address does not begin with redis:// or rediss://';
    case 'auth':
      return withCode('the password was not accepted');
    case 'denied':
      return withCode('PING or INFO is denied');
    case 'max-clients':
      return 'no more clients are let in';
    case 'busy':
      return withCode('it is busy and answers nobody');
    case 'client-missing':
      return 'the package @redis/client is not installed';
    case 'reply':
    case 'other':
      return withCode('no usable answer of a Redis');
  }
}
