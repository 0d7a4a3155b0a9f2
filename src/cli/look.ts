/**
 * Looking once: polls every group of every source a few times, so that differences exist, with a store in memory. A
 * server that cannot be reached is asked for nothing else in that round, and not at all after `giveUpAfter` of them: the
 * answer is known, and each further poll of a server that hangs costs its whole deadline.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { createBaselines } from '../baseline/baselines.ts';
import type { Config } from '../config/index.ts';
import { type Evaluation, evaluate } from '../detect/evaluate.ts';
import type { Values } from '../detect/options.ts';
import type { EpochMs, Finding, Source, Target } from '../model/index.ts';
import { messageOf, RunbookdError } from '../model/index.ts';
import { newId } from '../new-id.ts';
import type { Pipeline } from '../pipeline.ts';
import { createPipeline } from '../pipeline.ts';
import type { AnyDetector } from '../sdk/detector.ts';
import { openSqliteStore } from '../store/sqlite.ts';
import { contactOf } from '../targets.ts';
import { createWatch, type Watch } from '../watch.ts';
import { boundSignals, keyOf } from '../watch-systems.ts';

/** A part of a target that could not be read, though the target itself could be reached. */
export interface Failure {
  readonly target: string;
  readonly group: string;
  readonly detail: string;
}

/**
 * A detector that could not judge a target: signals are missing, or their baseline is not known yet. `not_configured`: what
 * is missing is bound by hand, and nobody has bound it there.
 */
export interface Unjudged {
  readonly target: string;
  readonly detector: string;
  readonly state: 'no_data' | 'not_ready' | 'not_configured';
  readonly signals: readonly string[];
}

export interface Look {
  readonly watch: Watch;
  readonly pipeline: Pipeline;
  /** When the first poll began. */
  readonly since: EpochMs;
  readonly failures: readonly Failure[];
  /** Targets that the last poll of them could not reach. */
  readonly unreachable: ReadonlySet<string>;
  /** Of the targets that could be reached. */
  readonly unjudged: readonly Unjudged[];
  readonly findings: readonly Finding[];
}

export interface LookOptions {
  readonly rounds: number;
  readonly pauseMs: number;
  readonly giveUpAfter: number;
  /** Whether detectors judge what is read; without, there are no findings. */
  readonly judge: boolean;
  /** Only the sources of this target; all when null. Throws TARGET_UNKNOWN before anything is polled. */
  readonly target: string | null;
}

/** No look takes longer, whatever hangs. */
const LOOK_MS = 60_000;
const POLL_MS = 12_000;
/** Enough for the hour of the day; more would be paid for. */
const HISTORY_MS = 4 * 86_400_000;
const HISTORY_DEADLINE_MS = 20_000;

