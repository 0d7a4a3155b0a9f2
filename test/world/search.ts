/**
 * A Typesense and an OpenSearch on loopback, as far as an observer sees them, in the forms that their makers document:
 * https://typesense.org/docs/27.1/api/cluster-operations.html and
 * https://docs.opensearch.org/latest/api-reference/cluster-api/cluster-health/
 */

import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Ways of an upstream to be bad that have nothing to do with what it is. */
export type HttpTrouble = 'hang' | 'drip' | 'huge' | 'redirect' | 'garbage' | 'reset' | 'status-502' | 'empty';

export interface TypesenseState {
  /** False while it starts or lags behind: everything but /health answers 503. */
  readonly ok: boolean;
  /** Writes are refused with 422 meanwhile; searches are answered. */
  readonly resourceError: 'OUT_OF_DISK' | 'OUT_OF_MEMORY' | null;
  /** Documents by collection; what is not there is 404. */
  readonly collections: Readonly<Record<string, number>>;
  readonly searchesPerSecond: number;
  readonly searchLatencyMs: number;
  readonly writesPerSecond: number;
  readonly writeLatencyMs: number;
  readonly pendingWriteBatches: number;
  readonly overloadedPerSecond: number;
  readonly cpuPercent: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  readonly diskUsedBytes: number;
  readonly diskTotalBytes: number;
}

export interface OpenSearchState {
  readonly status: 'green' | 'yellow' | 'red';
  readonly nodes: number;
  readonly activePrimaryShards: number;
  readonly activeShards: number;
  readonly unassignedShards: number;
  readonly timedOut: boolean;
}

