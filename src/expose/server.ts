/**
 * The HTTP server: probes, metrics, an API to read, and one route to write, behind a token of its own. One address for
 * all, behind a token when one is configured, and if wanted a second one for probes and metrics alone.
 */

import type { Socket } from 'node:net';
import { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import type { Logger } from 'pino';
import { messageOf, RunbookdError } from '../model/index.ts';
import type { DetectorInfo } from './detector-info.ts';
import { createRateLimit, hasToken, isHostAllowed, isLoopbackHost, SECURITY_HEADERS } from './guard.ts';
import type { Metrics } from './metrics.ts';
import {
  apiRoutes,
  CHANGES_PATH,
  type ChangeOptions,
  changeRoute,
  type Health,
  metricsRoute,
  probeRoutes,
  type View,
} from './routes.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ServerOptions extends ChangeOptions {
  readonly config: {
    readonly listen: Address;
    /** Read at each request, so that a rotated file counts at once. */
    readonly token: { read(): string } | null;
    /** Null: nobody may write. */
    readonly writeToken: { read(): string } | null;
    readonly metricsListen: Address | null;
    /** Its host may stand in the Host header besides this machine's own names. */
    readonly publicUrl?: string | null;
  };
  readonly view: View;
  readonly metrics: Metrics;
  readonly detectors: readonly DetectorInfo[];
  readonly log: Pick<Logger, 'error' | 'warn'>;
  readonly version: string;
  readonly health: Health;
}

export interface ListenAddresses {
  readonly http: Address;
  readonly metrics: Address | null;
}

export interface HttpServer {
  /** The addresses as bound: port 0 has become a real one. Throws HTTP_LISTEN. */
  listen(): Promise<ListenAddresses>;
  /** Ends idle connections at once and busy ones after `CLOSE_MS`. */
  close(): Promise<void>;
  /** For tests: the same routes without a socket. */
  readonly inject: FastifyInstance['inject'];
  readonly injectMetrics: FastifyInstance['inject'] | null;
}

const BODY_LIMIT_BYTES = 65_536;
const REQUEST_MS = 10_000;
const HANDLER_MS = 10_000;
const CLOSE_MS = 3_000;
const MAX_CONNECTIONS = 200;
const WRITES_PER_MINUTE = 60;

export function createServer(options: ServerOptions): HttpServer {
  const { config, health, metrics } = options;
  const main = createApp(options, config.listen, config.token);
  probeRoutes(main, health);
  metricsRoute(main, metrics, false);
  apiRoutes(main, options);
  changeRoute(main, options);

  const second = config.metricsListen === null ? null : createApp(options, config.metricsListen, null);
  if (second !== null) {
    probeRoutes(second, health);
    metricsRoute(second, metrics, true);
  }

  const close = async (): Promise<void> => {
    await Promise.all([main, second].map((app) => (app === null ? undefined : closeApp(app))));
  };

  return {
    async listen() {
      try {
        const http = await listenOn(main, config.listen, 'http.listen');
        const bound = { http, metrics: null };
        if (second === null || config.metricsListen === null) return bound;
        return { http, metrics: await listenOn(second, config.metricsListen, 'http.metricsListen') };
      } catch (error) {
        await close();
        throw error;
      }
    },
    close,
    inject: main.inject.bind(main),
    injectMetrics: second === null ? null : second.inject.bind(second),
  };
}

