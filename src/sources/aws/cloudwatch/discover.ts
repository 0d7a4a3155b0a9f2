/**
 * Which values the dimensions with `*` have: availability zones, tasks, endpoints, hosts. Asked of ListMetrics every ten
 * minutes, a few queries at each poll, so that many targets do not hold one up; what was found last stays good while
 * ListMetrics can not be had.
 */

import type { Metric } from '@aws-sdk/client-cloudwatch';
import type { Logger } from 'pino';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Blindness } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { failureOf } from '../failure.ts';
import { CHECK, listed } from './blind.ts';
import { type CloudWatchTarget, type MetricSeries, metricSeries, type SignalQuery, wildcards } from './query.ts';

export const REFRESH_MS = 10 * 60_000;
export const MAX_VALUES = 50;
/** 500 metrics a page. */
const MAX_PAGES = 10;
const CALLS_PER_POLL = 20;

export interface Discovery {
  /** Never rejects. `limit`: how many wildcards are looked up at most. */
  refresh(targets: readonly CloudWatchTarget[], now: EpochMs, signal: AbortSignal, limit?: number): Promise<void>;
  /** All concrete metrics of the targets, as far as they are known. */
  expand(targets: readonly CloudWatchTarget[]): readonly MetricSeries[];
  /** Whether ListMetrics has answered for the query's wildcards. */
  lookedUp(target: CloudWatchTarget, query: SignalQuery): boolean;
  /** Wildcards that could not be looked up at the last try. What was found before is read on, and goes out of date. */
  blind(): readonly Blindness[];
  /** The error of the last look, when every look of it failed. */
  error(): unknown;
}

type Values = Readonly<Record<string, string>>;

interface Found {
  readonly values: readonly Values[];
  readonly dropped: number;
}

export function createDiscovery(aws: Aws, log: Logger): Discovery {
  const found = new Map<string, Found>();
  const triedAt = new Map<string, EpochMs>();
  const failures = new Map<string, Pick<Lookup, 'target' | 'signals'> & { readonly error: unknown }>();
  const warned = new Set<string>();
  let lastError: unknown = null;

  async function look({ target, query, key, signals }: Lookup, signal: AbortSignal): Promise<boolean> {
    try {
      const metrics = await listMetrics(aws, query, signal);
      const known = found.get(key)?.values ?? [];
      const next = pickValues(query, metrics, known);
      found.set(key, next);
      failures.delete(key);
      if (next.dropped > 0 && !warned.has(key)) {
        warned.add(key);
        const { signal: name, namespace, metric } = query;
        log.warn(
          { target, signal: name, namespace, metric, kept: MAX_VALUES, dropped: next.dropped },
          'too many values of a dimension, the rest is not read',
        );
      }
      return true;
    } catch (error) {
      failures.set(key, { target, signals, error });
      // Not ten minutes blind for a call that timed out.
      triedAt.delete(key);
      lastError = error;
      return false;
    }
  }

  return {
    async refresh(targets, now, signal, limit = CALLS_PER_POLL) {
      const due = targets
        .flatMap((one) => lookups(one))
        .filter(({ key }) => {
          const at = triedAt.get(key);
          return at === undefined || now - at >= REFRESH_MS || now < at;
        })
        // Those that were never found first, then the oldest.
        .sort((a, b) => (triedAt.get(a.key) ?? 0) - (triedAt.get(b.key) ?? 0))
        .slice(0, limit);
      lastError = null;
      for (const { key } of due) triedAt.set(key, now);
      const done = await Promise.all(due.map((one) => look(one, signal)));
      if (done.includes(true)) lastError = null;
      const keys = new Set(targets.flatMap((one) => lookups(one).map(({ key }) => key)));
      for (const key of found.keys()) if (!keys.has(key)) found.delete(key);
      for (const key of failures.keys()) if (!keys.has(key)) failures.delete(key);
    },
    expand: (targets) =>
      targets.flatMap((one) =>
        one.queries.flatMap((query) => {
          if (wildcards(query).length === 0) return [metricSeries(one.target, query, {})];
          const values = found.get(keyOf(lookupQuery(query, one)))?.values ?? [];
          const series = values.map((each) => metricSeries(one.target, query, each));
          // Two values that look the same once they are printable would be one series.
          const byLabels = new Map(series.map((each) => [JSON.stringify(each.labels), each]));
          return [...byLabels.values()];
        }),
      ),
    lookedUp: (target, query) => found.has(keyOf(lookupQuery(query, target))),
    blind: () => {
      const all = [...failures].map(([key, { target, signals, error }]) => ({
        ...{ target, signals, known: found.has(key), failure: failureOf(error) },
      }));
      const groups = Map.groupBy(all, ({ target, known, failure }) => JSON.stringify([target, known, failure]));
      return [...groups.values()].map((group): Blindness => {
        const { target, known, failure } = group[0]!;
        const signals = [...new Set(group.flatMap((one) => one.signals))];
        const rest = known ? '; only what was found before is read' : '';
        return { target, check: CHECK, ...failure, detail: `${failure.detail}: ${listed(signals)}${rest}`, signals };
      });
    },
    error: () => lastError,
  };
}

