/**
 * What Typesense says, read with suspicion: a body that is not what its documentation shows gives null, a field that is
 * not a figure gives null for itself. https://typesense.org/docs/27.1/api/cluster-operations.html and
 * https://typesense.org/docs/27.1/api/collections.html
 */

/** Anything else than one JSON object is null. */
export function objectOf(body: string | null): Readonly<Record<string, unknown>> | null {
  if (body === null || !body.trimStart().startsWith('{')) return null;
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Readonly<Record<string, unknown>>)
      : null;
  } catch {
    return null;
  }
}

/** A number that is not negative, also written as a text, as /metrics.json does; larger than any real one is none. */
export function figureOf(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d{1,19}(?:\.\d{1,12})?$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && number >= 0 && number <= 1e18 ? number : null;
}

export interface EngineHealth {
  readonly ok: boolean;
  readonly problem: string | null;
}

/** `{"ok":true}`; `resource_error` beside it is OUT_OF_DISK or OUT_OF_MEMORY. 503 where it is not ok. */
export function healthOf(body: string | null): EngineHealth | null {
  const parsed = objectOf(body);
  const ok = parsed?.['ok'];
  if (typeof ok !== 'boolean') return null;
  const problem = parsed?.['resource_error'];
  return { ok, problem: typeof problem === 'string' && /^[A-Z][A-Z_]{1,39}$/.test(problem) ? problem : null };
}

export interface EngineStats {
  readonly requestsPerSecond: number | null;
  /** Null where nothing was searched: its 0 is no latency. */
  readonly searchLatencyMs: number | null;
  readonly writeLatencyMs: number | null;
  readonly pendingWriteBatches: number | null;
  readonly overloadedPerSecond: number | null;
}

/** /stats.json: means of the last 10 s. Versions before 0.23 have only the maps by endpoint, which are not read. */
export function statsOf(body: string | null): EngineStats | null {
  const parsed = objectOf(body);
  if (parsed === null) return null;
  const requestsPerSecond = figureOf(parsed['search_requests_per_second']);
  const latency = figureOf(parsed['search_latency_ms']);
  const writes = figureOf(parsed['write_requests_per_second']);
  const stats: EngineStats = {
    requestsPerSecond,
    searchLatencyMs: requestsPerSecond === 0 || (requestsPerSecond === null && latency === 0) ? null : latency,
    writeLatencyMs: writes === 0 ? null : figureOf(parsed['write_latency_ms']),
    pendingWriteBatches: figureOf(parsed['pending_write_batches']),
    overloadedPerSecond: figureOf(parsed['overloaded_requests_per_second']),
  };
  return Object.values(stats).every((each) => each === null) ? null : stats;
}

export interface EngineResources {
  readonly memoryRatio: number | null;
  readonly diskRatio: number | null;
  readonly cpuRatio: number | null;
}

/** /metrics.json: figures as texts, of the whole machine. */
export function resourcesOf(body: string | null): EngineResources | null {
  const parsed = objectOf(body);
  if (parsed === null) return null;
  const ratio = (used: string, total: string): number | null => {
    const [part, whole] = [figureOf(parsed[used]), figureOf(parsed[total])];
    return part === null || whole === null || whole === 0 || part > whole ? null : part / whole;
  };
  const cpu = figureOf(parsed['system_cpu_active_percentage']);
  const resources: EngineResources = {
    memoryRatio: ratio('system_memory_used_bytes', 'system_memory_total_bytes'),
    diskRatio: ratio('system_disk_used_bytes', 'system_disk_total_bytes'),
    cpuRatio: cpu === null || cpu > 100 ? null : cpu / 100,
  };
  return Object.values(resources).every((each) => each === null) ? null : resources;
}

/** `num_documents` of /collections/NAME; the name in it is another where NAME is an alias. */
export function documentsOf(body: string | null): number | null {
  const parsed = objectOf(body);
  const documents = parsed?.['num_documents'];
  if (typeof parsed?.['name'] !== 'string' || !Number.isSafeInteger(documents)) return null;
  return (documents as number) >= 0 ? (documents as number) : null;
}
