/** Probes of a service's tasks: how many, which of them is busy, what they run on. Put together in `service-load.ts`. */

import type { EcsServiceAnswer, Judged, SlotValues, Symptom } from '../../model/index.ts';
import type { Answered, AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, duration, percent, plural, safeName } from '../format.ts';
import { restartSlots } from './healthy-version.ts';
import { ecsQuestion, seriesQuestion } from './service-questions.ts';
import {
  isUp,
  type Level,
  levelsOf,
  median,
  overLevel,
  overLevels,
  RESOURCE_NAMES,
  riseOf,
  subjectOf,
} from './service-series.ts';

/** A task stands out from this share on, and by this much from the median of the others. */
const HOT = 0.8;
const HOTTER_BY = 0.25;
const HOTTER_TIMES = 1.6;
/** CPU of what is reserved that scaling aims at: room for a burst and for the loss of a task. */
const AIM = 0.6;
const MOST_TIMES = 2;

/**
 * How many tasks to run: enough that the load falls to 60 %, at most twice as many. Null when no more are needed.
 */
export function tasksFor(present: number, load: number): number | null {
  if (present <= 0) return null;
  const wanted = Math.min(MOST_TIMES * present, Math.ceil((present * load) / AIM));
  return wanted > present ? wanted : null;
}

const utcTime = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;

const LOADS = ['cpu', 'memory', 'requests'] as const;

function scaleSlots(ecs: EcsServiceAnswer, symptom: Symptom, facts: Facts, answered: Answered): SlotValues {
  const { desired } = ecs;
  const levelOf = (signal: string): Level | null =>
    levelsOf(answered(seriesQuestion(facts, signal))?.points ?? [], facts)[0] ?? null;
  const taken = levelOf(subjectOf(symptom) ?? 'cpu')?.now ?? 0;
  // More requests on tasks with room (a pool inside them is full, say) still want as many more tasks.
  const requests = levelOf('requests');
  const surge = requests !== null && isUp(requests, 1.3) ? AIM * (riseOf(requests) ?? 1) : 0;
  const count = tasksFor(desired, taken) ?? tasksFor(desired, surge);
  return {
    fromTime: utcTime(facts.onset.earliest - 30 * 60_000),
    toTime: utcTime(facts.now),
    ...(count === null ? {} : { presentCount: desired, desiredCount: count }),
    ...restartSlots(ecs),
  };
}

type ServiceJudge = (value: EcsServiceAnswer, facts: Facts, slots: SlotValues, symptom: Symptom) => Judged;

/** A probe over the service in ECS; its evidence carries the values that the commands for scaling need. */
function overService(id: string, factor: string, title: string, judge: ServiceJudge): AnyProbe {
  return probe<'ecs.service'>({
    id,
    factor,
    title,
    ask: (_symptom, facts) => ecsQuestion(facts, facts.target),
    also: (_symptom, facts) => LOADS.map((signal) => seriesQuestion(facts, signal)),
    judge: (value, symptom, facts, answered) =>
      judge(value, facts, scaleSlots(value, symptom, facts, answered), symptom),
  });
}

/** Fewer tasks than before do the same work with more load each. `ifFewer` may be negative, or 0 for the values only. */
export function tasksProbe(ifFewer: number): AnyProbe {
  return overService('tasks', 'tasks', 'how many tasks run, against before', (value, facts, slots) => {
    const earlier = value.history.filter((one) => one.at <= facts.onset.earliest).map((one) => one.running);
    const before = earlier.length === 0 ? null : median(earlier);
    const text = `${value.running} of ${plural(value.desired, 'wanted task')} run`;
    if (before === null || before - value.running < 1 || value.running > 0.8 * before)
      return neutral(before === null ? text : `${text}, before ${before}`, { slots });
    const fewer = `${plural(value.running, 'task')} run, before it began ${before}`;
    if (ifFewer === 0) return neutral(fewer, { slots });
    return ifFewer > 0
      ? supports(ifFewer, fewer, { slots, headline: `with ${value.running} tasks instead of ${before}` })
      : opposes(ifFewer, `${fewer}, which explains it`, { slots, headline: fewer });
  });
}

const shortTask = (id: string): string => safeName(id.slice(0, 8));

