/**
 * Our own metrics for Prometheus. What describes targets is replaced as a whole at each update, so that the series of a
 * resolved finding or a removed target vanish. Label values come from the configuration or from fixed lists: never query
 * text, process ids or names that users of the database choose.
 */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Blindness, EpochMs, Finding, Reading } from '../model/index.ts';
import { boundedLabel, createSeriesBudget, SERIES_IN_ALL, SERIES_PER_TARGET } from './series-budget.ts';

/** A cause of a firing finding. Causes beyond the first five of a (target, detector) are not shown. */
export interface CauseConfidence {
  readonly target: string;
  readonly detector: string;
  readonly cause: string;
  /** 0…1. */
  readonly confidence: number;
}

export interface MetricsOptions {
  readonly version: string;
  /** CPU, memory, event loop of this process; off in tests that count series. */
  readonly processMetrics?: boolean;
  readonly seriesPerTarget?: number;
  readonly seriesInAll?: number;
}

export interface Metrics {
  /** Firing ones are shown, others are passed over. Replaces what was set before. */
  setFindings(findings: readonly Finding[]): void;
  setCauses(causes: readonly CauseConfidence[]): void;
  /** The last sample of each reading without labels of its own. */
  setReadings(readings: readonly Reading[]): void;
  blind(list: readonly Blindness[]): void;
  pollDuration(source: string, seconds: number): void;
  missed(reason: string): void;
  sourceError(source: string, code: string): void;
  notification(channel: string, outcome: string): void;
  outboxPending(count: number): void;
  cycle(at: EpochMs): void;
  readonly contentType: string;
  /** The text of `/metrics`. */
  text(): Promise<string>;
}

