/**
 * RDS instances (members of Aurora clusters too): their status, their events, and who their security groups let in.
 * Polled for what was changed; asked for what it is like now. A part that cannot be read is blind and leaves the others.
 *
 * State of an instance: its last status, up to when its events were read and which were told, and the rules for its port.
 * A look for an answer moves it as well; the changes that it finds wait for the next poll.
 */

import type { SecurityGroup } from '@aws-sdk/client-ec2';
import type { DBInstance } from '@aws-sdk/client-rds';
import type { Logger } from 'pino';
import type { Change } from '../../../model/change.ts';
import { RunbookdError } from '../../../model/errors.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import type { Answer, Question, UnknownAnswer, Window } from '../../../model/question.ts';
import type { Blindness, PollResult, Source } from '../../../model/source.ts';
import type { Aws } from '../calls.ts';
import { accountLabel } from '../errors.ts';
import { awsBlindness, awsUnknown, failureOf } from '../failure.ts';
import { eventChange, eventOf, factsOf, isTold, type RdsEvent, statusChange } from './instance.ts';
import { networkChanges, remember, rulesOf } from './network.ts';
import { type InstanceState, NOTHING, packStates, trim, unpackStates } from './snapshot.ts';

export interface RdsSourceOptions {
  readonly name: string;
  readonly aws: Aws;
  readonly databases: readonly { readonly target: string; readonly instance: string }[];
  /** Of the poll group `rds`. */
  readonly periodMs: number;
  readonly log: Logger;
}

/** A first look tells what happened so long ago: as far back as a diagnosis looks for changes. */
const FIRST_EVENTS_MS = 2 * 3_600_000;
/** Events come late and out of order ("on a best effort basis"), so the last minutes are read again. */
const OVERLAP_MS = 10 * 60_000;
/** DescribeEvents keeps 14 days and refuses an older start. */
const KEPT_MS = 14 * 86_400_000 - 60_000;
const EVENT_PAGES = 3;
const MAX_EVENTS = 20;

type Database = RdsSourceOptions['databases'][number];

