/**
 * The way to a session, one step after the other, to name the first that fails: a name that is not found, a port that
 * is closed, a certificate that is wrong, a server that accepts and is silent, a password, a full server. Without `pg`
 * up to the server's first word, because its errors do not tell these steps apart; then a login with it.
 */

import { lookup } from 'node:dns/promises';
import { isIP, Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import pg from 'pg';
import type { ReachabilityAnswer, ReachReason, ReachStep } from '../../model/postgres.ts';
import { APPLICATION_NAME, type Endpoint, tlsOptions } from './endpoint.ts';
import { sqlstateOf, wordsOf } from './failure.ts';
import { type Failure, reasonOf, refusal, SSL_REQUEST, startupMessage } from './startup-protocol.ts';

/** For all steps together. */
export const REACHABILITY_MS = 5_000;
/** Kept back from the deadline of the whole, so that the caller still gets the answer. */
const MARGIN_MS = 300;

export type Reached = Omit<ReachabilityAnswer, 'at' | 'lastGoodAt' | 'lastUsed' | 'lastUsable'>;

class StepFailed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.name = 'StepFailed';
    this.failure = failure;
  }
}

/** Never throws, and leaves no socket open. An abort of `signal` reads as the deadline. */
export async function checkReachability(
  endpoint: Endpoint,
  signal: AbortSignal,
  deadlineMs = REACHABILITY_MS,
): Promise<Reached> {
  const started = performance.now();
  const elapsed = (): number => Math.round(performance.now() - started);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, deadlineMs - MARGIN_MS))]);
  const passed: Partial<Record<ReachStep, number>> = {};
  await using stack = new AsyncDisposableStack();
  let step: ReachStep = 'dns';
  let address: string | null = null;
  const { host, port } = endpoint;
  const answer = (failure: Failure | null): Reached => ({
    step: failure === null ? 'ok' : step,
    reason: failure?.reason ?? 'ok',
    host,
    port,
    address,
    sqlstate: failure?.sqlstate ?? null,
    message: failure?.message ?? `logged in and got an answer in ${elapsed()} ms`,
    elapsedMs: elapsed(),
    passed,
  });
  try {
    const isPath = host.startsWith('/');
    if (!isPath) {
      address = isIP(host) > 0 ? host : (await within(lookup(host), limit)).address;
      passed.dns = elapsed();
    }
    step = 'tcp';
    const socket = new Socket();
    stack.defer(() => {
      socket.destroy();
    });
    socket.on('error', () => undefined);
    if (isPath) socket.connect(`${host}/.s.PGSQL.${port}`);
    else socket.connect(port, address ?? host);
    await within(once(socket, 'connect'), limit);
    passed.tcp = elapsed();

    let stream: Socket | TLSSocket = socket;
    if (endpoint.tls !== null) {
      step = 'tls';
      socket.write(SSL_REQUEST);
      const reply = await within(firstBytes(socket), limit);
      if (reply[0] === 'E'.charCodeAt(0)) throw new StepFailed(refusal(reply, endpoint));
      if (reply[0] !== 'S'.charCodeAt(0)) {
        const message = 'the server does not support TLS, which sslmode asks for';
        throw new StepFailed({ reason: 'tls_not_supported', message, sqlstate: null });
      }
      // Plain text behind the S would be taken for part of the encrypted session (CVE-2021-23222).
      if (reply.length > 1) {
        throw new StepFailed({ reason: 'tls_error', message: 'plain text where TLS begins', sqlstate: null });
      }
      const secure = connectTls({
        socket,
        host,
        ...tlsOptions(endpoint.tls),
        ...(isIP(host) === 0 && { servername: host }),
      });
      stack.defer(() => {
        secure.destroy();
      });
      secure.on('error', () => undefined);
      await within(once(secure, 'secureConnect'), limit);
      passed.tls = elapsed();
      stream = secure;
    }

    step = 'startup';
    stream.write(startupMessage(endpoint));
    const reply = await within(firstBytes(stream), limit);
    const type = String.fromCharCode(reply[0] ?? 0);
    if (type === 'E') {
      const failure = refusal(reply, endpoint);
      if (failure.sqlstate?.startsWith('28') || failure.sqlstate === '3D000') step = 'authentication';
      throw new StepFailed(failure);
    }
    if (type !== 'R' && type !== 'v') {
      throw new StepFailed({
        reason: 'protocol',
        message: 'the reply is not from a PostgreSQL server',
        sqlstate: null,
      });
    }
    passed.startup = elapsed();
    stream.destroy();
    socket.destroy();

    step = 'authentication';
    await logIn(endpoint, limit, stack, () => {
      passed.authentication = elapsed();
      step = 'query';
    });
    passed.query = elapsed();
    return answer(null);
  } catch (error) {
    if (error instanceof StepFailed) return answer(error.failure);
    return answer(classify(step, error, limit.aborted, endpoint));
  }
}

async function logIn(
  endpoint: Endpoint,
  limit: AbortSignal,
  stack: AsyncDisposableStack,
  loggedIn: () => void,
): Promise<void> {
  const socket = new Socket();
  stack.defer(() => {
    socket.destroy();
  });
  const client = new pg.Client({
    host: endpoint.host,
    port: endpoint.port,
    user: endpoint.user,
    database: endpoint.database,
    ...(endpoint.password !== null && { password: endpoint.password }),
    ssl: endpoint.tls === null ? false : tlsOptions(endpoint.tls),
    application_name: APPLICATION_NAME,
    stream: () => socket,
  });
  client.on('error', () => undefined);
  await within(client.connect(), limit);
  loggedIn();
  await within(client.query('SELECT 1'), limit);
  void client.end().catch(() => undefined);
}

/** Ends with the work or with the signal; the work that lost may fail later. */
async function within<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
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

function once(stream: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once(event, () => resolve());
    stream.once('error', reject);
    stream.once('close', () => reject(hungUp()));
  });
}

function firstBytes(stream: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    stream.once('data', (bytes: Buffer) => {
      // Nobody else may take what follows before the next step listens.
      stream.pause();
      stream.removeAllListeners('data');
      resolve(bytes);
    });
    stream.once('error', reject);
    stream.once('end', () => reject(hungUp()));
    stream.once('close', () => reject(hungUp()));
    stream.resume();
  });
}

function hungUp(): Error {
  return Object.assign(new Error('the connection was closed without an answer'), { code: 'ECONNRESET' });
}

/** OpenSSL's and Node's codes for a certificate that was shown and not accepted. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|ALTNAME/;

function classify(step: ReachStep, error: unknown, timedOut: boolean, endpoint: Endpoint): Failure {
  const message = wordsOf(error, endpoint.password);
  const sqlstate = sqlstateOf(error);
  const code = error instanceof Error ? String((error as { readonly code?: unknown }).code ?? '') : '';
  const because = (reason: ReachReason): Failure => ({ reason, message, sqlstate });
  if (sqlstate !== null) return because(reasonOf(sqlstate, message));
  if (step === 'dns') return because('dns_failed');
  if (step === 'tcp') {
    if (timedOut || code === 'ETIMEDOUT') return because('tcp_timeout');
    return because(code === 'ECONNREFUSED' ? 'refused' : 'tcp_error');
  }
  if (timedOut) return because('hung');
  if (CERTIFICATE.test(code)) return because('tls_certificate');
  // A password that is missing, or an answer of the server that does not fit it.
  if (/^SASL/.test(message)) return because('authentication_failed');
  if (code === 'ECONNRESET' || code === 'EPIPE' || /terminated unexpectedly/.test(message)) return because('reset');
  return because(step === 'tls' ? 'tls_error' : 'protocol');
}
