/**
 * Why a service is out of CPU or memory, or slow for want of them: more traffic, one task, code that costs more, a leak,
 * a reservation that is too small. The same hypotheses stand behind high CPU and behind high latency, so that both name
 * one cause for one trouble.
 */

import type { Hypothesis } from '../detector.ts';
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

/** `rollback`: ids of the mitigations that take a deployment back, where the detector has them. */
export function lessEfficientCode(rollback: readonly string[] = [], prior = 0.1): Hypothesis {
  return {
    cause: 'less-efficient-code',
    title: 'Less efficient code: a request costs more CPU since a new version',
    prior,
    on: 'self',
    requires: ['cpu-per-request'],
    probes: [costProbe(), versionProbe(), tasksProbe(-2.5)],
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
      probes: [fullProbe('cpu', 3.3), noSurgeProbe(0.5, 3.2), noVersionProbe(), tasksProbe(1.5)],
      mitigations: ['scale-up', 'load-look', 'cpu-profile', 'cpu-profile-download'],
    },
    {
      cause: 'service-saturated',
      variant: 'memory',
      title: 'Service saturated: its tasks have no memory left',
      prior: 0.08,
      on: 'self',
      requires: ['memory'],
      probes: [fullProbe('memory', 3.5), noSurgeProbe(0.5, 3.2), noVersionProbe(), noGrowthProbe(), leakTasksProbe()],
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
