/** What the Redis source reads at each poll. */

import type { SignalInfo } from '../../model/source.ts';

const info = (signal: string, unit: SignalInfo['unit'], description: string): SignalInfo => ({
  signal,
  unit,
  group: 'redis',
  description,
});

export const REDIS_SIGNALS: readonly SignalInfo[] = [
  info('cache_up', 'bool', 'the cache lets a client in and answers PING'),
  info('cache_memory', 'ratio', 'memory in use, of maxmemory; none where there is no limit'),
  info('cache_clients', 'count', 'connected clients'),
  info('cache_rejected_connections', 'count', 'connections turned away since the poll before, for maxclients'),
  info('cache_evictions_per_second', 'per_second', 'keys evicted for want of memory'),
  info('cache_hit_ratio', 'ratio', 'look-ups that found their key, of those since the poll before'),
  info('cache_ping_ms', 'ms', 'time of a PING'),
];
