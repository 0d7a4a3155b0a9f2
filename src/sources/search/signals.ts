/** What the search source reads at each poll. */

import type { SignalInfo } from '../../model/source.ts';

const info = (signal: string, unit: SignalInfo['unit'], description: string): SignalInfo => ({
  signal,
  unit,
  group: 'search',
  description,
});

export const SEARCH_SIGNALS: readonly SignalInfo[] = [
  info('search_up', 'bool', 'the search engine says that it is well'),
  info('search_documents', 'count', 'documents by collection'),
  info('search_requests_per_second', 'per_second', 'searches a second, of the last 10 s'),
  info('search_engine_latency_ms', 'ms', 'mean time of a search in the engine, of the last 10 s'),
  info('search_pending_writes', 'count', 'batches of writes that wait'),
  info('search_overloaded_per_second', 'per_second', 'requests a second that were turned away, of the last 10 s'),
  info('search_memory', 'ratio', "memory in use, of the engine's machine"),
  info('search_disk', 'ratio', "disk in use, of the engine's machine"),
];

/** What only the application knows of its searches: a search target's `signals` bind them. */
const byHand = (signal: string, unit: SignalInfo['unit'], description: string): SignalInfo => ({
  signal,
  unit,
  group: 'cloudwatch',
  description,
  byHand: true,
});

export const SEARCH_SIGNALS_BY_HAND: readonly SignalInfo[] = [
  byHand('search_queries', 'count', 'searches of users'),
  byHand('search_zero_results', 'count', 'searches of users that found nothing'),
  byHand('search_latency_p95', 's', '95th percentile of what users wait for a search'),
  byHand('search_cache_hit_ratio', 'ratio', 'searches that a cache before the engine answered'),
  byHand('search_facets_per_query', 'count', 'filters and facets of a search, on the mean'),
];
