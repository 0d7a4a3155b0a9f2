/**
 * A version that was brought out and is not well: it came before the trouble, its tasks have the errors and those of the
 * version before do not, and the messages are new and about no one else. One that was taken back already needs patience,
 * not a second rollback.
 */

import type { Change, EcsServiceAnswer, Interval, LogErrorsAnswer, LogKind, TargetKind } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, count, duration, plural, safeName } from '../format.ts';
import { healthyVersionBefore, previousByChanges, previousText, previousVersionSlots } from './healthy-version.ts';
import {
  changesQuestion,
  ecsQuestion,
  FEW_MESSAGES,
  logShare,
  logsQuestion,
  primaryOf,
  unwantedStops,
} from './service-questions.ts';

export { deploymentMitigations } from './deployment-mitigations.ts';

export interface DeploymentOptions {
  /** `self`, or `service` where a service that it depends on was deployed. */
  readonly on?: 'self' | TargetKind;
  /** Of a version that is out; one that was taken back is a fifth as likely. */
  readonly prior?: number;
}

const MINUTE_MS = 60_000;
/** A rolling deployment takes minutes until the new version has its share of the traffic. */
const NEAR_MS = 15 * MINUTE_MS;
const RECENT_MS = 30 * MINUTE_MS;
/** What was well for so long is not broken by its version alone, as a rule. */
const OLD_MS = 120 * MINUTE_MS;
const LONG_MS = 24 * 60 * MINUTE_MS;
/** Fewer errors cannot be told apart by the tasks that they are on. */
const FEW_ERRORS = 10;
/** Messages that tasks of the old version would have had at the rate of the new one: below, their silence is none. */
const FEW_OLD = 5;

/** The variants as hypotheses; spread `deploymentMitigations` into the detector's mitigations beside them. */
export function deploymentHypotheses(options: DeploymentOptions = {}): readonly Hypothesis[] {
  const { on = 'self', prior = 0.25 } = options;
  return [
    {
      cause: 'recent-deployment',
      title: 'Recent deployment: the version that was brought out last is not well',
      prior,
      on,
      requires: ['deployment-order'],
      probes: [
        orderProbe(),
        runningVersionProbe(),
        errorsByVersionProbe(),
        stopsByVersionProbe(),
        messagesProbe(),
        takenBackProbe(-6, 0),
        takenBackByChangeProbe(-6, 0),
      ],
      mitigations: ['deploy-history', 'rollback'],
    },
    {
      cause: 'recent-deployment',
      variant: 'rolled-back',
      title: 'Recent deployment: a bad version was brought out and has been taken back already; wait and verify',
      prior: prior / 5,
      on,
      requires: ['taken-back'],
      probes: [takenBackProbe(5.5, 4), takenBackByChangeProbe(5.5, 0), messagesProbe()],
      mitigations: ['watch-rollback', 'deploy-history'],
    },
  ];
}

function deploymentsOf(changes: readonly Change[], facts: Facts): readonly Change[] {
  return changes.filter((change) => change.kind === 'deployment' && change.target === facts.on.name);
}

/** The same revision and, as far as is known, the same image. */
const isAnew = ({ deployment, summary }: Change): boolean =>
  deployment?.version !== undefined && deployment.version === deployment.previous && /\banew\b/.test(summary);

const isRollback = (change: Change): boolean => change.deployment?.state === 'rolled_back';

/** How long before the onset it was at least; negative when it was wholly after. */
function lead(at: Interval, facts: Facts): number {
  return at.earliest > facts.onset.latest
    ? facts.onset.latest - at.earliest
    : Math.max(0, facts.onset.latest - at.latest);
}

const ago = (ms: number): string => duration(Math.round(ms / 1000));