const CAUSES_SHOWN = 5;

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
    new Gauge({ name: `runbookd_${name}`, help, labelNames, registers });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name: `runbookd_${name}`, help, labelNames, registers });

  const findingActive = gauge('finding_active', 'Firing findings.', ['target', 'detector', 'severity']);
  const causeConfidence = gauge(
    'cause_confidence',
    'Confidence of the first five causes of a firing finding, 0 to 1.',
    ['target', 'detector', 'cause'],
  );
  const signal = {
    value: gauge('signal_value', 'Newest value of a signal, in its base unit.', ['target', 'signal']),
    expected: gauge('signal_expected', 'What the baseline expects of the signal now.', ['target', 'signal']),
    lower: gauge('signal_lower', 'Lower end of the expected band.', ['target', 'signal']),
    upper: gauge('signal_upper', 'Upper end of the expected band.', ['target', 'signal']),
  };
  const blindness = gauge('blind', 'Checks of a target that cannot be seen now.', ['target', 'source']);
  const pollSeconds = new Histogram({
    name: 'runbookd_poll_duration_seconds',
    help: 'How long polls took.',
    labelNames: ['source'] as const,
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const pollsMissed = counter('polls_missed_total', 'Polls that did not run at their time.', ['reason']);
  const sourceErrors = counter('source_errors_total', 'Polls and questions that failed.', ['source', 'code']);
  const notifications = counter('notifications_total', 'Attempts to deliver notifications.', ['channel', 'outcome']);
  const pending = gauge('outbox_pending', 'Notifications that are not delivered yet.', []);
  const lastCycle = gauge('last_cycle_timestamp_seconds', 'When the last evaluation cycle ended, Unix time.', []);
  const seriesDropped = counter('series_dropped_total', 'Series left out of this page by its caps.', []);
  gauge('build_info', 'Always 1; the labels say what runs.', ['version', 'node']).set(
    { version: options.version, node: process.version },
    1,
  );
  if (options.processMetrics !== false) addProcessMetrics(registry);

  const perTarget = options.seriesPerTarget ?? SERIES_PER_TARGET;
  const inAll = options.seriesInAll ?? SERIES_IN_ALL;
  const source = boundedLabel();
  const code = boundedLabel();
  const reason = boundedLabel();
  const channel = boundedLabel();
  const outcome = boundedLabel();

  let findings: readonly Finding[] = [];
  let causes: readonly CauseConfidence[] = [];
  let readings: readonly Reading[] = [];
  let blindList: readonly Blindness[] = [];
  let stale = false;

  /** In the order of their worth, so that a flood of signals cannot push a finding out. */
  const rebuild = (): void => {
    const budget = createSeriesBudget(perTarget, inAll);
    const all = [findingActive, causeConfidence, blindness, ...Object.values(signal)];
    for (const metric of all) metric.reset();
    for (const [labels, count] of countBy(findings.filter(isFiring).map(findingLabels))) {
      if (budget.take(labels.target, 1)) findingActive.set(labels, count);
    }
    for (const [labels, count] of countBy(blindList.map(({ target, check }) => ({ target, source: check })))) {
      if (budget.take(labels.target, 1)) blindness.set(labels, count);
    }
    for (const { target, detector, cause, confidence } of firstCauses(causes)) {
      if (budget.take(target, 1)) causeConfidence.set({ target, detector, cause }, confidence);
    }
    for (const reading of readings) {
      const last = reading.samples.at(-1);
      if (last === undefined || !isShown(reading)) continue;
      const labels = { target: reading.target, signal: reading.signal };
      const { ready, expected, lower, upper } = last.band;
      if (!budget.take(reading.target, ready ? 4 : 1)) continue;
      signal.value.set(labels, last.value);
      if (!ready) continue;
      signal.expected.set(labels, expected);
      signal.lower.set(labels, lower);
      signal.upper.set(labels, upper);
    }
    seriesDropped.inc(budget.dropped());
    stale = false;
  };

  return {
    setFindings(list) {
      findings = list;
      stale = true;
    },
    setCauses(list) {
      causes = list;
      stale = true;
    },
    setReadings(list) {
      readings = list;
      stale = true;
    },
    blind(list) {
      blindList = list;
      stale = true;
    },
    pollDuration: (name, seconds) => pollSeconds.observe({ source: source(name) }, seconds),
    missed: (why) => pollsMissed.inc({ reason: reason(why) }),
    sourceError: (name, errorCode) => sourceErrors.inc({ source: source(name), code: code(errorCode) }),
    notification: (name, result) => notifications.inc({ channel: channel(name), outcome: outcome(result) }),
    outboxPending: (count) => pending.set(count),
    cycle: (at) => lastCycle.set(at / 1000),
    contentType: registry.contentType,
    async text() {
      if (stale) rebuild();
      return registry.metrics();
    },
  };
}

function isFiring(finding: Finding): boolean {
  return finding.state === 'firing';
}

function findingLabels({ target, detector, symptom }: Finding) {
  return { target, detector, severity: symptom.severity };
}

/** Values with labels of their own (a standby, a statement) would be as many as those, so they are not shown. */
function isShown({ labels, freshness }: Reading): boolean {
  return Object.keys(labels).length === 0 && (freshness === 'present' || freshness === 'late');
}

function firstCauses(causes: readonly CauseConfidence[]): readonly CauseConfidence[] {
  const shown = new Map<string, Map<string, CauseConfidence>>();
  for (const cause of causes.toSorted((a, b) => b.confidence - a.confidence)) {
    const key = JSON.stringify([cause.target, cause.detector]);
    const own = shown.get(key) ?? new Map<string, CauseConfidence>();
    shown.set(key, own);
    if (own.size < CAUSES_SHOWN && !own.has(cause.cause)) own.set(cause.cause, cause);
  }
  return [...shown.values()].flatMap((own) => [...own.values()]);
}

function countBy<L extends Readonly<Record<string, string>>>(list: readonly L[]): Iterable<readonly [L, number]> {
  const counts = new Map<string, [L, number]>();
  for (const labels of list) {
    const key = JSON.stringify(Object.values(labels));
    const counted = counts.get(key) ?? [labels, 0];
    counted[1]++;
    counts.set(key, counted);
  }
  return counts.values();
}

function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  // Gauges that are named like counters: promtool refuses them, and the gauges with labels beside them say the same.
  for (const name of ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']) {
    registry.removeSingleMetric(name);
  }
}
