/** The answer to `ecs.service`: the last look with what was kept. Pure. */

import type { EcsServiceAnswer } from '../../../model/aws.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Window } from '../../../model/question.ts';
import type { ServiceFacts } from './facts.ts';
import { publicTask, type ServiceMemory, versionsByDeployment } from './memory.ts';
import { noteRollbacks, type Rollback } from './rollbacks.ts';
import type { KeptStop } from './task-facts.ts';
import { servedVersions } from './versions.ts';

const MAX_EVENTS = 50;
const MAX_TASKS = 200;
const MAX_STOPPED = 100;

export function serviceAnswer(
  name: { readonly cluster: string; readonly service: string },
  look: { readonly at: EpochMs; readonly facts: ServiceFacts },
  memory: ServiceMemory,
  stopTimeoutSeconds: number | null,
  window: Window,
  now: EpochMs,
): EcsServiceAnswer {
  const { facts } = look;
  const within = ({ at }: { readonly at: EpochMs }): boolean => at >= window.from && at <= window.to;
  const rollbacks = noteRollbacks(
    memory.rollbacks,
    facts,
    { seen: memory.deployments, versions: versionsByDeployment(memory, facts), before: memory.lastPollAt },
    now,
  );
  const rolledBack = rollbacks.findLast(({ at }) => at.latest >= window.from && at.earliest <= window.to);
  return {
    at: look.at,
    cluster: name.cluster,
    service: name.service,
    status: facts.status,
    desired: facts.desired,
    running: facts.running,
    pending: facts.pending,
    launchType: facts.launchType,
    taskCpuUnits: memory.size?.cpuUnits ?? null,
    taskMemoryMiB: memory.size?.memoryMiB ?? null,
    version: facts.version,
    controller: facts.controller,
    versions: servedVersions(memory, facts, rollbacks),
    deployments: facts.deployments,
    rolledBack: rolledBack === undefined ? null : publicRollback(rolledBack),
    circuitBreaker: facts.circuitBreaker,
    events: facts.events.filter(within).slice(0, MAX_EVENTS),
    tasks: memory.tasks.slice(0, MAX_TASKS).map(publicTask),
    stopped: memory.stopped
      .filter(({ stoppedAt }) => within({ at: stoppedAt }))
      .slice(0, MAX_STOPPED)
      .map(publicStop),
    history: memory.counts.filter(within),
    stopTimeoutSeconds,
  };
}

function publicRollback({ deployment: _, ...rollback }: Rollback): EcsServiceAnswer['rolledBack'] {
  return rollback;
}

function publicStop({ final: _, deployment: __, ...task }: KeptStop): EcsServiceAnswer['stopped'][number] {
  return task;
}