function orderProbe(): AnyProbe {
  return probe({
    id: 'deployment-order',
    factor: 'order',
    title: 'which came first, a deployment or the symptom',
    ask: (_symptom, facts) => changesQuestion(facts),
    also: (_symptom, facts) => [ecsQuestion(facts)],
    judge({ changes }, _symptom, facts, answered) {
      const ecs = answered(ecsQuestion(facts));
      const deployments = deploymentsOf(changes, facts).filter((change) => !isRollback(change));
      const before = deployments.filter((change) => change.at.earliest <= facts.onset.latest);
      const last = before.toSorted((a, b) => lead(a.at, facts) - lead(b.at, facts))[0];
      if (last !== undefined) return judgeLead(last, deployments, facts, ecs);
      // What was completed after it began may have begun before it, unless ECS says when it was brought out.
      const broughtOut = primaryOf(ecs)?.createdAt ?? 0;
      const after = deployments.find(
        ({ deployment }) =>
          deployment?.state !== 'completed' || (deployment.version === ecs?.version && broughtOut > facts.onset.latest),
      );
      if (after !== undefined) {
        const observed = `${safeName(after.summary, 120)}, but only after ${clockTime(after.at.earliest)}, when it had begun`;
        return opposes(5, observed, { headline: `deployed only after ${clockTime(after.at.earliest)}` });
      }
      const primary = primaryOf(ecs);
      if (primary === null) return neutral('no deployment is known in the 2 h before');
      const age = facts.onset.latest - primary.createdAt;
      const version = safeName(primary.version, 60);
      if (age < 0) return opposes(2, `${version} was brought out only after it had begun`);
      if (age < LONG_MS) {
        const observed = `${version} was brought out ${ago(age)} before it began`;
        return age < OLD_MS ? neutral(observed) : opposes(1.5, observed, { headline: observed });
      }
      const headline = `none in ${ago(age)}`;
      return opposes(3.5, `nothing was deployed in the ${ago(age)} before it began`, { headline });
    },
  });
}

function judgeLead(change: Change, changes: readonly Change[], facts: Facts, ecs: EcsServiceAnswer | null) {
  const gap = lead(change.at, facts);
  const version = safeName(change.deployment?.version ?? 'a version', 60);
  const when = gap < 1000 ? 'as it began' : `${ago(gap)} before it began`;
  const observed = `${safeName(change.summary, 120)} at ${clockTime(change.at.latest)}, ${when}`;
  const previous = ecs === null ? previousByChanges(change, changes, facts.onset) : null;
  const slots = previous && facts.on.slots['cluster'] === undefined ? { slots: { previousVersion: previous } } : {};
  // The same revision anew: no new code, though its tasks read their settings and secrets again.
  if (gap <= NEAR_MS && isAnew(change)) return supports(1, observed);
  if (gap <= NEAR_MS) {
    // Overlapping intervals do not say which came first.
    const overlaps = change.at.latest > facts.onset.earliest;
    const headline = overlaps ? `as ${version} was brought out` : `${ago(gap)} after ${version} was brought out`;
    return supports(overlaps ? 2.7 : 3, observed, { headline, ...slots });
  }
  if (gap <= RECENT_MS) return supports(1, observed, slots);
  return neutral(observed, slots);
}

/** Whether what is wanted now is the revision of before, brought out once more: no new code. */
function isBroughtAnew(ecs: EcsServiceAnswer, facts: Facts, answered: Answered): boolean {
  const last = deploymentsOf(answered(changesQuestion(facts))?.changes ?? [], facts).findLast(
    ({ deployment }) => deployment?.version === ecs.version,
  );
  return healthyVersionBefore(ecs, facts.onset) === ecs.version || (last !== undefined && isAnew(last));
}

/** What runs where, and what to go back to. */
function runningVersionProbe(): AnyProbe {
  return probe({
    id: 'running-version',
    factor: 'order',
    title: 'which version runs, and since when',
    ask: (_symptom, facts) => ecsQuestion(facts),
    also: (_symptom, facts) => [changesQuestion(facts)],
    judge(ecs, _symptom, facts, answered) {
      const slots = { slots: previousVersionSlots(ecs, facts.onset) };
      const primary = primaryOf(ecs);
      const before = previousText(ecs, facts.onset);
      if (primary === null) return neutral(`${versionsText(ecs)}${before}`, slots);
      const gap = facts.onset.latest - primary.createdAt;
      const observed = `${versionsText(ecs)}; ${safeName(primary.version, 60)} was brought out at ${clockTime(primary.createdAt)}${before}`;
      if (gap < 0) return neutral(observed, slots);
      if (gap <= NEAR_MS && isBroughtAnew(ecs, facts, answered))
        return supports(1, `${observed}: the same anew`, slots);
      if (gap <= NEAR_MS) {
        return supports(3, observed, {
          headline: `${ago(gap)} after ${safeName(primary.version, 60)} was brought out`,
          ...slots,
        });
      }
      if (gap < LONG_MS) return neutral(observed, slots);
      const headline = `${safeName(primary.version, 60)} has run for ${ago(facts.now - primary.createdAt)}`;
      return opposes(2, observed, { headline, ...slots });
    },
  });
}

/** `api:512 on 3 tasks, api:511 on 3`. */
function versionsText(ecs: EcsServiceAnswer): string {
  const counts = Map.groupBy(
    ecs.tasks.filter((task) => task.status === 'RUNNING'),
    (task) => task.version,
  );
  if (counts.size === 0) return 'no task runs';
  const texts = [...counts].map(([version, tasks], index) =>
    index === 0
      ? `${safeName(version, 60)} on ${plural(tasks.length, 'task')}`
      : `${safeName(version, 60)} on ${tasks.length}`,
  );
  return `${texts.join(', ')} ${counts.size === 1 && [...counts.values()][0]!.length === 1 ? 'runs' : 'run'}`;
}

