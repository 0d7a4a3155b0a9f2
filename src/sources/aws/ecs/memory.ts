/**
 * What is kept of a service between polls and over restarts. ECS shows stopped tasks for about an hour and has no history
 * of counts at all.
 */

import type { EcsServiceAnswer, RunningTask } from '../../../model/aws.ts';
import type { EpochMs, Interval } from '../../../model/glossary.ts';
import type { SeenDeployment } from './deployments.ts';
import type { ServiceFacts } from './facts.ts';
import type { Rollback } from './rollbacks.ts';
import type { KeptStop, LiveTask, TaskSize } from './task-facts.ts';

export type CountPoint = EcsServiceAnswer['history'][number];

export const COUNTS_MS = 60 * 60_000;
const MAX_COUNTS = 500;
export const STOPS_MS = 24 * 60 * 60_000;
export const MAX_STOPS = 500;

/** Images that a revision was last seen with. */
export interface SeenImages {
  readonly version: string;
  readonly images: readonly string[];
  /** When its newest task was created. */
  readonly at: EpochMs;
  /** All that it was seen with, joined: tasks of two architectures differ without a change. At most 10. */
  readonly variants: readonly string[];
}

export interface ServiceMemory {
  /** Oldest first. */
  counts: readonly CountPoint[];
  /** Newest first. */
  stopped: readonly KeptStop[];
  /** Oldest first. */
  deployments: readonly SeenDeployment[];
  rollbacks: readonly Rollback[];
  /** The deployment that was wanted at the last poll. */
  primary: string | null;
  images: readonly SeenImages[];
  size: TaskSize | null;
  desired: number | null;
  lastPollAt: EpochMs | null;
  /** Not over restarts, from here on. */
  facts: { readonly at: EpochMs; readonly facts: ServiceFacts } | null;
  /** Newest first, as of `lookedAt`. */
  tasks: readonly LiveTask[];
  lookedAt: EpochMs | null;
  /** Time of the newest event that was followed by a look at the tasks. */
  eventsSeenTo: EpochMs;
}

export function emptyMemory(): ServiceMemory {
  return {
    counts: [],
    stopped: [],
    deployments: [],
    rollbacks: [],
    primary: null,
    images: [],
    size: null,
    desired: null,
    lastPollAt: null,
    facts: null,
    tasks: [],
    lookedAt: null,
    eventsSeenTo: 0,
  };
}

/** Points at or after the new one's time are dropped: our clock was set back. */
export function pushCount(ring: readonly CountPoint[], point: CountPoint): readonly CountPoint[] {
  return [...ring.filter(({ at }) => at < point.at && at >= point.at - COUNTS_MS), point].slice(-MAX_COUNTS);
}

/** A task that is told again replaces what was known of it, unless that was final. Newest first. */
export function mergeStops(
  kept: readonly KeptStop[],
  fresh: readonly KeptStop[],
  now: EpochMs,
  limit = MAX_STOPS,
): readonly KeptStop[] {
  const byId = new Map(kept.map((task) => [task.id, task]));
  for (const task of fresh) if (byId.get(task.id)?.final !== true) byId.set(task.id, task);
  return [...byId.values()]
    .filter(({ stoppedAt }) => stoppedAt >= now - STOPS_MS)
    .toSorted((a, b) => b.stoppedAt - a.stoppedAt || (a.id < b.id ? -1 : 1))
    .slice(0, limit);
}

/** The deployment that a version came with, by its id, from all that is known. */
export function versionsByDeployment(memory: ServiceMemory, facts: ServiceFacts | null): ReadonlyMap<string, string> {
  const started = [...memory.stopped, ...memory.tasks].flatMap(({ deployment, version }): [string, string][] =>
    deployment === null ? [] : [[deployment, version]],
  );
  const seen = [...memory.deployments, ...(facts?.deployments ?? [])].map(({ id, version }): [string, string] => [
    id,
    version,
  ]);
  return new Map([...started, ...seen]);
}

/** Without what is only ours. */
export function publicTask({ deployment: _, ...task }: LiveTask): RunningTask {
  return task;
}

/** Exact when both ends are known, or between the last look that did not have it and this one. */
export function since(before: EpochMs | null, now: EpochMs): Interval {
  return { earliest: Math.min(before ?? now, now), latest: now };
}
