/** One look at the tasks of a service: what runs, and what stopped since the last look. */

import type { Task } from '@aws-sdk/client-ecs';
import { RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import { AHEAD_MS, inProgress, primaryOf, type ServiceFacts, tail } from './facts.ts';
import { mergeStops, type ServiceMemory } from './memory.ts';
import type { EcsReader } from './reader.ts';
import { isCrash } from './stop-kind.ts';
import { isLive, type LiveTask, liveTask, sizeOf, stoppedTask } from './task-facts.ts';

/** Without a reason to look. Stopped tasks are there for an hour. */
const STEADY_LOOK_MS = 5 * 60_000;
/** After a stop there may be more. */
const AFTER_STOP_MS = 10 * 60_000;
/** A service that cannot get well is looked at less often. */
const STUCK_MS = 30 * 60_000;
const STUCK_LOOK_MS = 60_000;
const MAX_LIVE = 200;

/** Why the tasks should be looked at now; null when nothing moves and the last look is recent. */
export function lookReason(memory: ServiceMemory, facts: ServiceFacts, now: EpochMs): 'moving' | 'due' | null {
  const age = memory.lookedAt === null || memory.lookedAt > now ? Number.POSITIVE_INFINITY : now - memory.lookedAt;
  if (age >= STEADY_LOOK_MS) return memory.lookedAt === null ? 'moving' : 'due';
  const news = facts.events.some(({ at, kind }) => at > memory.eventsSeenTo && kind !== 'steady');
  const stopped = memory.stopped.some(
    (task) => !task.final || (isCrash(task) && task.stoppedAt >= now - AFTER_STOP_MS),
  );
  if (news || stopped) return 'moving';
  const restless = facts.running !== facts.desired || facts.pending > 0 || facts.deployments.length > 1;
  if (!restless && inProgress(facts) === undefined) return null;
  // Nothing has happened in the last half hour but that it is not as it should be.
  const since = Math.max(facts.events[0]?.at ?? 0, ...facts.deployments.map(({ createdAt }) => createdAt));
  return now - since > STUCK_MS && age < STUCK_LOOK_MS ? null : 'moving';
}

/** Changes the memory; rejects as the calls do, and then leaves it as it was. */
export async function lookAtTasks(
  reader: EcsReader,
  { cluster, service }: { readonly cluster: string; readonly service: string },
  memory: ServiceMemory,
  facts: ServiceFacts,
  now: EpochMs,
  signal: AbortSignal,
): Promise<void> {
  const wanted = await reader.taskArns(cluster, service, 'RUNNING', signal);
  const stopping = await reader.taskArns(cluster, service, 'STOPPED', signal);
  const final = new Set(memory.stopped.filter((task) => task.final).map(({ id }) => id));
  const listed = new Set([...wanted, ...stopping].map(tail));
  // In no list any more, and never seen to stop: ECS may still know it by its id.
  const vanished = memory.tasks.map(({ id }) => id).filter((id) => !listed.has(id) && !final.has(id));
  const asked = [...wanted, ...stopping.filter((arn) => !final.has(tail(arn))), ...vanished];
  const tasks = asked.length === 0 ? [] : await reader.tasks(cluster, asked, signal);

  const primary = primaryOf(facts);
  const stops = tasks.flatMap((task) => (isLive(task) ? [] : (stoppedTask(task, primary) ?? [])));
  if (stops.some(({ stoppedAt }) => stoppedAt > now + AHEAD_MS)) {
    throw new RunbookdError('AWS_FAILED', ['AWS', 'ecs:DescribeTasks', 'a task stopped in the future']);
  }
  memory.stopped = mergeStops(memory.stopped, stops, now);
  memory.tasks = tasks.filter(isLive).map(liveTask).toSorted(newestFirst).slice(0, MAX_LIVE);
  memory.size = sizeFrom(tasks, facts.version) ?? memory.size;
  memory.lookedAt = now;
  memory.eventsSeenTo = Math.max(memory.eventsSeenTo, facts.events[0]?.at ?? 0);
}

function newestFirst(a: LiveTask, b: LiveTask): number {
  return (b.createdAt ?? 0) - (a.createdAt ?? 0) || (a.id < b.id ? -1 : 1);
}

function sizeFrom(tasks: readonly Task[], version: string): ServiceMemory['size'] {
  const sizes = tasks.map(sizeOf);
  return sizes.find((size) => size.version === version) ?? sizes[0] ?? null;
}
