/**
 * A slow, huge, malformed, redirecting or lying upstream costs one unknown and nothing else: every source of HTTP and
 * Redis in the real pipeline, each one's answers spoilt while it is polled and while it is asked in a diagnosis.
 * PostgreSQL is asked in its own protocol by its own client, and is not among them.
 *
 * `FUZZ=10000` spoils so many answers in all (`npm run test:fuzz`), with sources that are slow among them;
 * `FUZZ_SEED` and `FUZZ_CHANNEL` make a failure again.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WATCHABLE, type Watchable } from '../world/systems.ts';
import { faultAmongNonsense } from './fuzz-fault.ts';
import { type Recorded, recordAnswers } from './fuzz-ledger.ts';
import { createLives, type Lives } from './fuzz-life.ts';
import { type FuzzCount, fuzzChannel } from './fuzz-rounds.ts';
import { CHANNELS, type FuzzWorld, startFuzzWorld } from './fuzz-world.ts';

const { FUZZ = '', FUZZ_SEED = '', FUZZ_CHANNEL = '' } = process.env;
const all = Number(FUZZ) || 0;
const seed = Number(FUZZ_SEED) || 20_261_123;
const each = all === 0 ? 40 : Math.ceil(all / CHANNELS.length);
/** Of the first rounds, which take as long as the deadlines are. */
const slow = all === 0 ? 0 : 2;
const watch: readonly Watchable[] =
  all === 0 ? ['api', 'main-db', 'typesense', 'redis', 'messages', 'stripe'] : WATCHABLE;

describe('answers that are spoilt', { timeout: all === 0 ? 60_000 : 3_600_000 }, () => {
  let fuzz: FuzzWorld;
  let lives: Lives;
  let recorded: Recorded;
  const counts: FuzzCount[] = [];
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => {
    unhandled.push(error);
  };

  beforeAll(async () => {
    process.on('unhandledRejection', note);
    process.on('uncaughtException', note);
    fuzz = await startFuzzWorld({ watch, historyDays: 1 });
    lives = createLives(fuzz);
    const { own } = await lives.current();
    recorded = await recordAnswers(own.harness, fuzz.clock.now());
  });
  afterAll(async () => {
    await lives?.end();
    await fuzz?.[Symbol.asyncDispose]();
    process.off('unhandledRejection', note).off('uncaughtException', note);
  });

  const chosen = CHANNELS.filter(({ name }) => FUZZ_CHANNEL === '' || name === FUZZ_CHANNEL);
  test.each(chosen)('$name', async (channel) => {
    const count = await fuzzChannel(channel, { fuzz, lives, recorded, wanted: each, seed, slow });
    counts.push(count);
    expect(count.answers).toBeGreaterThanOrEqual(each);
  });

  test.skipIf(FUZZ_CHANNEL !== '')(
    'of everything that is asked about a true fault cost the cause and not the page',
    () => faultAmongNonsense(fuzz, seed),
  );

  test('were as many as they should be, and nobody crashed', () => {
    expect(unhandled).toEqual([]);
    const sum = counts.reduce((total, { answers }) => total + answers, 0);
    if (FUZZ_CHANNEL === '') expect(sum).toBeGreaterThanOrEqual(each * CHANNELS.length);
    if (all > 0) console.table(counts);
  });
});
