/**
 * ECS services of one account and region, with their load balancers' targets, as a source. Counts, deployments and
 * stopped tasks are polled (group `ecs`); room in the cluster and health of targets are asked for when a walk needs them.
 */

import type { Logger } from 'pino';
import { messageOf, RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Answer, Question, QuestionKind, QuestionTypes, Unseen } from '../../../model/question.ts';
import type { Source } from '../../../model/source.ts';
import { createAlbReader } from '../alb/targets.ts';
import type { Aws } from '../calls.ts';
import { accountLabel } from '../errors.ts';
import { awsUnknown, failureOf } from '../failure.ts';
import { capacityAnswer } from './capacity.ts';
import { sourceOf } from './changes.ts';
import { factsOf, futureIn, type ServiceFacts } from './facts.ts';
import { lookAtTasks } from './look.ts';
import { createEcsReader } from './reader.ts';
import { serviceAnswer } from './service-answer.ts';
import { packMemories, unpackMemories } from './snapshot.ts';
import { createEcsWatcher, type WatchedService, watchedService } from './watcher.ts';

export interface EcsSourceOptions {
  readonly name: string;
  readonly aws: Aws;
  readonly services: readonly {
    readonly target: string;
    /** Null for a service that is only known by its load balancer. */
    readonly cluster: string | null;
    readonly service: string | null;
    readonly targetGroup: string | null;
    readonly loadBalancer: string | null;
  }[];
  readonly periodMs: number;
  /** Whether task definitions may be read, for their stop timeouts. */
  readonly taskDefinitions: boolean;
  readonly log: Logger;
}

/** Younger than that it need not be asked again. */
const FRESH_MS = 10_000;
/** What is older than that is no answer when AWS does not give another. */
const USABLE_MS = 60_000;
/** ECS gives a container 30 s between SIGTERM and SIGKILL unless its definition says otherwise; an EC2 agent may too. */
const FARGATE_STOP_TIMEOUT_SECONDS = 30;

type Value<K extends QuestionKind> = QuestionTypes[K]['value'];

