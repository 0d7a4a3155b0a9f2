/** Tasks that stop without anybody wanting it, told apart by what ECS says of why: each kind has its own cure. */

import type { EcsServiceAnswer, Judged, SlotValues, StopKind, StoppedTask, TargetKind } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, duration, plural, safeName } from '../format.ts';
import { healthyVersionBefore, previousVersionSlots, restartSlots } from './healthy-version.ts';
import { ecsQuestion, healthQuestion, logShare, logsQuestion, primaryOf, unwantedStops } from './service-questions.ts';

export { crashedMitigations } from './crashed-mitigations.ts';

export type CrashedVariant =
  | 'out-of-memory'
  | 'essential-container-exited'
  | 'health-check-failed'
  | 'image-pull'
  | 'secrets'
  | 'start-failed'
  | 'slow-shutdown'
  | 'host-lost';

interface Spec {
  readonly title: string;
  readonly prior: number;
  readonly kinds: readonly StopKind[];
  /** For RULED OUT: `no task ran out of memory`. */
  readonly none: string;
  readonly mitigations: readonly string[];
}

const LOOK = ['stopped-tasks', 'stopped-reason'];

const VARIANTS: Readonly<Record<CrashedVariant, Spec>> = {
  'out-of-memory': {
    title: 'tasks are killed because they need more memory than they have',
    prior: 0.08,
    kinds: ['out-of-memory'],
    none: 'no task ran out of memory',
    mitigations: [...LOOK, 'rollback', 'restart-service', 'memory-by-task'],
  },
  'essential-container-exited': {
    title: 'the program in the tasks ends by itself',
    prior: 0.1,
    kinds: ['essential-container-exited'],
    none: 'no essential container exited',
    mitigations: [...LOOK, 'rollback', 'restart-service', 'service-logs'],
  },
  'health-check-failed': {
    title: 'tasks run but do not pass their health check, and are replaced',
    prior: 0.08,
    kinds: ['health-check-failed'],
    none: 'no task failed its health check',
    mitigations: ['check-health', 'target-health', 'rollback', 'restart-service', 'stopped-reason'],
  },
  'image-pull': {
    title: 'the image cannot be pulled, so no task starts',
    prior: 0.04,
    kinds: ['image-pull'],
    none: 'images are pulled',
    mitigations: [...LOOK, 'rollback'],
  },
  secrets: {
    title: 'secrets or settings cannot be read at start, so no task starts',
    prior: 0.03,
    kinds: ['secrets'],
    none: 'secrets are read',
    mitigations: [...LOOK, 'secret-changes', 'rollback'],
  },
  'start-failed': {
    title: 'tasks cannot be started',
    prior: 0.04,
    kinds: ['start-failed'],
    none: 'no task failed to start',
    mitigations: [...LOOK, 'rollback'],
  },
  'slow-shutdown': {
    title: 'tasks that are to stop do not end in time and are killed (exit code 137, not out of memory)',
    prior: 0.02,
    kinds: ['slow-shutdown'],
    none: 'no task was killed at its stop timeout',
    mitigations: [...LOOK, 'service-logs'],
  },
  'host-lost': {
    title: 'the machines under the tasks went away',
    prior: 0.03,
    kinds: ['spot', 'host'],
    none: 'no machine went away',
    mitigations: [...LOOK, 'restart-service'],
  },
};

export interface CrashedOptions {
  readonly on?: 'self' | TargetKind;
  readonly variants?: readonly CrashedVariant[];
  /** The priors, multiplied by this: 1 where the symptom is the missing service itself. */
  readonly priorScale?: number;
}

/** The variants as hypotheses; spread `crashedMitigations` into the detector's mitigations beside them. */
export function crashedHypotheses(options: CrashedOptions = {}): readonly Hypothesis[] {
  const { on = 'self', variants = Object.keys(VARIANTS) as readonly CrashedVariant[], priorScale = 1 } = options;
  return variants.map((variant) => {
    const spec = VARIANTS[variant];
    return {
      cause: 'service-crashed',
      variant,
      title: `Service crashed: ${spec.title}`,
      prior: spec.prior * priorScale,
      on,
      requires: ['stopped-tasks'],
      probes: [
        stoppedProbe(variant, spec),
        runningProbe(),
        ...(variant === 'out-of-memory' ? [memoryMessagesProbe()] : []),
        ...(variant === 'health-check-failed' ? [targetsProbe(), endpointProbe()] : []),
      ],
      mitigations: spec.mitigations,
    };
  });
}

/**
 * For what comes of it: errors, and answers of the few that are left. One hypothesis for all kinds, since its identity is
 * what ties such a symptom to the outage; which kind it is, the outage itself says.
 */
export function crashingHypothesis(prior = 0.08): Hypothesis {
  return {
    cause: 'service-crashed',
    title: 'Service crashed: its tasks stop without anybody wanting it, and those that are left cannot do the work',
    prior,
    on: 'self',
    requires: ['stopped-tasks'],
    probes: [fewerProbe()],
    mitigations: LOOK,
  };
}