interface OfVersion {
  readonly tasks: number;
  /** Minutes that they ran since the onset, all together: who was about to leave had little time for errors. */
  readonly minutes: number;
  readonly errors: number;
}

/** Tasks and error messages by version; null when fewer than two versions had tasks since the onset. */
function byVersion(ecs: EcsServiceAnswer, logs: LogErrorsAnswer, facts: Facts) {
  const versions = new Map<string, OfVersion>();
  const add = (id: string, version: string, from: number, to: number): void => {
    const found = versions.get(version) ?? { tasks: 0, minutes: 0, errors: 0 };
    const ms = Math.min(logs.to, to) - Math.max(facts.onset.earliest, from);
    versions.set(version, {
      tasks: found.tasks + 1,
      minutes: found.minutes + Math.max(0, ms) / MINUTE_MS,
      errors: found.errors + (logs.byTask[id] ?? 0),
    });
  };
  for (const { id, version, status, startedAt } of ecs.tasks) {
    if (status === 'RUNNING' || startedAt !== null) add(id, version, startedAt ?? 0, logs.to);
  }
  for (const { id, version, startedAt, stoppedAt } of ecs.stopped) {
    if (stoppedAt >= facts.onset.latest) add(id, version, startedAt ?? stoppedAt, stoppedAt);
  }
  const newest = versions.get(ecs.version);
  if (newest === undefined || versions.size < 2) return null;
  const old = [...versions].filter(([version]) => version !== ecs.version);
  const none: OfVersion = { tasks: 0, minutes: 0, errors: 0 };
  return {
    newest,
    old: old.reduce(
      (sum, [, one]) => ({
        tasks: sum.tasks + one.tasks,
        minutes: sum.minutes + one.minutes,
        errors: sum.errors + one.errors,
      }),
      none,
    ),
    oldName: old[0]![0],
  };
}

function errorsByVersionProbe(): AnyProbe {
  return probe({
    id: 'errors-by-version',
    factor: 'where',
    title: 'error messages on tasks of the new version and of the old one',
    ask: (_symptom, facts) => logsQuestion(facts, facts.on),
    also: (_symptom, facts) => [ecsQuestion(facts)],
    judge(logs, _symptom, facts, answered) {
      const ecs = answered(ecsQuestion(facts));
      const found = ecs === null ? null : byVersion(ecs, logs, facts);
      if (ecs === null || found === null) return neutral('the tasks since then are of one version');
      const { newest, old, oldName } = found;
      const all = newest.errors + old.errors;
      const observed = `${count(newest.errors)} of ${plural(all, 'error message')} are on the ${plural(newest.tasks, 'task')} of ${safeName(ecs.version, 60)}, ${count(old.errors)} on the ${count(old.tasks)} of ${safeName(oldName, 60)}`;
      if (all < FEW_ERRORS || newest.minutes <= 0 || old.minutes <= 0) return neutral(observed);
      // The errors of every day are on every task, and tell nothing of what is new.
      const more = logShare(logs, facts, () => true).all;
      if (more < Math.max(FEW_ERRORS, all * 0.5)) return neutral(`${observed}; no more of them than before`);
      const rateNew = newest.errors / newest.minutes;
      const rateOld = old.errors / old.minutes;
      if (rateNew >= rateOld * 5) {
        return rateNew * old.minutes >= FEW_OLD
          ? supports(4.5, observed)
          : neutral(`${observed}, which had hardly any time since then`);
      }
      const headline = `tasks of ${safeName(oldName, 60)} fail too`;
      return rateOld >= rateNew * 0.5 ? opposes(4.5, observed, { headline }) : neutral(observed);
    },
  });
}

function stopsByVersionProbe(): AnyProbe {
  return probe({
    id: 'stops-by-version',
    factor: 'where',
    title: 'which version the tasks had that stopped',
    ask: (_symptom, facts) => ecsQuestion(facts),
    also: (_symptom, facts) => [changesQuestion(facts)],
    judge(ecs, _symptom, facts, answered) {
      // Slow shutdowns are of the version that leaves: they say nothing of the one that comes.
      const stops = unwantedStops(ecs, facts).filter((task) => task.kind !== 'slow-shutdown');
      if (stops.length < 2) return neutral(`${plural(stops.length, 'task')} stopped unwanted`);
      const onNew = stops.filter((task) => task.version === ecs.version).length;
      const primary = primaryOf(ecs);
      const observed = `${onNew} of the ${stops.length} tasks that stopped ran ${safeName(ecs.version, 60)}`;
      const isNew =
        primary !== null && !isBroughtAnew(ecs, facts, answered) && facts.onset.latest - primary.createdAt <= RECENT_MS;
      if (onNew === stops.length && isNew) return supports(2, observed);
      return onNew === 0 ? opposes(3, observed, { headline: observed }) : neutral(observed);
    },
  });
}