/** A counter that is only there when it is not zero has the values of what proves its zeros. */
function lookupQuery(query: SignalQuery, { queries }: CloudWatchTarget): SignalQuery {
  const names = wildcards(query).toSorted().join();
  const proof = (query.zeroWhere ?? [])
    .map((signal) => queries.find((each) => each.signal === signal))
    .find((each) => each !== undefined);
  return proof !== undefined && wildcards(proof).toSorted().join() === names ? proof : query;
}

interface Lookup {
  readonly target: string;
  readonly query: SignalQuery;
  readonly key: string;
  /** Those that have their values from it. */
  readonly signals: readonly string[];
}

function lookups(target: CloudWatchTarget): readonly Lookup[] {
  const all = target.queries
    .filter((query) => wildcards(query).length > 0)
    .map((query) => ({ signal: query.signal, query: lookupQuery(query, target) }));
  return [...Map.groupBy(all, ({ query }) => keyOf(query))].map(([key, group]) => ({
    ...{ target: target.target, query: group[0]!.query, key },
    signals: group.map(({ signal }) => signal),
  }));
}

function keyOf({ namespace, metric, dimensions }: SignalQuery): string {
  return JSON.stringify([namespace, metric, Object.entries(dimensions).sort()]);
}

async function listMetrics(aws: Aws, query: SignalQuery, signal: AbortSignal): Promise<readonly Metric[]> {
  const metrics: Metric[] = [];
  let token: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await aws.call(
      'cloudwatch:ListMetrics',
      {
        Namespace: query.namespace,
        MetricName: query.metric,
        Dimensions: Object.entries(query.dimensions).map(([Name, Value]) =>
          Value === '*' ? { Name } : { Name, Value },
        ),
        RecentlyActive: 'PT3H',
        ...(token === undefined ? {} : { NextToken: token }),
      },
      signal,
    );
    metrics.push(...(answer.Metrics ?? []));
    token = answer.NextToken;
    if (token === undefined) break;
  }
  return metrics;
}

/**
 * Values of the wildcards in metrics with exactly the query's dimensions, at most 50: those known before stay, so that a
 * signal does not change its series at every look; the rest in their order.
 */
export function pickValues(query: SignalQuery, metrics: readonly Metric[], known: readonly Values[]): Found {
  const names = Object.keys(query.dimensions);
  const stars = wildcards(query);
  const all = new Map<string, Values>();
  for (const { Dimensions = [] } of metrics) {
    const values = Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name ?? '', Value ?? '']));
    const fits =
      Dimensions.length === names.length &&
      names.every(
        (name) => values[name] !== undefined && (stars.includes(name) || values[name] === query.dimensions[name]),
      );
    if (!fits) continue;
    const picked = Object.fromEntries(stars.map((name) => [name, values[name]!]));
    all.set(JSON.stringify(picked), picked);
  }
  const before = known.map((values) => JSON.stringify(values)).filter((key) => all.has(key));
  const fresh = [...all.keys()].filter((key) => !before.includes(key)).sort();
  const kept = [...before, ...fresh].slice(0, MAX_VALUES);
  return { values: kept.map((key) => all.get(key)!), dropped: all.size - kept.length };
}
