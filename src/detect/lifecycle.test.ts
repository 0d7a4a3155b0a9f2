import { describe, expect, test } from 'vitest';
import type { Finding, Symptom } from '../model/index.ts';
import type { StepEvent, StepInput } from './lifecycle.ts';
import { isFlapping, step } from './lifecycle.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const POLL_MS = 15_000;
const OPTIONS = { holdMs: 30_000, clearPolls: 2, clearMs: 0, flapHoldMs: 300_000 };

function symptomAt(latest: number): Symptom {
  return {
    detector: 'lock-contention',
    target: 'main-db',
    subject: '',
    severity: 'critical',
    headline: '3 sessions blocked',
    summary: '3 sessions of main-db wait.',
    onset: { earliest: latest - POLL_MS, latest },
    readings: [],
  };
}

/** Plays a life: `x` symptom, `.` clean, `?` no data, one a poll; answers the events and the last finding. */
function play(script: string, options = OPTIONS): { events: (StepEvent | null)[]; finding: Finding | null } {
  let finding: Finding | null = null;
  let previous: Finding | null = null;
  let next = 0;
  const events: StepEvent[] = [];
  [...script].forEach((char, index) => {
    const now = T0 + index * POLL_MS;
    const seen: StepInput['seen'] = char === 'x' ? { symptom: symptomAt(now) } : char === '.' ? 'clean' : 'unseen';
    const result = step({ finding, previous, seen, at: now, now, options, newId: () => `f${++next}` });
    events.push(result.event);
    finding = result.finding;
    if (finding?.state === 'resolved') {
      previous = finding;
      finding = null;
    }
  });
  return { events, finding };
}

describe('the life of a finding', () => {
  const table: readonly { readonly name: string; readonly script: string; readonly events: readonly StepEvent[] }[] = [
    { name: 'fires when the hold is met', script: 'xxx', events: ['pending', null, 'fired'] },
    { name: 'drops what ends before the hold', script: 'x.', events: ['pending', 'dropped'] },
    { name: 'resolves after two clean polls', script: 'xxx..', events: ['pending', null, 'fired', null, 'resolved'] },
    { name: 'one clean poll does not resolve', script: 'xxx.x.', events: ['pending', null, 'fired', null, null, null] },
    { name: 'no data never resolves', script: 'xxx???', events: ['pending', null, 'fired', 'no_data', null, null] },
    {
      name: 'no data between clean polls counts neither way',
      script: 'xxx.?.',
      events: ['pending', null, 'fired', null, 'no_data', 'resolved'],
    },
    {
      name: 'a new life has its own hold',
      script: 'xxx..x',
      events: ['pending', null, 'fired', null, 'resolved', 'pending'],
    },
    { name: 'nothing comes of nothing', script: '..??', events: [null, null, null, null] },
  ];
  test.each(table)('$name', ({ script, events }) => {
    expect(play(script).events).toEqual(events);
  });

  test('fires at once what the server says has lasted longer than the hold', () => {
    const { finding, event } = step({
      finding: null,
      previous: null,
      seen: { symptom: symptomAt(T0 - 120_000) },
      at: T0,
      now: T0,
      options: OPTIONS,
      newId: () => 'f1',
    });
    expect(event).toBe('fired');
    expect(finding?.firedAt).toBe(T0);
  });

  test('keeps the onset of its life when later looks see only a younger part of it', () => {
    expect(play('xxxx').finding?.symptom.onset.latest).toBe(T0);
  });

  test('the same data twice is one clean poll', () => {
    const firing = play('xxx').finding!;
    const input = {
      previous: null,
      seen: 'clean',
      at: T0 + 10 * POLL_MS,
      now: T0 + 10 * POLL_MS,
      options: OPTIONS,
      newId: () => 'x',
    } as const;
    const once = step({ ...input, finding: firing });
    const twice = step({ ...input, finding: once.finding });
    expect(twice.finding?.cleanPolls).toBe(1);
  });

  test('three turns in two hours are flapping, and the resolve is held for minutes', () => {
    const { finding, events } = play('xxx.x.x.x....');
    expect(finding !== null && isFlapping(finding, T0 + 13 * POLL_MS)).toBe(true);
    expect(events.at(-1)).toBeNull();
    // 5 min of clean polls after the last turn end it.
    expect(play(`xxx.x.x.x${'.'.repeat(21)}`).events.at(-1)).toBe('resolved');
  });

  test('without a flap hold a flapping finding resolves as any other', () => {
    expect(play('xxx.x.x.x..', { ...OPTIONS, flapHoldMs: 0 }).events.at(-1)).toBe('resolved');
  });

  test('turns are counted over lives: a finding that comes back again and again is held', () => {
    const { finding } = play('xxx..xxx..xxx..xxx');
    expect(finding?.turns).toHaveLength(3);
  });
});
