/** What befalls the systems beside AWS, as data: how it is made, and what on-call must be told of it. */

import type { SystemsWorld, Watchable } from '../../systems.ts';
import type { ActiveFault } from '../fault.ts';
import { type AlsoFinding, befall as befallCloud, type Making, type ServiceExpectation } from '../services/fault.ts';

export type { AlsoFinding, ServiceExpectation as SystemExpectation } from '../services/fault.ts';

export interface SystemFault {
  readonly name: string;
  /** What happens, in one line, for people. */
  readonly title: string;
  readonly expect: ServiceExpectation;
  readonly also?: readonly AlsoFinding[];
  /** Mitigations of the cause that the page must not show, since what they need is not there. */
  readonly withheld?: readonly string[];
  /** The fault that begins with the same symptom and has another cause. */
  readonly lookAlikeOf?: string;
  /** What is watched: what it takes to tell this fault from others. */
  readonly watch: readonly Watchable[];
  /** Minutes of life before it, where a source needs some to know what is usual; default 4. */
  readonly calm?: number;
  /** Minutes of life until the finding must be there; default 12. */
  readonly within?: number;
  /** Minutes of life after the cure; default 25. */
  readonly gone?: number;
  /** Polls that cannot go through meanwhile: what their errors say. */
  readonly breaks?: RegExp;
  /** Too slow to be watched in a demo. */
  readonly slow?: true;
  readonly inject: (world: SystemsWorld) => ActiveFault | Promise<ActiveFault>;
}

type App = SystemsWorld['app'];
type EffectsOf<Area extends keyof App> = Parameters<App[Area]['affect']>[0];

export interface SystemMaking extends Making {
  /** What applications measure of themselves: `measure('search', { zeroShare: 0.3 })`. */
  measure<Area extends keyof App>(area: Area, effects: EffectsOf<Area>): void;
  queue(
    name: string,
    effects: Extract<Parameters<SystemsWorld['fleet']['affect']>[0], { queue: string }>['effects'],
  ): void;
}

/** Makes a fault of moves that the cure takes back, the last first. `undo` takes what has no move of its own. */
export function befall(
  world: SystemsWorld,
  make: (moves: SystemMaking) => Readonly<Record<string, string | number>>,
): ActiveFault {
  const active = befallCloud(world, (moves) => {
    const facts = make({
      ...moves,
      measure: (area, effects) => {
        const affect = world.app[area].affect as (effects: object) => () => void;
        moves.undo(affect(effects as object));
      },
      queue: (queue, effects) => {
        const take = world.fleet.affect({ queue, effects });
        moves.undo(() => take());
      },
    });
    moves.undo(() => world.tick());
    world.tick();
    return facts;
  });
  return active;
}
