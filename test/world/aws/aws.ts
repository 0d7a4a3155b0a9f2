/**
 * AWS in miniature on a loopback port: the wire protocols of the calls in src/sources/aws/calls.ts and of AssumeRole,
 * over a fleet, for the vendor's own SDK as the client. It refuses what the vendor would refuse, and what it does not
 * speak it refuses loudly rather than answering something.
 */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getMetricData, listMetrics } from './api-cloudwatch.ts';
import { type EcsApi, ecsApi } from './api-ecs.ts';
import { filterLogEvents } from './api-logs.ts';
import { ec2Api, elbApi } from './api-network.ts';
import { rdsApi } from './api-rds.ts';
import { autoScalingApi, type RoleRule, stsApi } from './api-scaling.ts';
import { lambdaApi, sqsApi } from './api-workers.ts';
import { createCatalogue } from './catalogue.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { type Api, ApiError, answer, type Call, type Reply, type Result, readCall, refusal } from './protocol.ts';
import type { QueryApi } from './query-page.ts';
import { createTrouble, type Trouble } from './trouble.ts';

export interface ReceivedCall {
  readonly at: number;
  /** IAM action: `ecs:DescribeServices`. */
  readonly action: string;
  /** Of the signature. */
  readonly region: string;
  readonly accessKey: string;
  /** Null when no answer was sent. */
  readonly status: number | null;
  /** The vendor's code, when it was refused. */
  readonly code: string | null;
  /** Queries of GetMetricData, which are what it costs. */
  readonly metrics: number;
}

export interface AwsOptions {
  readonly fleet: Fleet;
  /** Default: the fleet's. */
  readonly now?: () => number;
  /** For every namespace alike. Default: 2 min for load balancers, ECS and SQS, 1 min for RDS and Lambda, 10 s for the application. */
  readonly publishDelayMs?: number;
  /** How long a log line takes to be found; default 2 s, or the publish delay where that is shorter. */
  readonly logDelayMs?: number;
  /** Roles that AssumeRole gives; default any. */
  readonly roles?: readonly RoleRule[];
  /** 0 or absent: any free port. */
  readonly port?: number;
  readonly log?: (line: string) => void;
}

export interface AwsEndpoint {
  /** `http://127.0.0.1:PORT`, for every service. */
  readonly endpoint: string;
  /** Oldest first, the last 10,000. */
  calls(): readonly ReceivedCall[];
  clearCalls(): void;
  readonly trouble: Trouble;
  close(): Promise<void>;
}

interface Described {
  readonly events: readonly { readonly message: string }[];
}

const MOST_CALLS = 10_000;
/** Slots that are kept before all are let go: about 100 MB. */
const MOST_SLOTS = 250_000;

const DELAYS: Readonly<Record<string, number>> = {
  'AWS/ApplicationELB': 120_000,
  'AWS/ECS': 120_000,
  'ECS/ContainerInsights': 120_000,
  'AWS/SQS': 120_000,
  'AWS/RDS': 60_000,
  'AWS/Lambda': 60_000,
};

