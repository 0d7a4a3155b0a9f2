import { expect, test } from 'vitest';
import type { SessionCounts, SessionGroup, SessionsAnswer } from '../../model/index.ts';
import { growthOf, idleAge, slotShares, steepestRise } from './session-shares.ts';

const group = (app: string, state: string, count: number, longest: number | null = null): SessionGroup => ({
  app,
  user: 'app',
  state,
  count,
  longestInStateSeconds: longest,
});

const point = (seconds: number, over: Partial<SessionCounts> = {}): SessionCounts => ({
  at: seconds * 1000,
  used: 0,
  active: 0,
  idle: 0,
  idleInTransaction: 0,
  waitingForLock: 0,
  byApp: {},
  ...over,
});

const sessions = (groups: readonly SessionGroup[], history: readonly SessionCounts[]): SessionsAnswer => ({
  at: 0,
  used: 0,
  usable: 97,
  max: 100,
  reserved: 3,
  groups,
  holders: [],
  history,
  newSessionsPerSecond: null,
  hidden: 0,
});

test('groups of one application under several roles count together, and lock waiters do no work', () => {
  const answer = sessions(
    [
      group('api', 'active', 10),
      group('worker', 'idle', 3, 9),
      { ...group('worker', 'idle', 2, 40), user: 'other' },
      group('api', 'idle', 4, null),
      group('worker', 'idle in transaction (aborted)', 1, 5),
      group('', '', 7),
    ],
    [point(0, { waitingForLock: 4 })],
  );
  expect(slotShares(answer)).toEqual({
    count: { working: 6, idle: 9, 'idle-in-transaction': 1 },
    top: {
      working: { app: 'api', count: 10, longestSeconds: null },
      idle: { app: 'worker', count: 5, longestSeconds: 40 },
      'idle-in-transaction': { app: 'worker', count: 1, longestSeconds: 5 },
    },
  });
});

test('an application that is not among the largest had none', () => {
  const answer = sessions([], [point(0, { byApp: { api: 9 } }), point(600, { byApp: { worker: 50 } })]);
  expect(growthOf('worker', answer)).toEqual({ from: 0, to: 50, seconds: 600 });
  expect(growthOf('worker', sessions([], [point(0)]))).toBeNull();
});

test('the steepest rise is found within two minutes and never over longer', () => {
  const history = [
    point(0, { active: 2 }),
    point(300, { active: 40 }),
    point(360, { active: 45 }),
    point(400, { active: 44 }),
  ];
  expect(steepestRise(sessions([], history))).toEqual({ from: 40, to: 45, at: 360_000, seconds: 60 });
  expect(steepestRise(sessions([], []))).toBeNull();
});

test.each([
  [null, 'idle', null],
  [40, 'idle', null],
  [46, 'idle', 30],
  [900, 'idle', 600],
  [14, 'idle-in-transaction', null],
  [15, 'idle-in-transaction', 10],
  [5_000, 'idle-in-transaction', 300],
] as const)('with a longest of %s s, %s sessions are old from %s s on', (longest, occupation, expected) => {
  expect(idleAge(longest, occupation)).toBe(expected);
});
