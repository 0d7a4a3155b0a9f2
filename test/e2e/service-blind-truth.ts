/** What is expected of a daemon that cannot see all: told by the same hours without the trouble. */

import { expect } from 'vitest';
import type { Finding } from '../../src/model/index.ts';
import {
  CALM_MINUTES,
  DAY,
  FAULTS,
  type FaultName,
  HEALTHY_MINUTES,
  type Samples,
  type Setup,
  START,
  servicesOf,
  startWatching,
  type Watching,
} from './service-blind-cases.ts';

const FAULT_MINUTES = 10;
/** A page may come a little later while not all can be seen. */
const TRUTH_AFTER_MINUTES = 3;

/** The same hours without any trouble: what really was. */
export interface Truth {
  readonly samples: Samples;
  /** First and last time of each signal of a target. */
  readonly spans: ReadonlyMap<string, { readonly from: number; readonly to: number }>;
  /** IAM actions that polls need while all is well. */
  readonly polled: ReadonlySet<string>;
  /** All that were needed until the page was there. */
  readonly needed: ReadonlySet<string>;
}

const truths = new Map<string, Promise<Truth>>();

export function truthOf({ fault, services = servicesOf(FAULTS[fault]) }: Setup): Promise<Truth> {
  const key = JSON.stringify([fault, services]);
  const known = truths.get(key) ?? findTruth({ fault, services, fromTheStart: true });
  truths.set(key, known);
  return known;
}

async function findTruth(setup: Setup): Promise<Truth> {
  const { fault } = setup;
  await using watching = await startWatching(setup);
  const { world, harness, samples } = watching;
  const called = (): ReadonlySet<string> => new Set(world.aws.calls().map(({ action }) => action));
  await harness.minutes(CALM_MINUTES + HEALTHY_MINUTES);
  expect(harness.incidents(), watching.story()).toEqual([]);
  expect(watching.gaps()).toEqual([]);
  const polled = called();
  FAULTS[fault].inject(world);
  await untilPaged(watching, fault);
  await harness.minutes(TRUTH_AFTER_MINUTES);
  expect(pageOf(watching, fault), watching.story()).toBeDefined();
  return { samples, spans: spansOf(samples), polled, needed: called() };
}

const signalOf = (key: string): string => key.slice(0, key.indexOf(' ['));

function spansOf(samples: Samples): Truth['spans'] {
  const groups = Map.groupBy(samples, ([key]) => signalOf(key));
  return new Map(
    [...groups].map(([signal, all]) => {
      const times = all.flatMap(([, one]) => [...one.values.keys()]);
      return [signal, { from: Math.min(...times), to: Math.max(...times) }];
    }),
  );
}

export interface Page {
  readonly finding: Finding;
  readonly notSeen: readonly string[];
}

/** What was last said to people of the incident that the fault's finding is in; undefined while nothing was. */
export function pageOf({ harness }: Watching, fault: FaultName): Page | undefined {
  const { detector, target } = FAULTS[fault];
  const finding = harness.firing(detector, target);
  const incident = harness.incidents().find((one) => one.findings.includes(finding?.id ?? ''));
  const sent = harness.notifications.findLast((one) => one.incident === incident?.id && one.kind !== 'change');
  if (sent === undefined || finding === undefined || incident === undefined) return undefined;
  const notSeen = sent.sections.find(({ heading }) => heading === 'NOT SEEN')?.lines ?? [];
  return { finding, notSeen };
}

export async function untilPaged(watching: Watching, fault: FaultName, within = FAULT_MINUTES): Promise<Page> {
  await watching.harness.minutes(within, () => pageOf(watching, fault) !== undefined);
  const page = pageOf(watching, fault);
  expect(page, `no page\n${watching.story()}\n${watching.gaps().join('\n')}`).toBeDefined();
  return page!;
}

/** Each zero was measured: it is one without the trouble too, as far as the truth of that signal goes. */
export function expectNoMadeUpZero({ samples }: Watching, truth: Truth): void {
  const madeUp = [...samples].flatMap(([key, { zeros }]) => {
    const { from, to } = truth.spans.get(signalOf(key)) ?? { from: START - DAY, to: START + DAY };
    const real = truth.samples.get(key)?.zeros;
    return [...zeros].filter((at) => at >= from && at <= to && real?.has(at) !== true).map((at) => nameOf(key, at));
  });
  expect(madeUp).toEqual([]);
}

const nameOf = (key: string, at: number): string => `${key} ${new Date(at).toISOString()}`;

/** What was missed of the requests is read afterwards, to the last one: the healthy minutes are as they were. */
export function expectCaughtUp({ samples }: Watching, truth: Truth, fault: FaultName): void {
  const { target } = FAULTS[fault];
  const until = START + (CALM_MINUTES + HEALTHY_MINUTES) * 60_000;
  const healthy = (of: Samples, key: string) =>
    [...(of.get(key)?.values ?? [])].filter(([at]) => at >= START && at < until).sort(([a], [b]) => a - b);
  for (const key of [`${target} requests []`, `${target} errors []`]) {
    if (target !== 'messages') expect(healthy(truth.samples, key)).toHaveLength(CALM_MINUTES + HEALTHY_MINUTES);
    expect(healthy(samples, key), key).toEqual(healthy(truth.samples, key));
  }
}

/** Nobody was paged: at most that a source cannot be read at all, which is one incident for all that it shows. */
export function expectNoFalsePage({ harness, story }: Watching, unreadable: string | null = null): void {
  const incidents = harness.incidents().map(({ lead }) => `${lead.detector} ${lead.target}`);
  expect(incidents, story()).toEqual(unreadable === null ? [] : [`source-unreadable ${unreadable}`]);
  const others = harness.notifications.filter((one) => one.kind === 'trigger' && one.detector !== 'source-unreadable');
  expect(others.map((one) => one.summary)).toEqual([]);
}
