/** Probes of a service's CPU and memory, and of what a request costs. Put together in `service-load.ts`. */

import type { AnyProbe } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { clockTime, duration, percent, times } from '../format.ts';
import { forecastText, memoryGrowth, paceText, secondsToLimit } from './memory-growth.ts';
import {
  isAfterOnset,
  isUp,
  overLevel,
  RESOURCE_NAMES,
  type Resource,
  riseOf,
  riseOfOther,
  roseAt,
  subjectOf,
} from './service-series.ts';

/** Share of what is reserved from which on work has to wait for it, and below which it does not. */
const FULL = { cpu: 0.8, memory: 0.9 } as const;
const ROOM = { cpu: 0.7, memory: 0.8 } as const;
/** At its reservation: CloudWatch's minute means rarely read exactly 100 %. */
const CEILING = 0.97;
const MORE_COST = 1.4;
const SAME_COST = 1.15;
const HOUR_MS = 3_600_000;

/** Used up, and more than it was. A service that always runs hot is not slow for it today. */
export function fullProbe(resource: Resource, weight: number): AnyProbe {
  const name = RESOURCE_NAMES[resource];
  return overLevel(
    { id: resource, factor: 'saturation', title: `${name} of what is reserved, beside its band`, signal: resource },
    (level, _symptom, facts) => {
      const before = level.before === null ? '' : ` (baseline ${percent(level.before)})`;
      const text = `${name} is at ${percent(level.now)} of what is reserved${before}`;
      const up = riseOf(level) ?? Number.POSITIVE_INFINITY;
      if (level.now < ROOM[resource]) return opposes(4, text, { headline: `${name} ${percent(level.now)}` });
      if (level.now < FULL[resource]) return neutral(text);
      if (up < 1.1 || (level.upper !== null && level.now <= level.upper))
        return opposes(1.5, `${text}: as ever`, { headline: `${name} ${percent(level.now)}, as ever` });
      const began = roseAt(level, 1.1);
      if (began !== null && isAfterOnset(began, facts, level.periodMs))
        return opposes(1, `${text}, but only from ${clockTime(began)} on, after it began`, {
          headline: `${name} rose only after it began`,
        });
      return supports(weight, text, { headline: `with ${name} at ${percent(level.now)} of what is reserved` });
    },
  );
}

/** For a surge that slows a service down: whether the service itself is busy. */
export function busyProbe(): AnyProbe {
  return overLevel({ id: 'cpu', factor: 'load', title: 'CPU of what is reserved', signal: 'cpu' }, (level) => {
    const text = `CPU is at ${percent(level.now)} of what is reserved`;
    return level.now >= ROOM.cpu ? supports(0.7, text) : neutral(text);
  });
}

/** CPU for a request against before. Tasks share the work alike, so that fewer of them are told by the tasks' probe. */
export function costProbe(): AnyProbe {
  return overLevel(
    {
      id: 'cpu-per-request',
      factor: 'cost',
      title: 'CPU for a request, against before',
      signal: 'cpu',
      also: ['requests'],
    },
    (level, symptom, _facts, other) => {
      if (subjectOf(symptom) === 'memory') return opposes(4, 'it is about memory', { headline: 'it is about memory' });
      const requests = riseOfOther(other, 'requests');
      const cpu = riseOf(level);
      if (requests === null)
        return unknown('no_data', 'CPU for a request: requests of the service, or their band, are not known');
      if (cpu === null) return neutral('CPU before is not known');
      const cost = cpu / requests;
      const text = `a request costs ${times(cost)} the CPU of before (CPU ${times(cpu)}, requests ${times(requests)})`;
      if (cost <= SAME_COST) return opposes(4, text, { headline: `${times(cost)} the CPU for a request` });
      // With hardly any requests the idle load alone makes each of them dear.
      if (cost < MORE_COST || requests < 0.5) return neutral(text);
      return supports(cost >= 1.8 ? 4 : 3.6, text, { headline: `a request costs ${times(cost)} the CPU` });
    },
  );
}

