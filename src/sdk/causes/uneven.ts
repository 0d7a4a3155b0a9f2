/** Trouble that is not spread evenly: one task, one availability zone, one endpoint has it and the others are well. */

import type { EcsServiceAnswer, LogKind } from '../../model/index.ts';
import type { AnyProbe, Hypothesis } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, percent, plural, safeName } from '../format.ts';
import {
  changesQuestion,
  ecsQuestion,
  FEW_MESSAGES,
  isServerError,
  logShare,
  logsQuestion,
  partsBy,
  rateOf,
  rateText,
  seriesQuestion,
} from './service-questions.ts';

export { unevenMitigations } from './uneven-mitigations.ts';

export type UnevenVariant = 'bad-task' | 'bad-zone' | 'bad-endpoint';

export interface UnevenOptions {
  readonly variants?: readonly UnevenVariant[];
  /** What is looked at by task: error messages, or a signal of tasks as `task_cpu` (label `task`, a ratio). */
  readonly by?: 'errors' | 'task_cpu' | 'task_memory';
  readonly prior?: number;
}

/** Fewer errors cannot be told apart by where they are. */
const FEW_ERRORS = 10;

/** Each is a cause of its own; spread `unevenMitigations` into the detector's mitigations beside them. */
export function unevenHypotheses(options: UnevenOptions = {}): readonly Hypothesis[] {
  const { variants = ['bad-task', 'bad-zone', 'bad-endpoint'], by = 'errors', prior = 0.045 } = options;
  const all: Readonly<Record<UnevenVariant, Hypothesis>> = {
    'bad-task': {
      cause: 'bad-task',
      title: 'One bad task: it has the trouble, the others of its version are well',
      prior,
      on: 'self',
      requires: ['by-task'],
      probes: [by === 'errors' ? errorsByTaskProbe() : gaugeByTaskProbe(by), taskHealthProbe()],
      mitigations: ['look-at-task', 'stop-task'],
    },
    'bad-zone': {
      cause: 'bad-zone',
      title: 'One bad availability zone: its requests fail, those of the others do not',
      prior: prior / 2,
      on: 'self',
      requires: ['by-zone'],
      probes: [errorsByZoneProbe(), tasksByZoneProbe(), targetsByZoneProbe()],
      mitigations: ['target-health', 'list-tasks'],
    },
    'bad-endpoint': {
      cause: 'bad-endpoint',
      title: 'One endpoint fails and the others do not: its own code, or the data that it works on',
      prior,
      on: 'self',
      requires: ['by-endpoint'],
      probes: [errorsByEndpointProbe(), noDeploymentProbe(), ownMessagesProbe()],
      mitigations: ['errors-by-endpoint', 'error-logs'],
    },
  };
  return variants.map((variant) => all[variant]);
}

/** The share that one of `n` must have to stand out: far more than its part, and more than half. */
function standsOut(n: number): number {
  return Math.max(0.5, Math.min(0.9, 2.5 / n));
}

function errorsByTaskProbe(): AnyProbe {
  return probe({
    id: 'by-task',
    factor: 'tasks',
    title: 'error messages by task',
    ask: (_symptom, facts) => logsQuestion(facts, facts.on),
    also: (_symptom, facts) => [ecsQuestion(facts)],
    judge(logs, _symptom, facts, answered) {
      const ecs = answered(ecsQuestion(facts));
      const running = ecs?.tasks.filter((task) => task.status === 'RUNNING') ?? [];
      const counts = Object.entries(logs.byTask).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
      const all = counts.reduce((sum, [, n]) => sum + n, 0);
      const tasks = Math.max(running.length, counts.length);
      const [top] = counts;
      if (top === undefined || all < FEW_ERRORS) return neutral(`${plural(all, 'error message')} by task`);
      if (tasks < 2) return opposes(2, 'there is only one task', { headline: 'only one task' });
      const part = top[1] / all;
      const observed = `${percent(part)} of ${plural(all, 'error message')} are on task ${shortId(top[0])}, one of ${tasks}`;
      const headline = `at most ${percent(part)} of the errors on one of ${tasks} tasks`;
      if (part < standsOut(tasks))
        return part < Math.min(0.8, 1.8 / tasks) ? opposes(4.5, observed, { headline }) : neutral(observed);
      const second = counts[1]?.[1] ?? 0;
      if (second > top[1] / 3) {
        return opposes(3.5, `${observed}, but another has ${percent(second / all)}`, {
          headline: 'not on one task only',
        });
      }
      const version = running.find((task) => task.id === top[0])?.version;
      const siblings = running.filter((task) => task.version === version && task.id !== top[0]);
      if (version !== undefined && siblings.length === 0) {
        return opposes(3, `${observed}, but the only one of ${safeName(version, 60)}`, {
          headline: `the only task of ${safeName(version, 60)}`,
        });
      }
      const others =
        version === undefined
          ? ''
          : `; ${plural(siblings.length, 'other task')} of ${safeName(version, 60)} ${siblings.length === 1 ? 'is' : 'are'} well`;
      return supports(5, observed + others, {
        headline: `${percent(part)} of the errors on task ${shortId(top[0])}`,
        ...(version === undefined ? {} : { slots: { task: top[0] } }),
      });
    },
  });
}

