/**
 * CloudWatch's metrics of one account and region as a source: series of services, databases and queues. Calls, limits and
 * meanings are in the files beside this one; here is what is kept between polls, and the pace that the budget allows.
 */

import type { Logger } from 'pino';
import { RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Blindness, PollResult, Source } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { type Costs, costsOf } from './cost.ts';
import { createDiscovery } from './discover.ts';
import { readHistory } from './history.ts';
import { pollOnce, seriesKey } from './poll.ts';
import { type CloudWatchTarget, type MetricSeries, relatedSeries } from './query.ts';
import { createState, forgetOthers, readState, saveState } from './state.ts';
import type { Span } from './windows.ts';

export type { Costs } from './cost.ts';
export type { CloudWatchTarget, SignalQuery } from './query.ts';

export interface CloudWatchOptions {
  readonly name: string;
  readonly aws: Aws;
  readonly targets: readonly CloudWatchTarget[];
  /** Period of the metrics; a multiple of 60, as those of AWS' services are. */
  readonly periodSeconds: number;
  /** How long after its end a period is taken as settled. */
  readonly settleSeconds: number;
  /** This source's share, for GetMetricData. */
  readonly budgetUsdPerMonth: number;
  /** How often `poll` is going to be called. */
  readonly pollSeconds: number;
  readonly log: Logger;
}

export interface CloudWatchSource extends Source {
  costs(): Costs;
}

const GROUP = 'cloudwatch';
/** Lookups of wildcards at the start of a history: there is no poll that waits. */
const HISTORY_LOOKUPS = 1000;
/** Times in a row that a look of which only a part failed is repeated at once: what it did read was paid for. */
const RETRIES = 3;

export function createCloudWatchSource(options: CloudWatchOptions): CloudWatchSource {
  const { name, aws, targets, budgetUsdPerMonth, pollSeconds, log } = options;
  const periodMs = options.periodSeconds * 1000;
  const settleMs = options.settleSeconds * 1000;
  const place = `${aws.account.region} ${aws.account.roleArn ?? ''}`;
  const discovery = createDiscovery(aws, log);
  let state = createState();
  let blind: readonly Blindness[] = [];
  /** When the last look was made that need not be repeated. */
  let polledAt: EpochMs | null = null;
  let retries = 0;
  let costs = project(discovery.expand(targets));
  let told = '';

  function project(series: readonly MetricSeries[]): Costs {
    const periods = new Map<string, number>();
    const byTarget = Map.groupBy(series, (one) => one.target);
    for (const one of series) {
      const samples = one.query.samples ?? [];
      const sampled =
        samples.length > 0 && relatedSeries(samples, one.labels, byTarget.get(one.target) ?? []).length > 0;
      const multiple = sampled ? (state.multiples.get(seriesKey(one)) ?? 1) : 1;
      const period = options.periodSeconds * multiple;
      periods.set(one.id, Math.min(periods.get(one.id) ?? period, period));
    }
    const byPeriod = new Map(
      [...Map.groupBy(periods.values(), (each) => each)].map(([each, all]) => [each, all.length]),
    );
    return costsOf({ byPeriod, pollSeconds, budgetUsdPerMonth });
  }

  function tell(next: Costs): void {
    const level = next.overBudget ? 'over' : next.stretched ? 'stretched' : '';
    if (level !== told && level !== '') {
      const { series, usdPerMonth, pollSeconds: pace } = next;
      const fields = {
        source: name,
        series,
        usdPerMonth: Math.round(usdPerMonth * 100) / 100,
        budgetUsdPerMonth,
        pollSeconds: pace,
      };
      if (level === 'over') log.warn(fields, 'cloudwatch costs more than its budget even when read every 15 min');
      else log.warn(fields, 'cloudwatch is read less often, to stay within its budget');
    }
    told = level;
  }

  /** Under a stretched pace one failed call must not cost a whole period. A look that failed altogether costs nothing. */
  function isToRepeat(nothingRead: boolean): boolean {
    // Queries that are refused as such have their own, longer pause.
    const failing = [...state.metrics.values()].some((one) => one.failure !== null && one.invalidAt === null);
    retries = !failing ? 0 : nothingRead ? retries : retries + 1;
    return failing && (nothingRead || retries <= RETRIES);
  }

  /** Half a poll early is in time: schedules jitter. */
  const isTooEarly = (now: EpochMs): boolean =>
    costs.stretched &&
    polledAt !== null &&
    now >= polledAt &&
    now - polledAt < (costs.pollSeconds - pollSeconds / 2) * 1000;

  async function poll(now: EpochMs, signal: AbortSignal): Promise<PollResult> {
    if (isTooEarly(now)) return { series: [], changes: [], blind };
    await discovery.refresh(targets, now, signal);
    const series = discovery.expand(targets);
    const { lookedUp } = discovery;
    const delayMs = settleMs + costs.pollSeconds * 1000;
    const input = { aws, series, targets, lookedUp, state, periodMs, settleMs, delayMs, now };
    const result = await pollOnce(input, signal);
    forgetOthers(state, new Set(series.map((one) => one.id)), new Set(series.map(seriesKey)));
    if (!isToRepeat(result.error !== null)) polledAt = now;
    costs = project(series);
    tell(costs);
    blind = [...result.blind, ...discovery.blind()];
    const error = result.error ?? (series.length === 0 ? discovery.error() : null);
    if (error !== null) throw error;
    return { series: result.series, changes: [], blind };
  }

  return {
    name,
    groups: [GROUP],
    targets: targets.map(({ target }) => target),
    poll: async (group, now, signal) => {
      if (group !== GROUP) throw new RunbookdError('AWS_FAILED', [name, group, 'no such poll group']);
      return poll(now, signal);
    },
    async *history(from, now, signal) {
      await discovery.refresh(targets, now, signal, HISTORY_LOOKUPS);
      const series = discovery.expand(targets);
      // The polls go on from here, instead of reading hours of all metrics once more.
      const onRead = ({ id, target, query }: MetricSeries, span: Span, newestEnd: EpochMs | null): void => {
        if (state.metrics.has(id)) return;
        state.metrics.set(id, { watermark: span.to, seenEnd: newestEnd, failure: null, invalidAt: null });
        if (query.signal === 'requests' && newestEnd !== null) state.requestsEnd.set(target, newestEnd);
      };
      yield* readHistory({ aws, series, periodMs, settleMs, from, now, onRead }, signal);
    },
    answers: () => false,
    answer: async ({ kind }) => ({
      state: 'unknown',
      kind,
      because: 'unsupported',
      detail: `${name} answers no questions`,
    }),
    snapshot: () => saveState(state, place),
    restore: (bytes) => {
      const saved = readState(bytes, place);
      if (saved === null) log.warn({ source: name }, 'snapshot is not readable here, starting without history');
      else state = saved;
    },
    // The clients are closed by who made them: other sources use them too.
    close: async () => {},
    costs: () => costs,
  };
}