function createApp(options: ServerOptions, listen: Address, token: { read(): string } | null): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_MS,
    connectionTimeout: 3 * REQUEST_MS,
    keepAliveTimeout: REQUEST_MS,
    handlerTimeout: HANDLER_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 100 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true } },
    clientErrorHandler: refuseRaw,
    frameworkErrors: (error, _, reply) => void refuse(reply.headers(SECURITY_HEADERS), error.statusCode ?? 400),
  });
  app.server.maxConnections = MAX_CONNECTIONS;

  // The schemas are the contract, checked by tests. Serializing by them would drop keys that a schema forgets, and
  // write null as 0 where it says number: a diagnosis must arrive as it is stored.
  app.setSerializerCompiler(() => JSON.stringify);

  // JSON is all that is read. Text would come from any web page without the browser asking first.
  app.removeContentTypeParser('text/plain');

  const writes = createRateLimit(WRITES_PER_MINUTE);
  const allowedHosts = publicHost(options.config.publicUrl);
  const loopback = isLoopbackHost(listen.host);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    if (loopback && !isHostAllowed(request.headers.host, allowedHosts)) return refuse(reply, 421);
    const { open, write } = request.routeOptions.config;
    if (write === true) return refuseWriter(request, reply);
    if (token === null || open === true) return;
    if (!isAuthorized(request, token, options.log)) return refuse(reply.header('www-authenticate', 'Bearer'), 401);
  });

  /** Undefined when the request may go on. */
  const refuseWriter = (request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined => {
    const { writeToken } = options.config;
    if (writeToken === null) return refuse(reply, 403);
    if (!isAuthorized(request, writeToken, options.log)) {
      const message = 'expected Authorization: Bearer with the token of http.writeToken';
      return refuse(reply.header('www-authenticate', 'Bearer'), 401, message);
    }
    const waitSeconds = writes.take(options.now());
    return waitSeconds === 0 ? undefined : refuse(reply.header('retry-after', String(waitSeconds)), 429);
  };

  app.setNotFoundHandler((request, reply) => {
    if (request.url.split('?')[0] === CHANGES_PATH) {
      return refuse(reply.header('allow', 'POST'), 405, 'only POST is answered');
    }
    if (request.method === 'GET' || request.method === 'HEAD') return refuse(reply, 404);
    return refuse(reply.header('allow', 'GET, HEAD'), 405);
  });

  app.setErrorHandler((error: FastifyError, request, reply) => {
    const status = statusOf(error);
    if (status < 500) return refuse(reply, status, invalidText(error));
    const route = request.routeOptions.url ?? 'unknown';
    options.log.error({ route, code: error.code, error: messageOf(error) }, 'request failed');
    return refuse(status === 503 ? reply.header('retry-after', '5') : reply, status);
  });
  return app;
}

function isAuthorized(request: FastifyRequest, token: { read(): string }, log: ServerOptions['log']): boolean {
  try {
    return hasToken(request.headers.authorization, token.read());
  } catch (error) {
    log.warn({ error: messageOf(error) }, 'http token cannot be read');
    return false;
  }
}

/** What the schema's checker says, with the key or the choices that it leaves out. */
function invalidText({ validation, message }: FastifyError): string | undefined {
  if (validation === undefined) return undefined;
  const { additionalProperty, allowedValues } = validation[0]?.params ?? {};
  if (typeof additionalProperty === 'string') return `${message}: ${JSON.stringify(additionalProperty.slice(0, 60))}`;
  return Array.isArray(allowedValues) ? `${message}: ${allowedValues.join(', ')}` : message;
}

function publicHost(url: string | null | undefined): readonly string[] {
  return url ? [new URL(url).hostname.replace(/^\[|\]$/g, '')] : [];
}

function statusOf(error: FastifyError): number {
  if (error instanceof RunbookdError) return error.retryable ? 503 : 500;
  const status = error.statusCode ?? 500;
  return status >= 400 && status <= 599 ? status : 500;
}

const WORDS: Readonly<Record<number, readonly [error: string, message: string]>> = {
  400: ['bad_request', 'the request cannot be understood'],
  401: ['unauthorized', 'expected Authorization: Bearer with the token of http.token'],
  403: ['forbidden', 'nobody may write: http.writeToken is not configured'],
  404: ['not_found', 'there is no such path'],
  405: ['method_not_allowed', 'only GET and HEAD are answered'],
  413: ['too_large', 'the request is too large'],
  414: ['too_large', 'the path is too long'],
  415: ['unsupported', 'the content type is not supported; expected application/json'],
  421: ['misdirected', 'the Host header names another machine; expected localhost, or the host of publicUrl'],
  429: ['too_many', `more than ${WRITES_PER_MINUTE} in a minute; try again later`],
  500: ['internal', 'something went wrong here; the log says what'],
  503: ['unavailable', 'not available now; try again'],
};

function refuse(reply: FastifyReply, status: number, message?: string): FastifyReply {
  const [error, words] = WORDS[status] ?? WORDS[status < 500 ? 400 : 500]!;
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send({ error, message: message ?? words });
}

/** What is no HTTP never reaches a route, so the answer is written by hand. */
function refuseRaw(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
  const body = JSON.stringify({ error: 'bad_request', message: WORDS[400]![1] });
  const headers = { ...SECURITY_HEADERS, 'content-type': 'application/json; charset=utf-8', connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (!socket.writable) return void socket.destroy();
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

async function listenOn(app: FastifyInstance, { host, port }: Address, key: string): Promise<Address> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw new RunbookdError('HTTP_LISTEN', [addressText({ host, port }), whyNot(error, key)], error);
  }
  const bound = app.server.address();
  return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port };
}

function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function whyNot(error: unknown, key: string): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EADDRINUSE') return `the port is in use; stop what uses it, or set ${key} to another port`;
  if (code === 'EACCES') return `not permitted; set ${key} to a port above 1023`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return `this machine has no such address; set ${key} to 127.0.0.1, 0.0.0.0 or an address of this machine`;
  }
  return `${messageOf(error)}; see ${key}`;
}

async function closeApp(app: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}