/** Flat at the ceiling: it would take more if it could. */
export function ceilingProbe(): AnyProbe {
  return overLevel(
    { id: 'ceiling', factor: 'ceiling', title: 'CPU at its reservation, without moving', signal: 'cpu' },
    ({ points }, symptom) => {
      if (subjectOf(symptom) === 'memory') return opposes(4, 'it is about memory', { headline: 'it is about memory' });
      const last = points.slice(-5).map((one) => one.value);
      const [least, most] = [Math.min(...last), Math.max(...last)];
      const text = `CPU was between ${percent(least)} and ${percent(most)} of what is reserved in the last ${last.length} samples`;
      if (most < 0.95) return opposes(4.5, text, { headline: `CPU at most ${percent(most)}` });
      if (least < CEILING || most - least > 0.05) return neutral(text);
      return supports(3.5, text, { headline: `CPU flat at ${percent(Math.min(1, least))} of its reservation` });
    },
  );
}

/** Whether anybody feels it. */
export function harmProbe(): AnyProbe {
  return overLevel({ id: 'latency', factor: 'harm', title: 'p95 beside its band', signal: 'latency_p95' }, (level) => {
    const up = riseOf(level);
    if (up === null) return neutral('p95 before is not known');
    const text = `p95 is ${times(up)} what it was`;
    if (isUp(level, 1.25)) return supports(1.2, text);
    return up <= 1.1 ? opposes(1.5, text, { headline: `p95 ${times(up)}` }) : neutral(text);
  });
}

/** Steady growth, over the hour that is kept. `elsewhere`: it must be nearly full to explain another symptom. */
export function growthProbe(): AnyProbe {
  return overLevel(
    {
      id: 'memory-growth',
      factor: 'growth',
      title: 'growth of memory over the last hour',
      signal: 'memory',
      lookbackMs: HOUR_MS,
    },
    ({ points, now }, symptom) => {
      if (subjectOf(symptom) !== 'memory' && now < 0.85)
        return opposes(4, `memory is at ${percent(now)}`, { headline: `memory ${percent(now)}` });
      const growth = memoryGrowth(points);
      if (growth === null) return neutral('less than ten minutes of memory are known');
      const newest = points.at(-1)!.value;
      const text = `memory went from ${percent(growth.from)} to ${percent(newest)} in ${duration(growth.seconds)}`;
      const left = secondsToLimit(growth, newest);
      if (left !== null)
        return supports(3.5, `${text}, steadily, ${paceText(growth.perSecond)}: full in ${forecastText(left)}`, {
          headline: `${subjectOf(symptom) === 'memory' ? '' : 'memory '}growing steadily, ${paceText(growth.perSecond)}`,
        });
      const flat = growth.to - growth.from < 0.02;
      return opposes(flat ? 4 : 2, flat ? text : `${text}, but not steadily`, {
        headline: flat ? `memory flat at ${percent(growth.to)}` : 'memory does not grow steadily',
      });
    },
  );
}

/** A leak seen within the hour also explains memory that is nearly full. */
export function noGrowthProbe(weight = 3): AnyProbe {
  return overLevel(
    {
      id: 'memory-growth',
      factor: 'growth',
      title: 'growth of memory over the last hour',
      signal: 'memory',
      lookbackMs: HOUR_MS,
    },
    ({ points }) => {
      const growth = memoryGrowth(points);
      if (growth === null || !growth.steady) return neutral('memory does not grow steadily');
      const text = `memory grows steadily, ${paceText(growth.perSecond)}, which explains more`;
      return opposes(weight, text, { headline: 'memory grows steadily, as a leak does' });
    },
  );
}
/** For a new version as the cause: a request that costs as much CPU as before is none of its doing. */
export function sameCostProbe(weight: number): AnyProbe {
  return overLevel(
    {
      id: 'cpu-per-request',
      factor: 'cost',
      title: 'CPU for a request, against before',
      signal: 'cpu',
      also: ['requests'],
    },
    (level, symptom, _facts, other) => {
      const requests = riseOfOther(other, 'requests');
      const cpu = riseOf(level);
      if (subjectOf(symptom) === 'memory' || requests === null || cpu === null)
        return neutral('CPU for a request, now and before, is not known');
      const text = `a request costs ${times(cpu / requests)} the CPU of before`;
      if (cpu / requests <= SAME_COST) return opposes(weight, text, { headline: text });
      return cpu / requests >= MORE_COST && requests >= 0.5 ? supports(0.8, text) : neutral(text);
    },
  );
}