const shortId = (id: string): string => safeName(id, 13);

/** A gauge by task: the busiest beside the median of the others. */
function gaugeByTaskProbe(signal: 'task_cpu' | 'task_memory'): AnyProbe {
  const what = signal === 'task_cpu' ? 'CPU' : 'memory';
  return probe({
    id: 'by-task',
    factor: 'tasks',
    title: `${what} by task`,
    ask: (_symptom, facts) => seriesQuestion(facts, signal),
    also: (_symptom, facts) => [ecsQuestion(facts)],
    judge({ points }, _symptom, facts, answered) {
      const latest = new Map(
        points.toSorted((a, b) => a.at - b.at).map((point) => [point.labels['task'] ?? '', point.value]),
      );
      const sorted = [...latest].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
      const [top, ...rest] = sorted;
      if (top === undefined || rest.length === 0) return neutral(`${what} of fewer than two tasks is known`);
      const median = rest[Math.floor(rest.length / 2)]![1];
      const observed = `${what} of task ${shortId(top[0])} is ${percent(top[1])}, of the other ${rest.length} ${percent(median)} in the middle`;
      if (top[1] - median < 0.2)
        return opposes(4.5, observed, { headline: `${what} is even over ${sorted.length} tasks` });
      if (top[1] < 0.8 || median > 0.6) return neutral(observed);
      const known = answered(ecsQuestion(facts))?.tasks.some((task) => task.id === top[0]) ?? false;
      return supports(5, observed, {
        headline: `${what} ${percent(top[1])} on task ${shortId(top[0])}, ${percent(median)} on the others`,
        ...(known ? { slots: { task: top[0] } } : {}),
      });
    },
  });
}

function taskHealthProbe(): AnyProbe {
  return probe({
    id: 'task-health',
    factor: 'health',
    title: 'health of the tasks as ECS sees it',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge({ tasks }) {
      const bad = tasks.filter((task) => task.health === 'unhealthy');
      const observed = `${bad.length} of ${plural(tasks.length, 'task')} ${bad.length === 1 ? 'is' : 'are'} unhealthy for ECS`;
      return bad.length === 1 && tasks.length > 1 ? supports(1, observed) : neutral(observed);
    },
  });
}

function errorsByZoneProbe(): AnyProbe {
  return probe({
    id: 'by-zone',
    factor: 'zones',
    title: 'errors by availability zone',
    ask: (_symptom, facts) => seriesQuestion(facts, 'zone_errors'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'zone_requests')],
    judge(errors, _symptom, facts, answered) {
      const requests = answered(seriesQuestion(facts, 'zone_requests'));
      const parts = requests === null ? [] : partsBy('zone', errors.points, requests.points, facts);
      const [top, ...rest] = parts;
      const all = parts.reduce((sum, one) => sum + one.errors, 0);
      if (top === undefined || all < FEW_ERRORS) return neutral(`${plural(all, 'error')} by zone`);
      if (rest.length === 0) return opposes(2, 'there is only one zone', { headline: 'only one zone' });
      const zone = safeName(top.name);
      const observed = `${zone} has ${percent(top.errorShare)} of the errors and ${percent(top.trafficShare)} of the traffic; ${rateText(rateOf([top]))} of its requests fail, ${rateText(rateOf(rest))} elsewhere`;
      const headline = `${percent(top.errorShare)} of the errors in ${zone}`;
      if (rateOf([top]) >= rateOf(rest) * 5 && top.errorShare >= 0.7) return supports(5.5, observed, { headline });
      return rateOf([top]) < rateOf(rest) * 2
        ? opposes(4.5, observed, { headline: `at most ${headline}` })
        : neutral(observed);
    },
  });
}

/** A zone with one bad task in it looks like a bad zone. */
function tasksByZoneProbe(): AnyProbe {
  return probe({
    id: 'tasks-by-zone',
    factor: 'tasks',
    title: 'error messages by the zone of their task',
    ask: (_symptom, facts) => logsQuestion(facts, facts.on),
    also: (_symptom, facts) => [ecsQuestion(facts)],
    judge(logs, _symptom, facts, answered) {
      const ecs = answered(ecsQuestion(facts));
      const zones = ecs === null ? [] : errorsByZone(ecs, logs.byTask);
      const all = zones.reduce((sum, one) => sum + one.errors, 0);
      const [top] = zones;
      if (top === undefined || all < FEW_ERRORS || zones.length < 2)
        return neutral('error messages cannot be told by zone');
      const name = safeName(top.zone);
      const observed = `${percent(top.errors / all)} of the error messages are on tasks in ${name}, ${top.withErrors} of its ${plural(top.tasks, 'task')} ${top.withErrors === 1 ? 'has' : 'have'} them`;
      if (top.errors / all < 0.7) return opposes(2, observed, { headline: `errors in ${zones.length} zones` });
      if (top.withErrors >= 2 && top.withErrors * 2 > top.tasks) return supports(1.5, observed);
      return top.tasks >= 2 ? opposes(3.5, observed, { headline: 'one task of the zone only' }) : neutral(observed);
    },
  });
}

