/** Options of the detectors where a minute of life is two seconds. */

/** Minutes become seconds; statements are judged by calls in an interval. */
export const LIVE_OPTIONS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'high-error-rate': { pollSeconds: 1, shortSeconds: 10, longSeconds: 60, clearSeconds: 3 },
  'high-latency': { pollSeconds: 1, minimumSamples: 50, clearSeconds: 3 },
  'high-cpu-memory': { pollSeconds: 1, clearSeconds: 3 },
  'service-unavailable': {
    pollSeconds: 1,
    holdSeconds: 2,
    clearSeconds: 2,
    silentSeconds: 60,
    silentAloneSeconds: 60,
  },
  'health-check-failing': { pollSeconds: 1, clearSeconds: 3 },
  'lock-contention': { pollSeconds: 1, holdSeconds: 1 },
  'connection-pool-exhausted': { pollSeconds: 1, holdSeconds: 1 },
  'database-unreachable': { pollSeconds: 1 },
  'replication-lag': { pollSeconds: 2, warnBytes: 150_000, warnSeconds: 3 },
  'slow-queries': {
    pollSeconds: 1,
    holdSeconds: 1,
    clearSeconds: 1,
    minCalls: 20,
    minLifetimeCalls: 50,
    spillBlocks: 50,
    loadFloor: 0.5,
  },
};
