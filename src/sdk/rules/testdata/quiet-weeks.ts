/**
 * Services in simulation: requests by the minute with a curve of the day, a small rate of errors, and bursts of 5 to 30
 * errors within a minute a few times a day. Judged by the rule with the bands of the real baselines, which have to learn
 * from the same bursty weeks. Seeded: the same at every run.
 */

import { createEngine, expectedAt, learnValues } from '../../../baseline/engine.ts';
import type { Band, Reading, Sample } from '../../../model/index.ts';
import { type ErrorRateRule, errorRateAbove } from '../error-rate.ts';

const MINUTE = 60_000;
const DAY = 24 * 60;
const START = Date.UTC(2026, 6, 6);
const HORIZON = 15;

export const RULE: ErrorRateRule = {
  excess: 0.005,
  shortMs: 5 * MINUTE,
  longMs: 60 * MINUTE,
  minimumErrors: 5,
  significance: 1e-6,
  assumed: 0.01,
};

export interface Service {
  readonly seed: number;
  readonly perMinute: number;
  /** Share of requests that fail. */
  readonly rate: number;
  readonly burstsPerDay: number;
  /** Whether the requests of a burst come on top, as retries do, or fail among the usual ones. */
  readonly extra: boolean;
  /** 0: nothing was learned, it is judged from its first minute on. */
  readonly historyDays: number;
}

export interface Fault {
  /** Share of all requests that fails from the end of the history on. */
  readonly rate: number;
}

/** mulberry32. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** By inversion, and by the normal approximation where nobody sees the difference. */
function poisson(random: () => number, mean: number): number {
  if (mean > 60) {
    const normal = Math.sqrt(-2 * Math.log(random() || 1e-12)) * Math.cos(2 * Math.PI * random());
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal));
  }
  const at = random();
  let k = 0;
  let term = Math.exp(-mean);
  for (let sum = term; at > sum && k < 1000; sum += term) term *= mean / ++k;
  return k;
}

/** Of small rates as Poisson; else one by one, or by the normal approximation. */
function binomial(random: () => number, n: number, p: number): number {
  if (p < 0.02) return Math.min(n, poisson(random, n * p));
  if (n * (1 - p) > 200) return Math.min(n, Math.round(n * p + Math.sqrt(1 - p) * (poisson(random, n * p) - n * p)));
  let k = 0;
  for (let i = 0; i < n; i++) if (random() < p) k++;
  return k;
}

interface Columns {
  readonly requests: Float64Array;
  readonly errors: Float64Array;
}

function simulate(service: Service, minutes: number, fault: Fault | null): Columns {
  const random = uniform(service.seed);
  const columns = { requests: new Float64Array(minutes), errors: new Float64Array(minutes) };
  const from = service.historyDays * DAY;
  for (let i = 0; i < minutes; i++) {
    const curve = 1 - 0.4 * Math.cos((2 * Math.PI * i) / DAY);
    let requests = poisson(random, service.perMinute * (fault === null ? curve : 1));
    const rate = fault !== null && i >= from ? fault.rate : service.rate;
    let errors = binomial(random, requests, rate);
    if (random() < service.burstsPerDay / DAY) {
      const size = 5 + Math.floor(26 * random());
      if (service.extra) {
        requests += size;
        errors += size;
      } else errors = Math.min(requests, errors + size);
    }
    columns.requests[i] = requests;
    columns.errors[i] = errors;
  }
  return columns;
}

/** Minutes (from the end of the history) at which a departure began; after one, nothing is looked at for an hour. */
export function departures(service: Service, minutes: number, fault: Fault | null = null): readonly number[] {
  const from = service.historyDays * DAY;
  const { requests, errors } = simulate(service, from + minutes, fault);
  const times = Float64Array.from(requests, (_, i) => START + i * MINUTE);
  const engines = [errors, requests].map((values) => {
    const engine = createEngine({ unit: 'count', warmupBuckets: 12 });
    const learned = Math.max(0, from - HORIZON);
    learnValues(engine, times.subarray(0, learned), values.subarray(0, learned), MINUTE);
    return { engine, values, bands: [] as Band[] };
  });
  const reading = (signal: string, which: number, to: number): Reading => {
    const { values, bands } = engines[which]!;
    const samples: Sample[] = [];
    for (let i = Math.max(0, to - 59); i <= to; i++) {
      samples.push({ at: times[i]!, value: values[i]!, band: bands[i] ?? bands[from]! });
    }
    return { target: 'api', signal, labels: {}, unit: 'count', periodMs: MINUTE, samples, freshness: 'present' };
  };
  const found: number[] = [];
  for (let i = from; i < from + minutes; i++) {
    for (const { engine, values, bands } of engines) {
      bands[i] = expectedAt(engine, times[i]!);
      // By five minutes, as the baselines do; and nothing under a fault.
      if (fault === null && i % 5 === 0 && i >= HORIZON + 5) {
        learnValues(
          engine,
          times.subarray(i - HORIZON - 5, i - HORIZON),
          values.subarray(i - HORIZON - 5, i - HORIZON),
          MINUTE,
        );
      }
    }
    if (!worthJudging(requests, errors, i)) continue;
    const judged = errorRateAbove(reading('errors', 0, i), reading('requests', 1, i), RULE, false);
    if (judged.state !== 'departed') continue;
    found.push(i - from);
    i += 60;
  }
  return found;
}

/** What the rule needs at the least, so that millions of quiet minutes cost nothing. */
function worthJudging(requests: Float64Array, errors: Float64Array, at: number): boolean {
  let asked = 0;
  let failed = 0;
  for (let i = Math.max(0, at - 4); i <= at; i++) {
    asked += requests[i]!;
    failed += errors[i]!;
  }
  return failed > RULE.excess * asked || (failed > 0 && errors[at] === requests[at]);
}

/** Service-weeks of all sizes, error rates, kinds of bursts and lengths of history. */
export function quietServices(count: number): readonly Service[] {
  const pick = <T>(of: readonly T[], i: number): T => of[i % of.length]!;
  return Array.from({ length: count }, (_, i) => ({
    seed: i + 1,
    perMinute: pick([2, 6, 20, 60, 200, 600, 2000], i),
    rate: pick([0.0005, 0.002, 0.01], Math.floor(i / 7)),
    burstsPerDay: pick([1, 3, 6], Math.floor(i / 21)),
    extra: pick([true, false], Math.floor(i / 63)),
    historyDays: pick([8, 1, 8, 25], Math.floor(i / 126)),
  }));
}