/** Each task beside the others: needs Container Insights with enhanced observability. */
export function taskByTaskProbe(): AnyProbe {
  return overLevels(
    {
      id: 'task-by-task',
      factor: 'spread',
      title: 'CPU or memory of each task',
      signal: (symptom) => (subjectOf(symptom) === 'memory' ? 'task_memory' : 'task_cpu'),
      questions: (facts) => [ecsQuestion(facts, facts.target)],
    },
    (levels, symptom, facts, _other, answered) => {
      const name = RESOURCE_NAMES[subjectOf(symptom) ?? 'cpu'];
      const newest = Math.max(...levels.map((level) => level.points.at(-1)?.at ?? 0));
      const alive = levels.filter((level) => newest - (level.points.at(-1)?.at ?? 0) <= 3 * level.periodMs);
      const [top, ...rest] = [...alive].sort((a, b) => b.now - a.now);
      const id = top?.labels['task'];
      if (top === undefined || rest.length === 0 || id === undefined) return neutral('there is only one task');
      const others = median(rest.map((level) => level.now));
      const text = `task ${shortTask(id)} is at ${percent(top.now)} ${name}, the ${rest.length === 1 ? 'other' : `other ${rest.length}`} at ${percent(others)}`;
      if (top.now >= HOT && top.now - others >= HOTTER_BY && top.now >= HOTTER_TIMES * others) {
        // Only a task that ECS knows is one to stop.
        const runs = answered(ecsQuestion(facts, facts.target))?.tasks.some((task) => task.id === id) ?? false;
        return supports(4.2, text, {
          headline: `task ${shortTask(id)} at ${percent(top.now)} ${name}, the others at ${percent(others)}`,
          ...(runs ? { slots: { task: id } } : {}),
        });
      }
      return top.now - others <= 0.15
        ? opposes(4, text, { headline: `all tasks at ${percent(rest.at(-1)!.now)} or more` })
        : neutral(text);
    },
  );
}

/** The busiest task beside the mean of all: what CloudWatch knows without Container Insights, but not which task. */
export function busiestProbe(): AnyProbe {
  return overLevel(
    {
      id: 'busiest-task',
      factor: 'spread',
      title: 'the busiest task beside the mean of all',
      signal: (symptom) => (subjectOf(symptom) === 'memory' ? 'memory_max' : 'cpu_max'),
      also: ['cpu', 'memory'],
    },
    (level, symptom, _facts, other) => {
      const name = RESOURCE_NAMES[subjectOf(symptom) ?? 'cpu'];
      const mean = other(subjectOf(symptom) ?? 'cpu')?.now;
      if (mean === undefined) return neutral(`the mean ${name} is not known`);
      const text = `the busiest task is at ${percent(level.now)} ${name}, the mean of all at ${percent(mean)}`;
      const apart = level.now - mean;
      if (level.now >= HOT && apart >= HOTTER_BY && level.now >= 1.4 * mean)
        return supports(3.4, text, {
          headline: `one task at ${percent(level.now)} ${name}, the mean at ${percent(mean)}`,
        });
      return apart <= 0.15
        ? opposes(3.8, text, { headline: `busiest task ${percent(level.now)}, mean ${percent(mean)}` })
        : neutral(text);
    },
  );
}

/** One slow task of many makes a part of the requests slow: p95 rises, the median does not. */
export function subsetProbe(): AnyProbe {
  return overLevel(
    { id: 'p50', factor: 'subset', title: 'p50 beside its band', signal: 'latency_p50' },
    (level: Level) => {
      const up = riseOf(level);
      if (up === null) return neutral('p50 before is not known');
      if (isUp(level, 1.25)) return opposes(1, `p50 rose as well, to ${level.now.toPrecision(2)} s`);
      return up <= 1.15
        ? supports(0.7, 'p50 is as before: a part of the requests is slow')
        : neutral('p50 rose a little');
    },
  );
}

/** Fargate gives a task no more CPU than it reserves; on instances it may take what is free. */
export function hardLimitProbe(): AnyProbe {
  return overService('launch-type', 'launch-type', 'what the tasks run on', (value, _facts, slots) => {
    const units = value.taskCpuUnits === null ? '' : `, ${value.taskCpuUnits / 1024} vCPU a task`;
    if (/fargate/i.test(value.launchType))
      return supports(0.7, `${safeName(value.launchType)}${units}: a task gets no more than that`, { slots });
    return neutral(`${safeName(value.launchType)}${units}: a task may take what its instance has free`, { slots });
  });
}

/** A leak begins anew with each task, and ends in tasks that the kernel kills. */
export function leakTasksProbe(): AnyProbe {
  return overService(
    'task-age',
    'tasks',
    'when its tasks started, and whether any ran out of memory',
    (value, facts, slots) => {
      const killed = value.stopped.filter((one) => one.kind === 'out-of-memory');
      if (killed.length > 0)
        return supports(
          1.2,
          `${plural(killed.length, 'task')} stopped with OutOfMemoryError, the last at ${clockTime(killed[0]!.stoppedAt)}`,
          { slots },
        );
      const started = value.tasks.flatMap((one) => one.startedAt ?? []);
      if (started.length === 0) return neutral('when its tasks started is not known', { slots });
      const oldest = duration(Math.max(0, facts.now - Math.min(...started)) / 1000);
      return neutral(`the oldest task started ${oldest} ago, all run ${safeName(value.version)}`, { slots });
    },
  );
}