export function createRdsSource(options: RdsSourceOptions): Source {
  const { name, aws, databases, periodMs, log } = options;
  const byTarget = new Map(databases.map((database) => [database.target, database]));
  let states: ReadonlyMap<string, InstanceState> = new Map();
  let found: readonly Change[] = [];

  const stateOf = (target: string): InstanceState => states.get(target) ?? NOTHING;
  const move = (target: string, next: Partial<InstanceState>): void => {
    states = new Map(states).set(target, { ...stateOf(target), ...next });
  };

  const describe = async ({ instance }: Database, signal: AbortSignal): Promise<DBInstance> => {
    const input = { DBInstanceIdentifier: instance };
    const { DBInstances } = await aws.call('rds:DescribeDBInstances', input, signal);
    const [only] = DBInstances ?? [];
    if (only === undefined) {
      throw new RunbookdError('AWS_NOT_FOUND', [accountLabel(aws.account), 'rds:DescribeDBInstances', instance]);
    }
    return only;
  };

  const readEvents = async (
    { instance }: Database,
    window: Window,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<readonly RdsEvent[]> => {
    const events: RdsEvent[] = [];
    let marker: string | undefined;
    for (let page = 0; page < EVENT_PAGES; page += 1) {
      const answer = await aws.call(
        'rds:DescribeEvents',
        {
          SourceIdentifier: instance,
          SourceType: 'db-instance',
          StartTime: new Date(Math.max(window.from, now - KEPT_MS)),
          EndTime: new Date(Math.max(window.to, now - KEPT_MS + 1000)),
          MaxRecords: 100,
          ...(marker === undefined ? {} : { Marker: marker }),
        },
        signal,
      );
      for (const event of answer.Events ?? []) {
        const read = eventOf(event);
        if (read !== null) events.push(read);
      }
      if (answer.Marker === undefined || answer.Marker === marker) break;
      marker = answer.Marker;
    }
    return events.sort((a, b) => b.at - a.at);
  };

  /** Moves the status; a change of it is found once. */
  const seeStatus = ({ target, instance }: Database, described: DBInstance, now: EpochMs): void => {
    const before = stateOf(target).status;
    if (overtaken(before, now)) return;
    const status = { at: now, status: factsOf(described).status };
    const change = before === null ? null : statusChange(target, instance, before, status);
    if (change !== null) found = [...found, change];
    move(target, { status });
  };

  /** The rules for the port; null where the instance has no port yet. Groups that AWS does not show are named. */
  const seeNetwork = async (
    { target, instance }: Database,
    described: DBInstance,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<InstanceState['network'] & { readonly groups: readonly ReturnType<typeof rulesOf>[] }> => {
    const port = factsOf(described).port ?? stateOf(target).network?.port ?? null;
    if (port === null) throw new Unseen(`${instance} has no port yet: its status is ${factsOf(described).status}`);
    const ids = (described.VpcSecurityGroups ?? [])
      .filter(({ Status }) => Status !== 'removing' && Status !== 'removed')
      .flatMap(({ VpcSecurityGroupId }) => (VpcSecurityGroupId === undefined ? [] : [VpcSecurityGroupId]));
    if (ids.length === 0) throw new Unseen(`${instance} has no security group of a VPC`);
    const answer = await aws.call('ec2:DescribeSecurityGroups', { GroupIds: ids }, signal);
    const shown = new Map(
      (answer.SecurityGroups ?? []).map((group): [string, SecurityGroup] => [group.GroupId ?? '', group]),
    );
    const hidden = ids.filter((id) => !shown.has(id));
    // A rule that is not shown is not a rule that is gone.
    if (hidden.length > 0) throw new Unseen(`AWS does not show ${hidden.join(', ')}, which ${instance} has`);
    const groups = ids.flatMap((id) => rulesOf(shown.get(id) ?? {}, port));
    const before = stateOf(target).network;
    const after = remember(before, groups, port, now);
    if (!overtaken(before, now)) {
      found = [...found, ...networkChanges(target, instance, before, after)];
      move(target, { network: after });
    }
    return { ...after, groups };
  };

  const pollEvents = async (database: Database, now: EpochMs, signal: AbortSignal): Promise<void> => {
    const { target, instance } = database;
    const { eventsTo, told } = stateOf(target);
    const from = eventsTo === null ? now - FIRST_EVENTS_MS : Math.min(eventsTo, now) - OVERLAP_MS;
    const events = await readEvents(database, { from, to: now }, now, signal);
    const changes = events
      .filter(isTold)
      .map((event) => eventChange(target, instance, event))
      .filter(({ id }) => !told.has(id))
      .reverse();
    found = [...found, ...changes];
    const ids = new Map([...told, ...changes.map(({ id, at }): [string, EpochMs] => [id, at.latest])]);
    move(target, trim({ ...stateOf(target), told: ids, eventsTo: now }, now));
  };

  const pollOne = async (database: Database, now: EpochMs, signal: AbortSignal): Promise<readonly Blindness[]> => {
    const { target } = database;
    const blind: Blindness[] = [];
    const part = async (check: string, read: () => Promise<unknown>): Promise<void> => {
      try {
        await read();
      } catch (error) {
        blind.push(error instanceof Unseen ? unseen(target, check, error) : awsBlindness(target, check, error));
      }
    };
    const instance = async (): Promise<void> => {
      let described: DBInstance | null = null;
      await part('rds.instance', async () => {
        described = await describe(database, signal);
        seeStatus(database, described, now);
      });
      if (described !== null) await part('rds.network', () => seeNetwork(database, described!, now, signal));
    };
    await Promise.all([instance(), part('rds.events', () => pollEvents(database, now, signal))]);
    return blind;
  };

  const answerInstance = async (
    { window }: Question,
    database: Database,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<Answer<'rds.instance'>> => {
    const [described, events] = await Promise.all([
      describe(database, signal),
      readEvents(database, { from: window.from, to: Math.max(window.to, window.from + 1000) }, now, signal).catch(
        (error: unknown) => failureOf(error),
      ),
    ]);
    seeStatus(database, described, now);
    // The status is worth having without the events.
    const read = 'because' in events ? [] : events;
    const source = 'because' in events ? `events not read: ${events.because}` : 'rds:DescribeEvents';
    return {
      state: 'answered',
      kind: 'rds.instance',
      value: { at: now, ...factsOf(described), instance: database.instance, events: read.slice(0, MAX_EVENTS) },
      at: now,
      source: `${database.instance}: rds:DescribeDBInstances, ${source}`,
      ...('because' in events ? { unseen: [events] } : {}),
    };
  };

  const answerNetwork = async (
    database: Database,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<Answer<'rds.network'>> => {
    const described = await describe(database, signal);
    const { port, groups, lost } = await seeNetwork(database, described, now, signal);
    return {
      state: 'answered',
      kind: 'rds.network',
      value: { at: now, instance: database.instance, port, groups, lost },
      at: now,
      source: `${database.instance}: ec2:DescribeSecurityGroups`,
    };
  };

  return {
    name,
    groups: ['rds'],
    async poll(_group, now, signal): Promise<PollResult> {
      log.trace({ source: name, periodMs }, 'poll');
      const blind = await Promise.all(databases.map((database) => pollOne(database, now, signal)));
      const changes = found;
      found = [];
      return { series: [], changes, blind: blind.flat() };
    },
    answers: ({ kind, target }) => (kind === 'rds.instance' || kind === 'rds.network') && byTarget.has(target),
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const database = byTarget.get(target);
      try {
        if (kind === 'rds.instance' && database !== undefined) {
          return await answerInstance(question, database, now, signal);
        }
        if (kind === 'rds.network' && database !== undefined) return await answerNetwork(database, now, signal);
      } catch (error) {
        return error instanceof Unseen ? unknown(kind, error.message) : (awsUnknown(kind, error) as Answer);
      }
      return { ...unknown(kind, `${name} does not answer ${kind} of ${target}`), because: 'unsupported' };
    },
    snapshot: () => (states.size === 0 ? null : packStates(states)),
    restore(bytes) {
      const restored = unpackStates(bytes);
      if (restored.size === 0) log.warn({ source: name }, 'snapshot is not readable, starting without history');
      states = new Map([...restored].filter(([target]) => byTarget.has(target)));
    },
    close: async () => undefined,
  };
}

/** A look that began later has been taken in already. Much later is a clock that was set back. */
function overtaken(before: { readonly at: EpochMs } | null, now: EpochMs): boolean {
  return before !== null && before.at > now && before.at - now < 60_000;
}

/** Answered by AWS, and yet not to be seen: no failure of a call. */
class Unseen extends Error {}

function unseen(target: string, check: string, { message }: Unseen): Blindness {
  return { target, check, because: 'no_data', detail: message, grant: null };
}

function unknown(kind: Question['kind'], detail: string): UnknownAnswer {
  return { state: 'unknown', kind, because: 'no_data', detail };
}