interface Fake<State> extends AsyncDisposable {
  /** Root: `http://127.0.0.1:…`. */
  readonly url: string;
  /** `GET /health`, in the order in which they came. */
  readonly requests: readonly string[];
  set(change: Partial<State>): void;
  /** From now on every answer is this; null ends it. */
  trouble(kind: HttpTrouble | null): void;
  /** From now on every body goes through this: for answers that somebody tampered with. */
  mutate(change: ((body: string) => string) | null): void;
  /** Nothing listens any more; `start` takes the same port again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface Typesense extends Fake<TypesenseState> {
  readonly apiKey: string;
}

export type OpenSearch = Fake<OpenSearchState>;

const GB = 1_073_741_824;

export const WELL: TypesenseState = {
  ok: true,
  resourceError: null,
  collections: { models: 48_200, studios: 3_100 },
  searchesPerSecond: 42,
  searchLatencyMs: 12,
  writesPerSecond: 3,
  writeLatencyMs: 20,
  pendingWriteBatches: 0,
  overloadedPerSecond: 0,
  cpuPercent: 22,
  memoryUsedBytes: 3 * GB,
  memoryTotalBytes: 8 * GB,
  diskUsedBytes: 20 * GB,
  diskTotalBytes: 80 * GB,
};

export const READY: OpenSearchState = {
  status: 'green',
  nodes: 3,
  activePrimaryShards: 12,
  activeShards: 24,
  unassignedShards: 0,
  timedOut: false,
};

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** C++ `std::to_string`-like texts, as /metrics.json has them. */
const text = (value: number, digits = 0): string => value.toFixed(digits);

function typesenseReply(path: string, key: string | undefined, apiKey: string, state: TypesenseState): Reply {
  if (path === '/health') {
    const error = state.resourceError === null ? {} : { resource_error: state.resourceError };
    return { status: state.ok ? 200 : 503, body: { ok: state.ok, ...error } };
  }
  if (key !== apiKey) {
    return { status: 401, body: { message: 'Forbidden - a valid `x-typesense-api-key` header must be sent.' } };
  }
  if (!state.ok) return { status: 503, body: { message: 'Not Ready or Lagging' } };
  if (path === '/stats.json') {
    const search = 'GET /collections/:collection/documents/search';
    return {
      status: 200,
      body: {
        delete_latency_ms: 0,
        delete_requests_per_second: 0,
        import_latency_ms: 0,
        import_requests_per_second: 0,
        latency_ms: { [search]: state.searchLatencyMs },
        overloaded_requests_per_second: state.overloadedPerSecond,
        pending_write_batches: state.pendingWriteBatches,
        requests_per_second: { [search]: state.searchesPerSecond },
        search_latency_ms: state.searchesPerSecond === 0 ? 0 : state.searchLatencyMs,
        search_requests_per_second: state.searchesPerSecond,
        total_requests_per_second: state.searchesPerSecond + state.writesPerSecond,
        write_latency_ms: state.writesPerSecond === 0 ? 0 : state.writeLatencyMs,
        write_requests_per_second: state.writesPerSecond,
      },
    };
  }
  if (path === '/metrics.json') {
    const { memoryUsedBytes, memoryTotalBytes, diskUsedBytes, diskTotalBytes } = state;
    return {
      status: 200,
      body: {
        system_cpu1_active_percentage: text(state.cpuPercent, 2),
        system_cpu_active_percentage: text(state.cpuPercent, 2),
        system_disk_total_bytes: text(diskTotalBytes),
        system_disk_used_bytes: text(diskUsedBytes),
        system_memory_total_bytes: text(memoryTotalBytes),
        system_memory_used_bytes: text(memoryUsedBytes),
        system_network_received_bytes: '1466',
        system_network_sent_bytes: '182',
        typesense_memory_active_bytes: text(memoryUsedBytes * 0.8),
        typesense_memory_fragmentation_ratio: '0.06',
      },
    };
  }
  const name = /^\/collections\/([^/]+)$/.exec(path)?.[1];
  const documents = name === undefined ? undefined : state.collections[decodeURIComponent(name)];
  if (documents === undefined) return { status: 404, body: { message: 'Not Found' } };
  return {
    status: 200,
    body: {
      name,
      num_documents: documents,
      created_at: 1_709_216_000,
      default_sorting_field: 'rank',
      enable_nested_fields: false,
      fields: [{ name: 'city', type: 'string', facet: true, index: true, optional: false, sort: false }],
      symbols_to_index: [],
      token_separators: [],
    },
  };
}

function openSearchReply(path: string, state: OpenSearchState): Reply {
  if (path !== '/_cluster/health') {
    return { status: 400, body: { error: `no handler found for uri [${path}] and method [GET]` } };
  }
  const total = state.activeShards + state.unassignedShards;
  return {
    status: state.timedOut ? 408 : 200,
    body: {
      cluster_name: 'rastup-search',
      status: state.status,
      timed_out: state.timedOut,
      number_of_nodes: state.nodes,
      number_of_data_nodes: state.nodes,
      discovered_master: true,
      discovered_cluster_manager: true,
      active_primary_shards: state.activePrimaryShards,
      active_shards: state.activeShards,
      relocating_shards: 0,
      initializing_shards: 0,
      unassigned_shards: state.unassignedShards,
      delayed_unassigned_shards: 0,
      number_of_pending_tasks: 0,
      number_of_in_flight_fetch: 0,
      task_max_waiting_in_queue_millis: 0,
      active_shards_percent_as_number: total === 0 ? 100 : (state.activeShards / total) * 100,
    },
  };
}

const HUGE = 'x'.repeat(65_536);

function misbehave(kind: HttpTrouble, response: ServerResponse): void {
  const json = { 'content-type': 'application/json' };
  switch (kind) {
    case 'hang':
      return;
    case 'drip': {
      response.writeHead(200, json);
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
      return;
    }
    case 'huge': {
      response.writeHead(200, json);
      response.write('{"ok":true,"x":"');
      const more = (): void => {
        while (!response.destroyed && response.write(HUGE));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
      return;
    }
    case 'redirect':
      response.writeHead(302, { location: 'https://login.example.com/?next=search' }).end();
      return;
    case 'garbage':
      response.writeHead(200, json).end('<html><body>It works!</body></html>');
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'status-502':
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>502 Bad Gateway</h1>');
      return;
    case 'empty':
      response.writeHead(200, json).end();
  }
}

async function startFake<State extends object>(
  initial: State,
  reply: (path: string, key: string | undefined, state: State) => Reply,
): Promise<Fake<State>> {
  let state = initial;
  let trouble: HttpTrouble | null = null;
  let mutate: ((body: string) => string) | null = null;
  let port = 0;
  let server: Server | null = null;
  const requests: string[] = [];

  const start = async (): Promise<void> => {
    if (server !== null) return;
    const started = createServer((request, response) => {
      requests.push(`${request.method} ${request.url}`);
      if (trouble !== null) return misbehave(trouble, response);
      const { status, body } = reply(request.url ?? '', request.headers['x-typesense-api-key']?.toString(), state);
      const written = JSON.stringify(body);
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
      response.end(mutate === null ? written : mutate(written));
    });
    await new Promise<void>((resolve) => started.listen(port, '127.0.0.1', resolve));
    port = (started.address() as AddressInfo).port;
    server = started;
  };
  const stop = async (): Promise<void> => {
    const stopping = server;
    server = null;
    if (stopping === null) return;
    await new Promise<void>((resolve) => {
      stopping.close(() => resolve());
      stopping.closeAllConnections();
    });
  };
  await start();
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    set(change) {
      state = { ...state, ...change };
    },
    trouble(kind) {
      trouble = kind;
    },
    mutate(change) {
      mutate = change;
    },
    stop,
    start,
    [Symbol.asyncDispose]: stop,
  };
}

export async function startTypesense(state: Partial<TypesenseState> = {}): Promise<Typesense> {
  const apiKey = 'canary-typesense-key';
  const fake = await startFake<TypesenseState>({ ...WELL, ...state }, (path, key, now) =>
    typesenseReply(path, key, apiKey, now),
  );
  return { ...fake, apiKey };
}

export async function startOpenSearch(state: Partial<OpenSearchState> = {}): Promise<OpenSearch> {
  return startFake<OpenSearchState>({ ...READY, ...state }, (path, _key, now) => openSearchReply(path, now));
}
