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
