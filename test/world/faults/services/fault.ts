/** What befalls services, as data: how it is made, and what on-call must be told of it. */

import type { ClusterSpec, Condition } from '../../aws/types.ts';
import type { CloudWorld } from '../../cloud.ts';
import type { ActiveFault } from '../fault.ts';

export interface ServiceExpectation {
  readonly detector: string;
  /** Target of the finding. */
  readonly target: string;
  readonly cause: string;
  readonly variant?: string;
  /** What the cause is about; default the target. */
  readonly on?: string;
  /** Parts of the commands that the page must have, with `{name}` for the facts of the fault. */
  readonly commands?: readonly string[];
  /** On the page beside the cause, as regular expressions: the telling figures. */
  readonly says?: readonly RegExp[];
}

/** Another finding that the same fault may well make; anything else is a false alarm. */
export interface AlsoFinding {
  readonly detector: string;
  readonly target?: string;
  readonly subject?: string;
}

export interface ServiceFault {
  readonly name: string;
  /** What happens, in one line, for people. */
  readonly title: string;
  readonly expect: ServiceExpectation;
  /** Two faults at once: the other incident. */
  readonly second?: ServiceExpectation;
  readonly also?: readonly AlsoFinding[];
  /** Needs a real PostgreSQL pair, and so real time. */
  readonly live?: true;
  /** What the cluster must be. */
  readonly cluster?: Partial<ClusterSpec>;
  /** Minutes of life until the finding must be there; default 12. */
  readonly within?: number;
  /** Minutes of life after the cure; default 20. */
  readonly gone?: number;
  /** Too slow to be watched in a demo. */
  readonly slow?: true;
  /** What must be there before the daemon starts to watch. */
  readonly prepare?: (world: CloudWorld) => void | Promise<void>;
  readonly inject: (world: CloudWorld) => ActiveFault | Promise<ActiveFault>;
}

type Facts = ActiveFault['facts'];

/** Runs `make` with a list of what is undone by the cure, the last first. */
export function making(make: (undo: (take: () => void) => void) => Facts): ActiveFault {
  const undos: (() => void)[] = [];
  const facts = make((take) => undos.push(take));
  return {
    facts,
    cure: async () => {
      for (const undo of undos.splice(0).reverse()) undo();
    },
  };
}

type ServiceEffectsOf = Extract<Condition, { service: string }>['effects'];

export interface Making {
  undo(take: () => void): void;
  affect(service: string, effects: ServiceEffectsOf): void;
  database(instance: string, effects: Extract<Condition, { database: string }>['effects']): void;
  /** Brings a version out; the cure brings the one before out again. */
  deploy(service: string, version: number, order?: Parameters<CloudWorld['fleet']['deploy']>[1] | object): void;
}

/** The same with the moves that most faults are made of. */
export function befall(world: CloudWorld, make: (moves: Making) => Facts): ActiveFault {
  const { fleet } = world;
  return making((undo) =>
    make({
      undo,
      affect: (service, effects) => {
        const take = fleet.affect({ service, effects });
        undo(() => take());
      },
      database: (database, effects) => {
        const take = fleet.affect({ database, effects });
        undo(() => take());
      },
      deploy: (service, version, order = {}) => {
        const before = fleet.services.get(service)!.facts.revision;
        fleet.deploy(service, { ...paced(world), ...order, version });
        undo(() => fleet.deploy(service, { ...paced(world), version: before }));
      },
    }),
  );
}

/** A rolling deployment takes some two minutes in life. */
export function paced({ pace }: CloudWorld): {
  readonly startSeconds: number;
  readonly healthSeconds: number;
  readonly everySeconds: number;
} {
  return { startSeconds: 20 / pace, healthSeconds: 20 / pace, everySeconds: 30 / pace };
}

/** Memory and CPU leave no trace in the order of things: for `crashLoop` and `unhealthyTargets`. */
export const crashPace = ({ pace }: CloudWorld, afterSeconds: number) => ({
  afterSeconds: afterSeconds / pace,
  startSeconds: 20 / pace,
  healthSeconds: 20 / pace,
});