export function createEcsSource(options: EcsSourceOptions): Source {
  const { aws, log, taskDefinitions } = options;
  const reader = createEcsReader(aws);
  const alb = createAlbReader(aws);
  const watched = new Map<string, WatchedService>();
  const balanced = new Map<string, EcsSourceOptions['services'][number]>();
  for (const one of options.services) {
    const { target, cluster, service } = one;
    if (cluster !== null && service !== null) watched.set(target, watchedService({ target, cluster, service }));
    balanced.set(target, one);
  }
  const watcher = createEcsWatcher(aws, reader, [...watched.values()], { periodMs: options.periodMs, log });
  const stopTimeouts = new Map<string, number | null>();
  const cached = new Map<string, { readonly at: EpochMs; readonly answer: Answer }>();

  const age = (at: EpochMs | null | undefined, now: EpochMs): number =>
    at == null || at > now ? Number.POSITIVE_INFINITY : now - at;

  async function freshFacts(
    one: WatchedService,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<{ at: EpochMs; facts: ServiceFacts }> {
    const { memory, name } = one;
    if (memory.facts !== null && age(memory.facts.at, now) <= FRESH_MS) return memory.facts;
    try {
      const facts = factsOf(await reader.service(name.cluster, name.service, signal));
      const wrong = futureIn(facts, now);
      if (wrong !== null) {
        throw new RunbookdError('AWS_FAILED', [accountLabel(aws.account), 'ecs:DescribeServices', wrong]);
      }
      memory.facts = { at: now, facts };
      return memory.facts;
    } catch (error) {
      if (memory.facts !== null && age(memory.facts.at, now) <= USABLE_MS && isPassing(error)) return memory.facts;
      throw error;
    }
  }

  async function freshTasks(
    one: WatchedService,
    facts: ServiceFacts,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<void> {
    if (age(one.memory.lookedAt, now) <= FRESH_MS) return;
    try {
      await lookAtTasks(reader, one.name, one.memory, facts, now, signal);
    } catch (error) {
      if (age(one.memory.lookedAt, now) > USABLE_MS || !isPassing(error)) throw error;
    }
  }

  async function stopTimeout(facts: ServiceFacts, unseen: Unseen[], signal: AbortSignal): Promise<number | null> {
    if (!taskDefinitions || facts.version === '') return null;
    const { version } = facts;
    if (!stopTimeouts.has(version)) {
      try {
        stopTimeouts.set(version, await reader.stopTimeoutSeconds(version, signal));
      } catch (error) {
        if (signal.aborted) throw error;
        log.debug({ version, error: messageOf(error) }, 'task definition cannot be read');
        unseen.push(failureOf(error));
        return null;
      }
    }
    return stopTimeouts.get(version) ?? (facts.onInstances ? null : FARGATE_STOP_TIMEOUT_SECONDS);
  }

  const answered = <K extends QuestionKind>(
    kind: K,
    value: Value<K> & { readonly at: EpochMs },
    source: string,
    unseen: readonly Unseen[],
  ): Answer => {
    const rest = unseen.length === 0 ? {} : { unseen };
    return { state: 'answered', kind, value, at: value.at, source, ...rest } as Answer;
  };

  const serviceOf = (target: string): WatchedService => {
    const one = watched.get(target);
    if (one === undefined) throw new RunbookdError('TARGET_UNKNOWN', [target, [...watched.keys()].join(', ')]);
    return one;
  };

  async function answerService({ target, window }: Question, now: EpochMs, signal: AbortSignal): Promise<Answer> {
    const one = serviceOf(target);
    const look = await freshFacts(one, now, signal);
    await freshTasks(one, look.facts, now, signal);
    const unseen: Unseen[] = one.rollbacksBlind === null ? [] : [unseenOf(one.rollbacksBlind)];
    const timeout = await stopTimeout(look.facts, unseen, signal);
    const value = serviceAnswer(one.name, look, one.memory, timeout, window, now);
    return answered('ecs.service', value, sourceOf(one.name), unseen);
  }

  async function answerCapacity({ target, window }: Question, now: EpochMs, signal: AbortSignal): Promise<Answer> {
    const one = serviceOf(target);
    const { facts } = await freshFacts(one, now, signal);
    const { cluster } = one.name;
    const unseen: Unseen[] = [];
    const onUnseen = (error: unknown): void => void unseen.push(failureOf(error));
    if (one.memory.size === null) {
      // What a task needs is known from tasks; without it the room is told all the same.
      await freshTasks(one, facts, now, signal).catch((error: unknown) => {
        if (signal.aborted) throw error;
        onUnseen(error);
      });
    }
    const asked = { cluster, facts, size: one.memory.size, window, now };
    const value = await capacityAnswer(aws, asked, signal, onUnseen);
    const source = value.onInstances ? `api: ecs:DescribeContainerInstances ${cluster}` : sourceOf(one.name);
    return answered('ecs.capacity', value, source, unseen);
  }

  async function answerTargets({ target }: Question, now: EpochMs, signal: AbortSignal): Promise<Answer> {
    const name = balanced.get(target);
    if (name === undefined) throw new RunbookdError('TARGET_UNKNOWN', [target, [...balanced.keys()].join(', ')]);
    const one = watched.get(target);
    let known: readonly string[] = one?.memory.facts?.facts.targetGroupArns ?? [];
    if (name.targetGroup === null && one !== undefined && known.length === 0) {
      known = (await freshFacts(one, now, signal)).facts.targetGroupArns;
    }
    if (name.targetGroup === null && known.length === 0) {
      const detail = `service ${target} is behind no load balancer that ECS knows of`;
      const grant = `set services.${target}.alb (loadBalancer, targetGroup)`;
      return { state: 'unknown', kind: 'alb.targets', because: 'not_configured', detail, grant };
    }
    const unseen: Unseen[] = [];
    const value = await alb.targets(name, known, now, signal, (error) => void unseen.push(failureOf(error)));
    const source = `api: elasticloadbalancing:DescribeTargetHealth ${value.targetGroup}`;
    return answered('alb.targets', value, source, unseen);
  }

  const answerers: Partial<Record<QuestionKind, typeof answerService>> = {
    'ecs.service': answerService,
    'ecs.capacity': answerCapacity,
    'alb.targets': answerTargets,
  };

  const answers = ({ kind, target }: Question): boolean => {
    if (kind === 'ecs.service' || kind === 'ecs.capacity') return watched.has(target);
    return kind === 'alb.targets' && balanced.has(target);
  };

  return {
    name: options.name,
    groups: watched.size === 0 ? [] : ['ecs'],
    async poll(group, now, signal) {
      if (group !== 'ecs') throw new RunbookdError('AWS_FAILED', [options.name, group, 'no such poll group']);
      return watcher.poll(now, signal);
    },
    answers,
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target, window } = question;
      const find = answers(question) ? answerers[kind] : undefined;
      if (find === undefined) {
        const detail = `${options.name} does not answer ${kind} of ${target}`;
        return { state: 'unknown', kind, because: 'unsupported', detail };
      }
      const key = kind === 'alb.targets' ? `${kind} ${target}` : `${kind} ${target} ${window.from} ${window.to}`;
      const before = cached.get(key);
      if (before !== undefined && age(before.at, now) <= FRESH_MS) return before.answer;
      try {
        const answer = await find(question, now, signal);
        for (const [old, { at }] of cached) if (age(at, now) > FRESH_MS) cached.delete(old);
        cached.set(key, { at: now, answer });
        return answer;
      } catch (error) {
        return awsUnknown(kind, error) as Answer;
      }
    },
    snapshot: () =>
      packMemories(new Map([...watched].map(([target, { name, memory }]) => [target, { of: keyOf(name), memory }]))),
    restore(bytes) {
      const memories = unpackMemories(bytes);
      if (memories === null) {
        log.warn({ source: options.name }, 'snapshot is not readable, starting without history');
        return;
      }
      for (const [target, { of, memory }] of memories) {
        const one = watched.get(target);
        if (one !== undefined && keyOf(one.name) === of) Object.assign(one.memory, memory);
      }
    },
    async close() {},
  };
}

const unseenOf = ({ because, detail, grant }: Unseen): Unseen => ({ because, detail, grant });

const keyOf = ({ cluster, service }: { readonly cluster: string; readonly service: string }): string =>
  `${cluster}/${service}`;

/** Something that the next try may not meet again. What is denied or gone is not covered up with what was. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof RunbookdError &&
    (error.code === 'AWS_THROTTLED' || error.code === 'AWS_TIMEOUT' || error.code === 'AWS_FAILED')
  );
}
