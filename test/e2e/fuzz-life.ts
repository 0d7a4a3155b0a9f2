/**
 * Two installations of one world, side by side: one whose upstreams may be spoilt, and one that asks the true servers.
 * They live for some hours of the world's time, then two others begin at its start.
 */

import type { PollResult, Source } from '../../src/model/index.ts';
import { type FuzzWorld, pollAll, recordPolls } from './fuzz-world.ts';
import type { ServiceHarness } from './service-harness.ts';

export interface Side {
  readonly harness: ServiceHarness;
  /** Of the last poll; null when that failed. */
  polled(source: string): PollResult | null;
  source(name: string): Source;
  /** What the poll threw; null when it went through. */
  poll(source: Source): Promise<unknown>;
}

export interface Life {
  readonly own: Side;
  readonly control: Side;
  rounds: number;
}

export interface Lives extends AsyncDisposable {
  /** One that has time left, with everything read once. */
  current(): Promise<Life>;
  /** What goes wrong in one is not to be found in another. */
  end(): Promise<void>;
}

/** The world's day goes on meanwhile, and only so much of it was learned. */
const MOST_ROUNDS = 100;

export function createLives(fuzz: FuzzWorld): Lives {
  let life: Life | null = null;
  const end = async (): Promise<void> => {
    const ended = life;
    life = null;
    await ended?.own.harness[Symbol.asyncDispose]();
    await ended?.control.harness[Symbol.asyncDispose]();
  };
  return {
    async current() {
      if (life !== null && life.rounds >= MOST_ROUNDS) await end();
      if (life !== null) return life;
      fuzz.restart();
      const own = sideOf(await fuzz.installation());
      const control = sideOf(await fuzz.control());
      life = { own, control, rounds: 0 };
      await pollAll(own.harness);
      return life;
    },
    end,
    [Symbol.asyncDispose]: end,
  };
}

function sideOf(harness: ServiceHarness): Side {
  const polled = recordPolls(harness);
  return {
    harness,
    polled,
    source: (name) => harness.watch.sources.find((one) => one.name === name)!,
    async poll(source) {
      try {
        for (const group of source.groups) {
          await harness.pipeline.poll(source, group, AbortSignal.timeout(20_000));
        }
        return null;
      } catch (error) {
        return error;
      }
    },
  };
}