export async function look<T>(
  config: Config,
  all: readonly AnyDetector[],
  options: LookOptions,
  use: (look: Look) => Promise<T>,
): Promise<T> {
  const log = pino({ level: 'silent' });
  const watch = createWatch(config, all, log);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => watch.close());
  const names = watch.targets.map((target) => target.name);
  if (options.target !== null && !names.includes(options.target)) {
    throw new RunbookdError('TARGET_UNKNOWN', [options.target, names.join(', ')]);
  }
  const store = await openSqliteStore({ path: ':memory:', log, now: Date.now });
  stack.defer(() => store.close());
  const baselines = createBaselines({ learningHorizonMs: 15 * 60_000, timeZone: config.timeZone });
  const values = (detector: string): Values => atOnce(watch.values(detector), options.giveUpAfter);
  const failures = new Map<string, Failure>();
  const pipeline = createPipeline({
    installation: config.name,
    ...watch,
    ...(options.judge ? {} : { detectors: [] }),
    values,
    baselines,
    store,
    channels: [],
    render: { commands: config.commands, overrides: config.mitigations },
    contactOf: (target, detector) => contactOf(config, target, detector),
    incidentUrl: () => null,
    newId: () => newId(Date.now()),
    now: Date.now,
    stopping: AbortSignal.timeout(LOOK_MS),
    log,
    onDetectorError: (detector, error) => {
      failures.set(detector, { target: `detector ${detector}`, group: 'rule', detail: messageOf(error) });
    },
  });

  const since = Date.now();
  const wanted = wantedDatabases(watch.targets, options.target);
  const servers = watch.sources
    .filter((source) => isPostgres(source) && (wanted === null || wanted.has(databaseOf(source))))
    .flatMap(serversOf);
  // Sources of many targets are read whatever is asked for: a cause may lie on any of them.
  const others = watch.sources.filter((source) => !isPostgres(source));
  const misses = new Map<string, number>();
  const isUnreachable = (target: string): boolean =>
    pipeline.blindness().some((one) => one.check === 'connect' && one.target === target);

  const pollServer = async ({ source, target, groups }: Server): Promise<void> => {
    for (const group of groups) {
      const key = `${target}\t${group}`;
      try {
        await pipeline.poll(source, group, AbortSignal.timeout(POLL_MS));
        failures.delete(key);
      } catch (error) {
        failures.set(key, { target, group: group.split(':')[0] ?? group, detail: aboutIt(target, messageOf(error)) });
      }
      if (isUnreachable(target)) break;
    }
    misses.set(target, isUnreachable(target) ? (misses.get(target) ?? 0) + 1 : 0);
  };

  const pollOther = async (source: Source, round: number): Promise<void> => {
    // A backend with history has nothing new to say within seconds, and is paid by the question.
    if (round > 0 && source.history !== undefined) return;
    for (const group of source.groups) {
      const key = `${source.name}\t${group}`;
      try {
        await pipeline.poll(source, group, AbortSignal.timeout(POLL_MS));
        failures.delete(key);
      } catch (error) {
        failures.set(key, { target: source.name, group, detail: messageOf(error) });
      }
    }
  };

  await Promise.all(
    others.map(async (source) => {
      if (!options.judge || source.history === undefined) return;
      try {
        await pipeline.backfill(source, since - HISTORY_MS, AbortSignal.timeout(HISTORY_DEADLINE_MS));
      } catch (error) {
        failures.set(source.name, { target: source.name, group: 'history', detail: messageOf(error) });
      }
    }),
  );
  for (let round = 0; round < options.rounds; round++) {
    const left = servers.filter(({ target }) => (misses.get(target) ?? 0) < options.giveUpAfter);
    if (left.length === 0 && (round > 0 || others.length === 0)) break;
    if (round > 0) await sleep(options.pauseMs);
    await Promise.all([...left.map(pollServer), ...others.map((source) => pollOther(source, round))]);
  }

  const unreachable = new Set(servers.map(({ target }) => target).filter(isUnreachable));
  const reached = new Set([
    ...servers.map(({ target }) => target).filter((target) => !unreachable.has(target)),
    ...watch.targets.filter((target) => target.kind !== 'database').map((target) => target.name),
  ]);
  const now = Date.now();
  const bound = new Set([
    ...boundSignals(config).map(({ target, signal }) => keyOf(target, signal)),
    ...Object.entries(config.databases).flatMap(([target, { queries }]) =>
      Object.keys(queries).map((signal) => keyOf(target, signal)),
    ),
  ]);
  const isConfigured = (target: string, signal: string): boolean =>
    !watch.signalsByHand.has(signal) || bound.has(keyOf(target, signal));
  const unjudgedBy = (detector: AnyDetector): readonly Unjudged[] =>
    watch.targets.flatMap((target): readonly Unjudged[] => {
      if (!options.judge || detector.target !== target.kind || !reached.has(target.name)) return [];
      if (failures.has(detector.id)) return [];
      const readings = (signal: string) => baselines.readings(target.name, signal, now);
      const expected: Evaluation['expected'] = (signal, labels, at) =>
        baselines.expected(target.name, signal, labels, at);
      const active = () => false;
      const judged = evaluate({ detector, target, options: values(detector.id), now, readings, expected, active });
      if (judged.state === 'judged') return [];
      const { signals } = judged;
      const isUnbound = signals.length > 0 && !signals.some((signal) => isConfigured(target.name, signal));
      const state = isUnbound ? 'not_configured' : judged.state;
      return [{ target: target.name, detector: detector.id, state, signals }];
    });
  return await use({
    watch,
    pipeline,
    since,
    failures: [...failures.values()].filter((one) => !unreachable.has(one.target)),
    unreachable,
    unjudged: watch.detectors.flatMap(unjudgedBy),
    findings: pipeline.findings(),
  });
}

/**
 * What is wrong now is told now: holds are left out, "2 of the last 3 polls" has to fit into the polls that there are,
 * and each round makes the diagnosis anew, because the first knows no differences.
 */
function atOnce(values: Values, polls: number): Values {
  const needPolls = values.needPolls === undefined ? {} : { needPolls: Math.min(Number(values.needPolls), polls) };
  return { ...values, ...needPolls, holdSeconds: 0, rewalkSeconds: 1 };
}

interface Server {
  readonly source: Source;
  readonly target: string;
  readonly groups: readonly string[];
}

const isPostgres = (source: Source): boolean => source.name.startsWith('postgres:');
const databaseOf = (source: Source): string => source.name.replace(/^postgres:/, '');

/** The databases that a look at one target needs: itself, or what it depends on. Null for all. */
function wantedDatabases(targets: readonly Target[], name: string | null): ReadonlySet<string> | null {
  if (name === null) return null;
  const target = targets.find((one) => one.name === name);
  return new Set([name, ...(target?.dependsOn ?? [])].map((one) => one.split('/')[0] ?? one));
}

/** Groups of a source by the server that they read: `activity` the primary, `activity:replica-1` that replica. */
function serversOf(source: Source): readonly Server[] {
  const database = databaseOf(source);
  const targetOf = (group: string): string => [database, ...group.split(':').slice(1)].join('/');
  const targets = [...new Set(source.groups.map(targetOf))];
  return targets.map((target) => ({
    source,
    target,
    groups: source.groups.filter((group) => targetOf(group) === target),
  }));
}

/** The error's words without the name of the target, which stands before them anyway. */
export function aboutIt(target: string, message: string): string {
  const name = `database ${target}: `;
  return message.startsWith(name) ? message.slice(name.length) : message;
}
