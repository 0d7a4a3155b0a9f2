/** AWS in trouble as a whole, or watched in the wrong place: every trouble that is not one action that is denied. */

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CALM_MINUTES, FAULTS, HEALTHY_MINUTES, startWatching, type Watching } from './service-blind-cases.ts';
import { TROUBLES } from './service-blind-troubles.ts';
import { expectCaughtUp, expectNoFalsePage, expectNoMadeUpZero, truthOf, untilPaged } from './service-blind-truth.ts';

beforeAll(() => {
  // The SDK waits at random between its attempts.
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterAll(() => vi.restoreAllMocks());

/** A gap without its target and check, and with the words that a page has between what and the remedy. */
const asInPage = ({ source }: RegExp): RegExp =>
  new RegExp(
    source
      .replace(/^\^\S+: [\w ]+: /, '')
      .replace('; ', '.*')
      .replace(/\$$/, ''),
  );

const expectEach = (lines: readonly string[], wanted: readonly RegExp[]): void => {
  for (const one of wanted)
    expect(
      lines.some((line) => one.test(line)),
      `${one} in\n${lines.join('\n')}`,
    ).toBe(true);
};

describe.each(TROUBLES.map((one) => [one.name, one] as const))('%s', (_name, trouble) => {
  const { fault, unreadable = null, gaps, begin = () => () => undefined } = trouble;
  const notSeen = trouble.notSeen ?? gaps.map(asInPage);
  let watching: Watching;
  let end = (): void => undefined;

  beforeAll(async () => {
    watching = await startWatching(trouble);
    if (trouble.fromTheStart !== true) await watching.harness.minutes(CALM_MINUTES);
    end = begin(watching.world);
    if (trouble.fromTheStart === true) await watching.harness.minutes(CALM_MINUTES);
  });
  afterAll(() => watching[Symbol.asyncDispose]());

  const minutes = trouble.minutes ?? HEALTHY_MINUTES;

  test('a fleet that is well: the gap is named, nobody is paged', async () => {
    await watching.harness.minutes(minutes);
    expectNoFalsePage(watching, unreadable);
    if (trouble.skewMs === undefined) expectNoMadeUpZero(watching, await truthOf(trouble));
    expectEach(watching.gaps(), gaps);
    if (gaps.length === 0) expect(watching.gaps().filter((line) => trouble.only?.test(line) !== true)).toEqual([]);
  });

  test('a fault: the page comes and names it, and when it is over the gap is gone', async () => {
    if (minutes < HEALTHY_MINUTES) {
      end();
      await watching.harness.minutes(HEALTHY_MINUTES - minutes);
      expect(watching.gaps()).toEqual([]);
      expectNoFalsePage(watching);
      end = begin(watching.world);
    }
    FAULTS[fault].inject(watching.world);
    const page = await untilPaged(watching, fault, trouble.within);
    if (gaps.length === 0 && trouble.only === undefined) expect(watching.harness.errors).toEqual([]);
    expectEach(page.notSeen, notSeen);
    if (trouble.skewMs === undefined) expectNoMadeUpZero(watching, await truthOf(trouble));
    if (trouble.begin === undefined) return;
    end();
    watching.setSkew(0);
    await watching.harness.minutes(trouble.goneAfter ?? 3);
    expect(watching.gaps()).toEqual([]);
    if (trouble.skewMs !== undefined) return;
    expectNoMadeUpZero(watching, await truthOf(trouble));
    if (trouble.empty !== true) expectCaughtUp(watching, await truthOf(trouble), fault);
  });
});

test('tasks that may not be described from when they begin to crash: a gap, and no crash is denied', async () => {
  const setup = { fault: 'crash' } as const;
  await using watching = await startWatching(setup);
  await watching.harness.minutes(CALM_MINUTES + HEALTHY_MINUTES);
  const allow = watching.world.aws.trouble.deny('ecs:DescribeTasks');
  FAULTS.crash.inject(watching.world);
  const page = await untilPaged(watching, 'crash');
  expectEach(page.notSeen, [/iam: allow ecs:DescribeTasks/]);
  expectEach(watching.gaps(), [/^search: ecs tasks: .*; iam: allow ecs:DescribeTasks$/]);
  expectNoMadeUpZero(watching, await truthOf(setup));
  allow();
  await watching.harness.minutes(3);
  expect(watching.gaps()).toEqual([]);
});