export async function startAws(options: AwsOptions): Promise<AwsEndpoint> {
  const { fleet, log } = options;
  const now = options.now ?? fleet.now;
  const state = createTrouble();
  const calls: ReceivedCall[] = [];
  const sockets = new Set<Socket>();
  let endpoint = '';

  const catalogues = new Map<Fleet, ReturnType<typeof createCatalogue>>();
  const catalogueOf = (of: Fleet): ReturnType<typeof createCatalogue> => {
    const known = catalogues.get(of) ?? createCatalogue(of);
    catalogues.set(of, known);
    return known;
  };
  const cloudwatchOf = (of: Fleet) => ({
    fleet: of,
    catalogue: catalogueOf(of),
    delayMs: (namespace: string) => (options.publishDelayMs ?? DELAYS[namespace] ?? 10_000) + state.lateMs(),
    partial: state.partial,
    forgotten: state.forgotten,
  });
  const withoutMuted = (api: EcsApi): EcsApi => ({
    ...api,
    DescribeServices: (call, at) => {
      const answer = api['DescribeServices']!(call, at) as { readonly services: readonly Described[] };
      const services = answer.services.map((one) => ({
        ...one,
        events: one.events.filter(({ message }) => !state.muted(message)),
      }));
      return { ...answer, services };
    },
  });
  const logDelayMs = options.logDelayMs ?? Math.min(2_000, options.publishDelayMs ?? 2_000);

  type Handler = (call: Call, at: number) => Result;
  const json =
    (handler: (call: Call, at: number) => unknown): Handler =>
    (call, at) => ({ json: handler(call, at) });
  const all = (handlers: Readonly<Record<string, (call: Call, at: number) => unknown>>): Record<string, Handler> =>
    Object.fromEntries(Object.entries(handlers).map(([name, handler]) => [name, json(handler)]));
  const query = (handlers: QueryApi): Record<string, Handler> =>
    Object.fromEntries(
      Object.entries(handlers).map(([name, handler]) => [
        name,
        (call: Call, at: number) => ({ xml: handler(call, at) }),
      ]),
    );
  type Handlers = Readonly<Record<Api, Readonly<Record<string, Handler>>>>;
  const handlersOf = (fleet: Fleet): Handlers => ({
    cloudwatch: {
      GetMetricData: json((call, at) => getMetricData(cloudwatchOf(fleet), call, at)),
      ListMetrics: json((call, at) => listMetrics(cloudwatchOf(fleet), call, at)),
    },
    ecs: all(withoutMuted(ecsApi(fleet))),
    logs: { FilterLogEvents: json((call, at) => filterLogEvents(fleet, logDelayMs, call, at)) },
    sqs: all(sqsApi(fleet, () => endpoint)),
    lambda: all(lambdaApi(fleet)),
    rds: query(rdsApi(fleet)),
    elasticloadbalancing: query(elbApi(fleet)),
    ec2: query(ec2Api(fleet)),
    autoscaling: query(autoScalingApi(fleet)),
    sts: query(stsApi(options.roles ?? null, state.issue)),
  });
  const here = handlersOf(fleet);
  const elsewhere = handlersOf(createFleet({ seed: 0, now, startedAt: fleet.startedAt, services: [], clusters: [] }));

  function perform(call: Call, at: number): Result {
    if (call.accessKey === '')
      throw new ApiError('MissingAuthenticationToken', 'Request is missing Authentication Token', 403);
    const table = (state.isElsewhere(call.region) ? elsewhere : here)[call.api];
    const handler = Object.hasOwn(table, call.operation) ? table[call.operation] : undefined;
    if (handler === undefined) throw new ApiError('InvalidAction', `${call.action} is not spoken here`);
    return handler(call, at);
  }

  function note(call: Call, at: number, status: number | null, code: string | null): void {
    const queries = call.input['MetricDataQueries'];
    const metrics = Array.isArray(queries) ? queries.length : 0;
    calls.push({ at, action: call.action, region: call.region, accessKey: call.accessKey, status, code, metrics });
    if (calls.length > MOST_CALLS) calls.splice(0, calls.length - MOST_CALLS);
    log?.(`${call.action} ${call.region} ${status ?? 'no answer'}${code === null ? '' : ` ${code}`}`);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const { method = 'GET', url = '/', headers } = request;
    const at = now();
    const date = state.date();
    response.sendDate = false;
    if (date !== null) response.setHeader('date', date.toUTCString());
    const call = readCall({ method, url, headers, body });
    if (call === null) {
      log?.(`${method} ${url} ${headers['x-amz-target'] ?? ''}: none of the APIs that are spoken here`);
      const message = `no API for ${method} ${url} with target ${String(headers['x-amz-target'])}`;
      send(response, {
        status: 404,
        headers: { 'content-type': 'text/plain' },
        body: `UnknownOperationException: ${message}`,
      });
      return;
    }
    const requestId = randomUUID();
    try {
      const spoilt = state.before(call, signedAt(headers['x-amz-date']));
      if (spoilt !== 'answer') {
        note(call, at, spoilt === 'garbage' ? 500 : null, spoilt);
        if (spoilt === 'drop') request.socket.resetAndDestroy();
        if (spoilt === 'garbage') {
          const html = '<html><head><title>502 Bad Gateway</title></head><body>upstream & <b>gone</body></html>';
          send(response, { status: 500, headers: { 'content-type': 'text/html' }, body: html });
        }
        return;
      }
      const reply = answer(call, perform(call, at), requestId);
      note(call, at, reply.status, null);
      send(response, reply);
      trim();
    } catch (error) {
      const known = error instanceof ApiError;
      // A fault of this world is not one of AWS: it is told, and fails the test through the log or the answer.
      const api = known
        ? error
        : new ApiError('InternalFailure', `the world failed: ${String((error as Error).stack)}`, 500);
      note(call, at, api.status, api.code);
      send(response, refusal(call, api, requestId));
    }
  }

  function trim(): void {
    let held = 0;
    for (const model of fleet.services.values()) held += model.held();
    if (held > MOST_SLOTS) for (const model of fleet.services.values()) model.forget();
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      log?.(`request failed: ${String(error)}`);
      request.socket.destroy();
    });
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    endpoint,
    calls: () => [...calls],
    clearCalls: () => {
      calls.length = 0;
    },
    trouble: state.trouble,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** `20261120T180000Z`. */
function signedAt(stamp: string | readonly string[] | undefined): number | null {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/
    .exec(String(stamp ?? ''))
    ?.slice(1)
    .map(Number);
  return parts === undefined ? null : Date.UTC(parts[0]!, parts[1]! - 1, parts[2]!, parts[3]!, parts[4]!, parts[5]!);
}

function send(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
