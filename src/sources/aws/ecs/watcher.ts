/**
 * The poll of all services of one account: what each is, one DescribeServices for ten of them, and the tasks of those
 * that move, at most ten services a poll so that calls stay few when all of them move at once.
 */

import type { Logger } from 'pino';
import type { Change } from '../../../model/change.ts';
import { messageOf, RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Series } from '../../../model/series.ts';
import type { Blindness, PollResult } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { eachOf } from '../concurrent.ts';
import { accountLabel } from '../errors.ts';
import { awsBlindness } from '../failure.ts';
import { ECS_SIGNALS } from '../signals.ts';
import { deploymentChanges, desiredChange, imageChanges, type ServiceName } from './changes.ts';
import { noteDeployments } from './deployments.ts';
import { factsOf, futureIn, inProgress, primaryOf, type ServiceFacts } from './facts.ts';
import { lookAtTasks, lookReason } from './look.ts';
import { emptyMemory, pushCount, type ServiceMemory, versionsByDeployment } from './memory.ts';
import { type EcsReader, noService, SERVICES_A_CALL } from './reader.ts';
import { askRollbacks, unexplainedFailures } from './rollback-source.ts';
import { noteRollbacks, withRollbacks } from './rollbacks.ts';
import { isCrash } from './stop-kind.ts';

export const LOOKS_PER_POLL = 10;
const WIDTH = 4;
/** A refusal lasts: what was refused is asked again once a minute. */
const REFUSED_MS = 60_000;
export const CRASHES_MS = 10 * 60_000;
/** Tasks that were looked at longer ago say nothing of crashes: events that call for a look come within seconds. */
const LOOK_GOOD_MS = 6 * 60_000;
const SIGNALS = ECS_SIGNALS.map(({ signal }) => signal);

export interface WatchedService {
  readonly name: ServiceName;
  readonly memory: ServiceMemory;
  /** Why the service, or its tasks, could not be seen at the last try. */
  blind: Blindness | null;
  tasksBlind: Blindness | null;
  /** Why it is not known what became of a deployment that failed. */
  rollbacksBlind: Blindness | null;
  /** Refused by itself, so it must not spoil the call for others. */
  refusedAt: EpochMs | null;
  tasksTriedAt: EpochMs | null;
  rollbacksAskedAt: EpochMs | null;
}

export function watchedService(name: ServiceName): WatchedService {
  return {
    name,
    memory: emptyMemory(),
    blind: null,
    tasksBlind: null,
    rollbacksBlind: null,
    refusedAt: null,
    tasksTriedAt: null,
    rollbacksAskedAt: null,
  };
}

export interface EcsWatcher {
  poll(now: EpochMs, signal: AbortSignal): Promise<PollResult>;
}