/** Unwanted stops matter to others only where fewer tasks ran for them. */
function fewerProbe(): AnyProbe {
  return probe({
    id: 'stopped-tasks',
    factor: 'stops',
    title: 'tasks that stopped, and how many were left',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge(ecs, _symptom, facts): Judged {
      const stops = unwantedStops(ecs, facts);
      const [last] = stops;
      if (last === undefined) return opposes(4, 'no task stopped unwanted', { headline: 'no task stopped' });
      const least = fewestSince(ecs, facts);
      const observed = `${plural(stops.length, 'task')} stopped since ${clockTime(stops.at(-1)!.stoppedAt)}, at times ${least} of ${ecs.desired} ran: ${reasonText(last)}`;
      const slots = { stoppedTask: last.id };
      if (stops.length < 2 || least > 0.75 * ecs.desired) return neutral(observed, { slots });
      return supports(5, observed, {
        headline: `${plural(stops.length, 'task')} stopped: ${shortReason(last)}`,
        slots,
      });
    },
  });
}

/** The fewest tasks that ran at a look since the onset. */
function fewestSince({ history, running }: EcsServiceAnswer, facts: Facts): number {
  return Math.min(running, ...history.filter((one) => one.at >= facts.onset.earliest).map((one) => one.running));
}

/** For a cause that is the consequence where tasks crash. */
export function noCrashProbe(weight: number): AnyProbe {
  return probe({
    id: 'no-crash',
    factor: 'crash',
    title: 'whether tasks crash',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge(ecs, _symptom, facts) {
      const stops = unwantedStops(ecs, facts);
      const least = fewestSince(ecs, facts);
      if (stops.length < 2 || least > 0.75 * ecs.desired)
        return neutral(`${plural(stops.length, 'task')} stopped unwanted`);
      const observed = `${plural(stops.length, 'task')} stopped unwanted, at times ${least} of ${ecs.desired} ran, which explains more`;
      return opposes(weight, observed, { headline: `${plural(stops.length, 'task')} stopped unwanted` });
    },
  });
}

/**
 * What a mitigation may fill in: the youngest such task; the version to go back to only where the version is the cause,
 * and what a restart needs only where it is not, for a restart brings the same version again.
 */
function slotsOf(ecs: EcsServiceAnswer, stops: readonly StoppedTask[], facts: Facts): SlotValues {
  const [last] = stops;
  const task = last === undefined ? {} : { stoppedTask: last.id };
  if (isVersionCause(ecs, stops, facts)) {
    return { ...task, ...previousVersionSlots(ecs, facts.onset) };
  }
  return { ...task, ...(ecs.desired > 0 ? restartSlots(ecs) : {}) };
}

const DAY_MS = 24 * 3_600_000;

/** All of them ran the wanted version, which was brought out in the day before the onset. */
function isVersionCause(ecs: EcsServiceAnswer, stops: readonly StoppedTask[], facts: Facts): boolean {
  const primary = primaryOf(ecs);
  const age = primary === null ? DAY_MS : facts.onset.latest - primary.createdAt;
  // A minute of grace: the deployment itself can be the onset. What was brought out later was an attempt to help.
  const isYoung = age >= -60_000 && age < DAY_MS;
  return (
    isYoung &&
    healthyVersionBefore(ecs, facts.onset) !== ecs.version &&
    stops.every((task) => task.version === ecs.version)
  );
}

function stoppedProbe(variant: CrashedVariant, spec: Spec): AnyProbe {
  return probe({
    id: 'stopped-tasks',
    factor: 'stops',
    title: 'why tasks stopped',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge(ecs, _symptom, facts): Judged {
      const all = unwantedStops(ecs, facts);
      const mine = all.filter((task) => spec.kinds.includes(task.kind));
      const [last] = mine;
      if (last === undefined) {
        const observed =
          all.length === 0 ? 'no task stopped unwanted' : `${spec.none}, of ${plural(all.length, 'task')} that stopped`;
        return opposes(5, observed, { headline: all.length === 0 ? 'no task stopped' : spec.none });
      }
      const observed = `${plural(mine.length, 'task')} of ${all.length} that stopped since ${clockTime(all.at(-1)!.stoppedAt)}: ${reasonText(last)}, ${lifeText(last)}, ${safeName(last.version, 60)}`;
      const part = mine.length / all.length;
      const slots = slotsOf(ecs, mine, facts);
      if (variant === 'slow-shutdown' && all.some((task) => task.kind !== 'slow-shutdown')) {
        // Whoever crashes is replaced, and replaced tasks may be slow to leave: then that is not the trouble.
        return neutral(observed, { slots });
      }
      if (part < 0.2) return neutral(observed, { slots });
      const headline = `${plural(mine.length, 'task')} stopped: ${shortReason(last)}`;
      // Rare kinds are as certain as frequent ones once ECS says so.
      const settled = spec.prior < 0.05 ? 6 : 5;
      return supports(part >= 0.5 ? settled : 3, observed, { headline, slots });
    },
  });
}

