import { expect, test } from 'vitest';
import { afterPoll, type Breaker, beforePoll, CLOSED } from './breaker.ts';

/** Plays polls: `t` times out, `o` is answered; gives `-` for each poll that was skipped. */
function play(outcomes: string): string {
  let breaker: Breaker = CLOSED;
  return [...outcomes]
    .map((outcome) => {
      const before = beforePoll(breaker);
      breaker = before.open ? before.breaker : afterPoll(before.breaker, outcome === 't');
      return before.open ? '-' : outcome;
    })
    .join('');
}

test.each([
  ['stays closed while polls are answered', 'oooooooooo', 'oooooooooo'],
  ['stays closed when timeouts are not in a row', 'ttottottot', 'ttottottot'],
  ['skips five polls after three timeouts in a row, then tries once', 'ttttttttt', 'ttt-----t'],
  ['opens again at once when that one times out too', 'ttttttttttttttt', 'ttt-----t-----t'],
  ['closes when that one is answered', 'tttttttto'.padEnd(14, 't'), 'ttt-----ottt--'],
])('%s', (_name, outcomes, expected) => {
  expect(play(outcomes)).toBe(expected);
});