export function createEcsWatcher(
  aws: Aws,
  reader: EcsReader,
  watched: readonly WatchedService[],
  options: { readonly periodMs: number; readonly log: Logger },
): EcsWatcher {
  const { periodMs, log } = options;
  const units = new Map(ECS_SIGNALS.map(({ signal, unit }) => [signal, unit]));

  /** Those of one cluster in tens; one that was refused goes alone, and rests for a minute. */
  function calls(now: EpochMs): readonly (readonly WatchedService[])[] {
    const open = watched.filter(({ refusedAt }) => refusedAt === null);
    const retried = watched.filter(({ refusedAt }) => refusedAt !== null && Math.abs(now - refusedAt) >= REFUSED_MS);
    const clusters = Map.groupBy(open, ({ name }) => name.cluster);
    const tens = [...clusters.values()].flatMap((all) =>
      Array.from({ length: Math.ceil(all.length / SERVICES_A_CALL) }, (_, n) =>
        all.slice(n * SERVICES_A_CALL, (n + 1) * SERVICES_A_CALL),
      ),
    );
    return [...tens, ...retried.map((one) => [one])];
  }

  async function describe(
    batch: readonly WatchedService[],
    seen: Map<WatchedService, ServiceFacts>,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<void> {
    const cluster = batch[0]?.name.cluster ?? '';
    try {
      const found = await reader.services(
        cluster,
        batch.map(({ name }) => name.service),
        signal,
      );
      for (const one of batch) {
        const service = found.get(one.name.service) ?? { missing: 'MISSING' };
        one.refusedAt = null;
        if ('missing' in service) {
          one.blind = missing(one.name, String(service.missing));
          continue;
        }
        const facts = factsOf(service);
        const wrong = futureIn(facts, now);
        if (wrong !== null) {
          const error = new RunbookdError('AWS_FAILED', [accountLabel(aws.account), 'ecs:DescribeServices', wrong]);
          one.blind = { ...awsBlindness(one.name.target, 'ecs service', error), signals: SIGNALS };
          continue;
        }
        one.blind = null;
        one.memory.facts = { at: now, facts };
        seen.set(one, facts);
      }
    } catch (error) {
      if (signal.aborted) throw error;
      const denied = error instanceof RunbookdError && error.code === 'AWS_DENIED';
      if (denied && batch.length > 1) {
        // A policy may name services: one that it leaves out must not hide the other nine.
        for (const one of batch) await describe([one], seen, now, signal);
        return;
      }
      for (const one of batch) {
        one.blind = { ...awsBlindness(one.name.target, 'ecs service', error), signals: SIGNALS };
        if (denied) one.refusedAt = now;
      }
    }
  }

  function missing(name: ServiceName, reason: string): Blindness {
    const error = noService(aws, name.cluster, name.service, reason);
    const grant = `check services.${name.target}.ecs (cluster, service) and the region and account in aws`;
    return { ...awsBlindness(name.target, 'ecs service', error), grant, signals: SIGNALS };
  }

  async function look(one: WatchedService, facts: ServiceFacts, now: EpochMs, signal: AbortSignal): Promise<void> {
    one.tasksTriedAt = now;
    try {
      await lookAtTasks(reader, one.name, one.memory, facts, now, signal);
      one.tasksBlind = null;
    } catch (error) {
      if (signal.aborted) throw error;
      one.tasksBlind = { ...awsBlindness(one.name.target, 'ecs tasks', error), signals: ['crashed_tasks'] };
    }
  }

  /** Moving ones first, and among them the one that was looked at longest ago. */
  function toLookAt(seen: ReadonlyMap<WatchedService, ServiceFacts>, now: EpochMs): readonly WatchedService[] {
    const wanted = [...seen].flatMap(([one, facts]) => {
      // A look that failed is made up for: until then nobody knows of crashes.
      const reason = lookReason(one.memory, facts, now) ?? (one.tasksBlind === null ? null : 'due');
      const resting = one.tasksBlind?.because === 'denied' && Math.abs(now - (one.tasksTriedAt ?? 0)) < REFUSED_MS;
      return reason === null || resting ? [] : [{ one, reason }];
    });
    return wanted
      .toSorted((a, b) => {
        if (a.reason !== b.reason) return a.reason === 'moving' ? -1 : 1;
        return (a.one.tasksTriedAt ?? 0) - (b.one.tasksTriedAt ?? 0);
      })
      .slice(0, LOOKS_PER_POLL)
      .map(({ one }) => one);
  }

  function note(one: WatchedService, facts: ServiceFacts, now: EpochMs): readonly Change[] {
    const { memory, name } = one;
    const before = memory.lastPollAt !== null && memory.lastPollAt < now ? memory.lastPollAt : null;
    const noted = noteDeployments(
      memory.deployments,
      facts,
      { before, primary: memory.primary, stopped: memory.stopped },
      now,
    );
    memory.rollbacks = noteRollbacks(
      memory.rollbacks,
      facts,
      { seen: noted, versions: versionsByDeployment(memory, facts), before },
      now,
    );
    const seen = withRollbacks(noted, memory.rollbacks);
    const images = imageChanges(name, memory.images, memory.tasks);
    const deployments = deploymentChanges(name, seen, memory.rollbacks, before, images.images, now);
    const desired = desiredChange(name, memory.desired, facts.desired, before, now);
    memory.deployments = deployments.seen;
    memory.images = images.images;
    memory.primary = primaryOf(facts)?.id ?? memory.primary;
    memory.desired = facts.desired;
    memory.lastPollAt = now;
    const { desired: wanted, running, pending } = facts;
    memory.counts = pushCount(memory.counts, { at: now, desired: wanted, running, pending });
    return [...deployments.changes, ...images.changes, ...desired];
  }

  /** Only while a deployment failed and the events do not say what became of it. */
  async function confirmRollbacks(
    one: WatchedService,
    facts: ServiceFacts,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<void> {
    const failures = unexplainedFailures(facts, one.memory.rollbacks, now);
    if (failures.length === 0) one.rollbacksBlind = null;
    if (failures.length === 0 || Math.abs(now - (one.rollbacksAskedAt ?? 0)) < REFUSED_MS) return;
    one.rollbacksAskedAt = now;
    try {
      const context = { versions: versionsByDeployment(one.memory, facts), version: facts.version };
      const found = await askRollbacks(aws, one.name, failures, context, now, signal);
      one.memory.rollbacks = [...one.memory.rollbacks, ...found];
      one.rollbacksBlind = null;
    } catch (error) {
      if (signal.aborted) throw error;
      one.rollbacksBlind = awsBlindness(one.name.target, 'ecs rollbacks', error);
      log.debug({ target: one.name.target, error: messageOf(error) }, 'service deployments cannot be read');
    }
  }

  function seriesOf(one: WatchedService, facts: ServiceFacts, now: EpochMs): readonly Series[] {
    const point = (signal: string, value: number): Series => ({
      target: one.name.target,
      signal,
      labels: {},
      unit: units.get(signal) ?? 'count',
      periodMs,
      times: Float64Array.of(now),
      values: Float64Array.of(value),
    });
    const { memory } = one;
    const rolling = inProgress(facts);
    const since = memory.deployments.find(({ id }) => id === rolling?.id)?.progressSince ?? rolling?.createdAt ?? now;
    const looked =
      one.tasksBlind === null &&
      memory.lookedAt !== null &&
      memory.lookedAt <= now &&
      now - memory.lookedAt <= LOOK_GOOD_MS;
    const crashes = memory.stopped.filter((task) => isCrash(task) && task.stoppedAt > now - CRASHES_MS);
    return [
      point('running_tasks', facts.running),
      point('desired_tasks', facts.desired),
      point('pending_tasks', facts.pending),
      // Tasks that cannot be seen have not not crashed: a look that failed was called for.
      ...(looked ? [point('crashed_tasks', crashes.length)] : []),
      point('deployment_seconds', rolling === undefined ? 0 : Math.max(0, now - since) / 1000),
      point('deployment_failed_tasks', rolling?.failed ?? 0),
    ];
  }

  return {
    async poll(now, signal) {
      const seen = new Map<WatchedService, ServiceFacts>();
      await eachOf(calls(now), WIDTH, (batch) => describe(batch, seen, now, signal));
      await eachOf(toLookAt(seen, now), WIDTH, (one) => look(one, seen.get(one)!, now, signal));
      const changes: Change[] = [];
      const series: Series[] = [];
      for (const [one, facts] of seen) {
        await confirmRollbacks(one, facts, now, signal);
        changes.push(...note(one, facts, now));
        series.push(...seriesOf(one, facts, now));
      }
      const blind = watched.flatMap((one) => (one.blind === null ? [one.tasksBlind, one.rollbacksBlind] : [one.blind]));
      return { series, changes, blind: blind.filter((each) => each !== null) };
    },
  };
}
