/**
 * Why a service is out of CPU or memory, or slow for want of them: more traffic, one task, code that costs more, a leak,
 * a reservation that is too small. The same hypotheses stand behind high CPU and behind high latency, so that both name
 * one cause for one trouble.
 */

import type { Hypothesis } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes } from '../evidence.ts';
import { crashedHypotheses, noCrashProbe } from './crashed.ts';
import { notAVendorProbe } from './external-latency.ts';
import {
  busyProbe,
  ceilingProbe,
  costProbe,
  fullProbe,
  growthProbe,
  harmProbe,
  noGrowthProbe,
  sameCostProbe,
} from './load-probes.ts';
import { noSurgeProbe, proportionProbe, requestsProbe } from './request-probes.ts';
import { ecsQuestion } from './service-questions.ts';
import { subjectOf } from './service-series.ts';
import {
  busiestProbe,
  hardLimitProbe,
  leakTasksProbe,
  subsetProbe,
  taskByTaskProbe,
  tasksProbe,
} from './task-probes.ts';
import { noVersionProbe, versionProbe } from './version-probes.ts';

export { serviceLoadMitigations } from './service-load-mitigations.ts';

export function trafficSurge(prior = 0.12): Hypothesis {
  return {
    cause: 'traffic-surge',
    title: 'Traffic surge: more requests than usual, each as dear as before',
    prior,
    on: 'self',
    requires: ['requests'],
    probes: [requestsProbe(), proportionProbe(), busyProbe(), tasksProbe(0)],
    mitigations: ['scale-up', 'load-look'],
  };
}

/** `elsewhere`: one slow task must explain a p95, and not the median. */
export function hotTask(options: { readonly prior?: number; readonly elsewhere?: boolean } = {}): Hypothesis {
  return {
    // The identity under which errors on one task are known.
    cause: 'bad-task',
    variant: 'hot-task',
    title: 'One bad task: it is far busier than the others',
    prior: options.prior ?? 0.08,
    on: 'self',
    probes: [taskByTaskProbe(), busiestProbe(), ...(options.elsewhere === true ? [subsetProbe()] : [])],
    mitigations: ['load-by-task', 'stop-hot-task', 'cpu-profile', 'cpu-profile-download'],
  };
}

export function memoryLeak(prior = 0.1): Hypothesis {
  return {
    cause: 'memory-leak',
    title: 'Memory leak: memory grows steadily, whatever the traffic',
    prior,
    on: 'self',
    requires: ['memory-growth'],
    probes: [growthProbe(), noSurgeProbe(0.5, 2), leakTasksProbe()],
    mitigations: ['load-by-task', 'rolling-restart', 'heap-snapshot', 'heap-download'],
  };
}

/** Memory that tasks are killed for: the identity under which the outage that comes of it is known. */
export function killedForMemory(): Hypothesis {
  const [killed] = crashedHypotheses({ variants: ['out-of-memory'] });
  const about = probe<'ecs.service'>({
    id: 'resource',
    factor: 'resource',
    title: 'whether it is about memory',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge: (_value, symptom) =>
      subjectOf(symptom) === 'memory'
        ? neutral('it is about memory')
        : opposes(6, 'it is about CPU', { headline: 'it is about CPU' }),
  });
  return { ...killed!, probes: [...killed!.probes, about, noGrowthProbe(1.5)] };
}

/**
 * `rollback`: ids of the mitigations that take a deployment back, where the detector has them. `elsewhere`: it must
 * explain another symptom than CPU.
 */
export function lessEfficientCode(
  rollback: readonly string[] = [],
  options: { readonly prior?: number; readonly elsewhere?: boolean } = {},
): Hypothesis {
  const { prior = 0.1, elsewhere = false } = options;
  return {
    cause: 'less-efficient-code',
    title: 'Less efficient code: a request costs more CPU since a new version',
    prior,
    on: 'self',
    requires: ['cpu-per-request'],
    // Dear requests are late only where the CPU for them is used up.
    probes: [costProbe(), versionProbe(), tasksProbe(-2.5), ...(elsewhere ? [fullProbe('cpu', 0.1)] : [])],
    mitigations: [...rollback, 'scale-up', 'cpu-profile', 'cpu-profile-download'],
  };
}

/** Where CPU is the symptom: it stands at the reservation, and would take more. */
export function cpuThrottled(prior = 0.06): Hypothesis {
  return {
    cause: 'service-saturated',
    variant: 'cpu-throttled',
    title: 'Service saturated: CPU stands at its reservation, and work waits for it',
    prior,
    on: 'self',
    requires: ['ceiling'],
    probes: [ceilingProbe(), hardLimitProbe(), harmProbe()],
    mitigations: ['scale-up', 'load-look', 'cpu-profile', 'cpu-profile-download'],
  };
}

/** Where latency is the symptom: CPU or memory is used up, and neither traffic nor a new version nor a leak tells why. */
export function serviceSaturatedHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'service-saturated',
      variant: 'cpu',
      title: 'Service saturated: its tasks have no CPU left',
      prior: 0.12,
      on: 'self',
      requires: ['cpu'],
      probes: [fullProbe('cpu', 3.3), noSurgeProbe(0.5, 3.2), noVersionProbe(), tasksProbe(1.5), noCrashProbe(5)],
      mitigations: ['scale-up', 'load-look', 'cpu-profile', 'cpu-profile-download'],
    },
    {
      cause: 'service-saturated',
      variant: 'memory',
      title: 'Service saturated: its tasks have no memory left',
      prior: 0.08,
      on: 'self',
      requires: ['memory'],
      probes: [
        fullProbe('memory', 3.5),
        noSurgeProbe(0.5, 3.2),
        noVersionProbe(),
        noGrowthProbe(),
        leakTasksProbe(),
        noCrashProbe(5),
      ],
      mitigations: ['load-by-task', 'rolling-restart', 'heap-snapshot', 'heap-download'],
    },
  ];
}

/**
 * A deployment near the onset looks guilty of everything. What it did not bring: more requests, a vendor that is slow, a
 * request that costs as much CPU as before where CPU is the symptom.
 */
export function withLoadDoubts(
  deployments: readonly Hypothesis[],
  options: { readonly cost?: boolean } = {},
): readonly Hypothesis[] {
  const doubts = [noSurgeProbe(0, 2.7), notAVendorProbe(3), ...(options.cost === true ? [sameCostProbe(2.7)] : [])];
  return deployments.map((one) => ({ ...one, probes: [...one.probes, ...doubts] }));
}