function errorsByZone(ecs: EcsServiceAnswer, byTask: Readonly<Record<string, number>>) {
  const zones = Map.groupBy(
    ecs.tasks.filter((task) => task.zone !== null),
    (task) => task.zone!,
  );
  return [...zones]
    .map(([zone, tasks]) => ({
      zone,
      tasks: tasks.length,
      errors: tasks.reduce((sum, task) => sum + (byTask[task.id] ?? 0), 0),
      withErrors: tasks.filter((task) => (byTask[task.id] ?? 0) > 0).length,
    }))
    .sort((a, b) => b.errors - a.errors || (a.zone < b.zone ? -1 : 1));
}

function targetsByZoneProbe(): AnyProbe {
  return probe({
    id: 'targets-by-zone',
    factor: 'targets',
    title: 'unhealthy targets of the load balancer by zone',
    ask: (_symptom, facts) => ask('alb.targets', facts, {}),
    judge({ targets, targetGroupArn }) {
      const slots = { slots: { targetGroupArn } };
      const bad = targets.filter((target) => target.state === 'unhealthy');
      const zones = new Set(bad.map((target) => target.zone));
      const observed = `${bad.length} of ${plural(targets.length, 'target')} unhealthy`;
      if (bad.length === 0 || zones.size !== 1 || bad[0]!.zone === null) return neutral(observed, slots);
      if (targets.every((target) => target.zone === bad[0]!.zone)) return neutral(observed, slots);
      return supports(1, `${observed}, all in ${safeName(bad[0]!.zone)}`, slots);
    },
  });
}

function errorsByEndpointProbe(): AnyProbe {
  return probe({
    id: 'by-endpoint',
    factor: 'endpoints',
    title: 'errors by endpoint',
    ask: (_symptom, facts) => seriesQuestion(facts, 'endpoint_requests'),
    judge({ points }, _symptom, facts) {
      const errors = points.filter((point) => isServerError(point.labels['status']));
      const parts = partsBy('endpoint', errors, points, facts);
      const all = parts.reduce((sum, one) => sum + one.errors, 0);
      const [top, ...rest] = parts;
      if (top === undefined || all < FEW_ERRORS) return neutral(`${plural(all, 'error')} by endpoint`);
      if (rest.length === 0) return opposes(2, 'there is only one endpoint', { headline: 'only one endpoint' });
      const endpoint = safeName(top.name, 60);
      const observed = `${endpoint} has ${percent(top.errorShare)} of the errors and ${percent(top.trafficShare)} of the traffic; ${rateText(rateOf([top]))} of its requests fail, ${rateText(rateOf(rest))} of the others`;
      const headline = `${percent(top.errorShare)} of the errors on ${endpoint}`;
      if (top.errorShare >= 0.8 && top.trafficShare <= 0.5) return supports(5, observed, { headline });
      return top.errorShare < 0.5 || top.errorShare < top.trafficShare * 1.3
        ? opposes(4, observed, { headline: `at most ${headline}` })
        : neutral(observed);
    },
  });
}

/** A bug that came with a version is on one endpoint as a rule: then the version is the cause. */
function noDeploymentProbe(): AnyProbe {
  return probe({
    id: 'no-deployment',
    factor: 'deployment',
    title: 'whether a deployment explains it better',
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, _symptom, facts) {
      const near = changes.findLast(
        ({ kind, target, at }) =>
          kind === 'deployment' &&
          target === facts.on.name &&
          at.earliest <= facts.onset.latest &&
          facts.onset.latest - at.latest <= 30 * 60_000,
      );
      if (near === undefined) return neutral('no deployment in the 30 min before');
      const observed = `${safeName(near.summary, 120)} at ${clockTime(near.at.latest)} explains it better`;
      return opposes(3.5, observed, { headline: `deployed at ${clockTime(near.at.latest)}` });
    },
  });
}

const OWN: readonly LogKind[] = ['exception', 'other', 'authentication', 'out-of-memory'];

function ownMessagesProbe(): AnyProbe {
  return probe({
    id: 'own-messages',
    factor: 'logs',
    title: 'whether the error messages are about the service itself',
    ask: (_symptom, facts) => logsQuestion(facts, facts.on),
    judge(logs, _symptom, facts) {
      const own = logShare(logs, facts, ({ kind, host }) => OWN.includes(kind) && host === null);
      if (own.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${own.fitting} of ${own.all} additional error messages are about the service itself`;
      if (own.share >= 0.7 && own.top !== null) return supports(0.7, `${observed}: ${safeName(own.top.template, 120)}`);
      return own.share < 0.3
        ? opposes(3.5, observed, { headline: 'the messages are about others' })
        : neutral(observed);
    },
  });
}