/** `OutOfMemoryError: Container killed due to memory usage (app, exit code 137)`. */
export function reasonText(task: StoppedTask): string {
  const container = blamed(task);
  const code =
    container?.exitCode == null
      ? ''
      : ` (${safeName(container.name)}, exit code ${container.exitCode}${signalText(container.exitCode)})`;
  // A task that did not start repeats its container's reason.
  const said = container?.reason;
  const own = said == null || task.reason.includes(said.slice(0, 40)) ? '' : `: ${safeName(said, 120)}`;
  return `${safeName(task.reason, 160)}${own}${code}`;
}

function blamed(task: StoppedTask) {
  return (
    task.containers.find((one) => one.reason !== null) ??
    task.containers.find((one) => one.exitCode !== null && one.exitCode !== 0) ??
    task.containers[0]
  );
}

/** 128 + the signal's number, as shells and ECS count. */
function signalText(code: number): string {
  if (code === 137) return ', SIGKILL';
  if (code === 139) return ', segmentation fault';
  return code === 143 ? ', SIGTERM' : '';
}

/** Where the exit code is that of being told to stop, and says nothing. */
const TOLD: Readonly<Partial<Record<StopKind, string>>> = {
  'health-check-failed': 'health check failed',
  'slow-shutdown': 'killed at the stop timeout',
  spot: 'Spot interruption',
  host: 'their host went away',
};

export function shortReason(task: StoppedTask): string {
  const told = TOLD[task.kind];
  if (told !== undefined) return told;
  const container = blamed(task);
  const said = container?.reason ?? task.reason;
  const name = /\b[A-Z][A-Za-z]+(?:Error|Exception)\b/.exec(said)?.[0];
  if (name !== undefined) return name;
  const code = container?.exitCode;
  return code == null || code === 0 ? safeName(task.reason, 50) : `exit code ${code}${signalText(code)}`;
}

function lifeText({ startedAt, stoppedAt }: StoppedTask): string {
  return startedAt === null ? 'never started' : `after running for ${duration((stoppedAt - startedAt) / 1000)}`;
}

/** Whether so few run that the stops explain it. */
function runningProbe(): AnyProbe {
  return probe({
    id: 'running-tasks',
    factor: 'running',
    title: 'tasks that run, of those that are wanted',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge({ running, desired, pending }) {
      const observed = `${running} of ${plural(desired, 'task')} run, ${pending} are being started`;
      if (desired === 0) return opposes(3, 'no task is wanted', { headline: 'no task is wanted' });
      if (running < desired / 2) return supports(0.7, observed);
      return running >= desired
        ? opposes(1, observed, { headline: `${running} of ${desired} tasks run` })
        : neutral(observed);
    },
  });
}

function memoryMessagesProbe(): AnyProbe {
  return probe({
    id: 'memory-messages',
    factor: 'logs',
    title: 'messages that speak of memory',
    ask: (_symptom, facts) => logsQuestion(facts, facts.on),
    judge(logs, _symptom, facts) {
      const found = logShare(logs, facts, ({ kind }) => kind === 'out-of-memory');
      if (found.top === null) return neutral('no message speaks of memory');
      return supports(0.7, `${plural(found.fitting, 'message')} of memory: ${safeName(found.top.template, 120)}`);
    },
  });
}

function targetsProbe(): AnyProbe {
  return probe({
    id: 'targets',
    factor: 'health',
    title: 'why the load balancer holds targets for unhealthy',
    ask: (_symptom, facts) => ask('alb.targets', facts, {}),
    judge({ targets, unhealthy, healthy, healthCheck, targetGroupArn }) {
      const slots = { slots: { targetGroupArn } };
      const bad = targets.find((target) => target.state === 'unhealthy');
      const check = healthCheck === null ? '' : ` (${safeName(healthCheck, 80)})`;
      const observed = `${unhealthy} of ${plural(targets.length, 'target')} unhealthy${check}`;
      if (bad === undefined) return neutral(observed, slots);
      const why = safeName(bad.description ?? bad.reason ?? 'no reason given', 120);
      return healthy === 0 ? supports(1.5, `${observed}: ${why}`, slots) : supports(0.7, `${observed}: ${why}`, slots);
    },
  });
}

function endpointProbe(): AnyProbe {
  return probe({
    id: 'health-endpoint',
    factor: 'health',
    title: 'what the health endpoint says to us',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge({ live }) {
      if (live === null) return neutral('no health endpoint is configured');
      const said = live.failure ?? `status ${live.status}`;
      const observed = `${safeName(live.endpoint, 80)} answers ${said} after ${duration(live.milliseconds / 1000)}`;
      const isFine = live.status !== null && live.status >= 200 && live.status < 300;
      return isFine ? neutral(observed) : supports(0.7, observed);
    },
  });
}