/** What a message is about when it is about somebody else. */
const ELSEWHERE: readonly LogKind[] = [
  'pool-timeout',
  'database-refused',
  'database-timeout',
  'database-error',
  'refused',
  'timeout',
  'rate-limited',
  'tls',
];

function messagesProbe(): AnyProbe {
  return probe({
    id: 'new-messages',
    factor: 'logs',
    title: 'what the error messages since then are about',
    ask: (_symptom, facts) => logsQuestion(facts, facts.on),
    judge(logs, _symptom, facts) {
      const elsewhere = logShare(
        logs,
        facts,
        ({ kind, host }) =>
          ELSEWHERE.includes(kind) && (host !== null || kind.startsWith('database') || kind === 'pool-timeout'),
      );
      if (elsewhere.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const ofAll = `of ${elsewhere.all} additional error messages`;
      if (elsewhere.share >= 0.7) {
        const about = safeName(elsewhere.top?.host ?? elsewhere.top?.kind ?? 'others', 60);
        const observed = `${elsewhere.fitting} ${ofAll} are about others, most about ${about}`;
        return opposes(3, observed, { headline: `messages are about ${about}` });
      }
      const fresh = logShare(
        logs,
        facts,
        ({ before, kind }) => before === 0 && (kind === 'exception' || kind === 'other'),
      );
      if (fresh.share < 0.5 || fresh.top === null) return neutral(`${elsewhere.fitting} ${ofAll} are about others`);
      return supports(1.2, `never seen before: ${safeName(fresh.top.template, 120)} (${fresh.top.count} times)`);
    },
  });
}

/** `whenTaken` and `whenNot` are the weights of seeing it taken back, and of seeing that it was not. */
function takenBackProbe(whenTaken: number, whenNot: number): AnyProbe {
  return probe({
    id: 'taken-back',
    factor: 'taken-back',
    title: 'whether ECS has taken a deployment back',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge({ rolledBack }, _symptom, facts) {
      if (rolledBack === null) {
        const observed = 'no deployment was taken back';
        return whenNot === 0 ? neutral(observed) : opposes(whenNot, observed, { headline: observed });
      }
      const { at, from, to } = rolledBack;
      const observed = `${safeName(from, 60)} was taken back to ${safeName(to, 60)} at ${clockTime(at.latest)}: ${safeName(rolledBack.reason, 120)}`;
      if (facts.onset.earliest - at.latest > NEAR_MS) return neutral(`${observed}; that was well before it began`);
      const headline = `${safeName(from, 60)} was taken back at ${clockTime(at.latest)}`;
      return whenTaken > 0 ? supports(whenTaken, observed, { headline }) : opposes(whenTaken, observed, { headline });
    },
  });
}

/** The same from the changes: a rollback that was told, or the version before brought out again by hand. */
function takenBackByChangeProbe(whenTaken: number, whenNot: number): AnyProbe {
  return probe({
    id: 'taken-back-by-change',
    factor: 'taken-back',
    title: 'whether the version before was brought out again',
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, _symptom, facts) {
      const deployments = deploymentsOf(changes, facts);
      const suspect = deployments.findLast(
        (change) =>
          !isRollback(change) && change.at.earliest <= facts.onset.latest && lead(change.at, facts) <= RECENT_MS,
      );
      const back = deployments.findLast(
        (change) =>
          change.at.latest >= facts.onset.earliest - NEAR_MS &&
          change !== suspect &&
          (isRollback(change) ||
            (suspect?.deployment?.previous != null &&
              suspect.deployment.previous !== suspect.deployment.version &&
              change.at.earliest > suspect.at.latest &&
              change.deployment?.version === suspect.deployment.previous)),
      );
      if (back === undefined) {
        const observed = 'no rollback is known';
        return whenNot === 0 ? neutral(observed) : opposes(whenNot, observed);
      }
      const observed = `${safeName(back.summary, 120)} at ${clockTime(back.at.latest)}`;
      const headline = `taken back at ${clockTime(back.at.latest)}`;
      return whenTaken > 0 ? supports(whenTaken, observed, { headline }) : opposes(whenTaken, observed, { headline });
    },
  });
}
