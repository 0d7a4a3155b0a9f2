/** AWS/ApplicationELB: metric names, dimensions and reporting criteria of the ALB user guide, "CloudWatch metrics". */

import type { Fleet } from './fleet.ts';
import { REGION } from './fleet.ts';
import { counted, type Dimensions, latencyStats, type Metric, type MetricName, type Stats } from './metric.ts';
import { hashText, split } from './random.ts';
import { zoneIndex } from './service-facts.ts';
import type { ServiceModel, Slot } from './service-model.ts';
import { ZONES } from './types.ts';

const NAMESPACE = 'AWS/ApplicationELB';

interface Rule {
  readonly unit: string;
  /** Dimensions beside LoadBalancer that it comes with. */
  readonly targetGroup: boolean;
  readonly zone: boolean;
  count?(slot: Slot, zone: number | null, model: ServiceModel): number;
  hosts?(slot: Slot): { readonly min: number; readonly max: number } | null;
  latency?: true;
}

const zoned = (value: number, slot: Slot, zone: number | null, model: ServiceModel, channel: number): number =>
  zone === null ? value : split(value, slot.zones, model.seed, slot.start + channel)[zone]!;

/** Errors of a zone: those that a fault binds to it, and its part of the others. */
export function errorsIn(slot: Slot, zone: number | null, model: ServiceModel): number {
  if (zone === null) return slot.errors;
  let sum = 0;
  slot.parts.forEach((part, index) => {
    if (part.zone === zone) sum += part.count;
    else if (part.zone === null) sum += split(part.count, slot.zones, model.seed, slot.start + 901 + index)[zone]!;
  });
  return sum;
}

const RULES: Readonly<Record<string, Rule>> = {
  RequestCount: {
    unit: 'Count',
    targetGroup: true,
    zone: true,
    count: (slot, zone) => (zone === null ? slot.requests : slot.zones[zone]!),
  },
  RequestCountPerTarget: {
    unit: 'Count',
    targetGroup: true,
    zone: false,
    count: (slot) => (slot.running === 0 ? 0 : slot.requests / slot.running),
  },
  HTTPCode_Target_2XX_Count: {
    unit: 'Count',
    targetGroup: true,
    zone: true,
    count: (slot, zone, model) => {
      const other = slot.errors + slot.clientErrors + slot.elb502 + slot.elb504;
      if (zone === null) return slot.requests - other;
      const rest = zoned(slot.clientErrors + slot.elb502 + slot.elb504, slot, zone, model, 3);
      return Math.max(0, slot.zones[zone]! - errorsIn(slot, zone, model) - rest);
    },
  },
  HTTPCode_Target_4XX_Count: {
    unit: 'Count',
    targetGroup: true,
    zone: true,
    count: (slot, zone, model) => zoned(slot.clientErrors, slot, zone, model, 3),
  },
  HTTPCode_Target_5XX_Count: { unit: 'Count', targetGroup: true, zone: true, count: errorsIn },
  HTTPCode_ELB_5XX_Count: {
    unit: 'Count',
    targetGroup: false,
    zone: true,
    count: (slot, zone, model) => zoned(slot.elb502 + slot.elb503 + slot.elb504, slot, zone, model, 5),
  },
  HTTPCode_ELB_502_Count: {
    unit: 'Count',
    targetGroup: false,
    zone: true,
    count: (slot, zone, model) => zoned(slot.elb502, slot, zone, model, 6),
  },
  HTTPCode_ELB_503_Count: {
    unit: 'Count',
    targetGroup: false,
    zone: true,
    count: (slot, zone, model) => zoned(slot.elb503, slot, zone, model, 7),
  },
  HTTPCode_ELB_504_Count: {
    unit: 'Count',
    targetGroup: false,
    zone: true,
    count: (slot, zone, model) => zoned(slot.elb504, slot, zone, model, 8),
  },
  TargetConnectionErrorCount: {
    unit: 'Count',
    targetGroup: true,
    zone: true,
    count: (slot, zone, model) => zoned(slot.connectionErrors, slot, zone, model, 9),
  },
  ActiveConnectionCount: {
    unit: 'Count',
    targetGroup: false,
    zone: true,
    count: (slot) => Math.round(slot.requests / 12),
  },
  NewConnectionCount: {
    unit: 'Count',
    targetGroup: false,
    zone: true,
    count: (slot) => Math.round(slot.requests / 20),
  },
  TargetResponseTime: { unit: 'Seconds', targetGroup: true, zone: true, latency: true },
  HealthyHostCount: {
    unit: 'Count',
    targetGroup: true,
    zone: false,
    hosts: (slot) => registered(slot, slot.healthyMin, slot.healthyMax),
  },
  UnHealthyHostCount: {
    unit: 'Count',
    targetGroup: true,
    zone: false,
    hosts: (slot) => registered(slot, slot.unhealthyMin, slot.unhealthyMax),
  },
};

/** Reported while there are registered targets, with requests or without. */
const registered = (slot: Slot, min: number, max: number): { min: number; max: number } | null =>
  slot.healthyMax + slot.unhealthyMax === 0 && slot.running === 0 ? null : { min, max };

export function albMetric(fleet: Fleet, name: string, dimensions: Dimensions): Metric | null {
  const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
  const { LoadBalancer: balancer, TargetGroup: group, AvailabilityZone: zoneName, ...rest } = dimensions;
  if (rule === undefined || balancer === undefined || Object.keys(rest).length > 0) return null;
  if (group !== undefined && !rule.targetGroup) return null;
  if (zoneName !== undefined && !rule.zone) return null;
  if (group === undefined && rule.hosts !== undefined) return null;
  const zone = zoneName === undefined ? null : zoneIndex(zoneName);
  if (zoneName !== undefined && (zone === null || zoneName !== `${REGION}${ZONES[zone]}`)) return null;
  const models = [...fleet.services.values()].filter(
    ({ facts }) => facts.loadBalancer === balancer && (group === undefined || facts.targetGroup === group),
  );
  if (models.length === 0) return null;
  const share = zone === null ? 1 : 1 / 3;
  const seed = hashText(`${balancer}/${group}/${zoneName}`);
  const base = { unit: rule.unit, namespace: NAMESPACE, name };
  if (rule.latency === true) {
    const components = (start: number, length: number) => {
      const found =
        models.length === 1
          ? models[0]!.slot(start, length).components
          : models.flatMap((model) => model.slot(start, length).components);
      return share === 1 ? found : found.map((component) => ({ ...component, weight: component.weight * share }));
    };
    return {
      ...base,
      components,
      stats: (start, length) => {
        const n = models.reduce((sum, model) => sum + model.slot(start, length).requests, 0);
        return latencyStats(components(start, length), n * share, seed, start);
      },
    };
  }
  return {
    ...base,
    stats: (start, length): Stats | null => {
      if (rule.hosts !== undefined) {
        const hosts = rule.hosts(models[0]!.slot(start, length));
        return hosts === null ? null : { ...hosts, sum: ((hosts.min + hosts.max) / 2) * 3, n: 3 };
      }
      let sum = 0;
      for (const model of models) sum += rule.count!(model.slot(start, length), zone, model);
      return counted(sum);
    },
  };
}

export function* albNames(fleet: Fleet, name: string | undefined): Generator<MetricName> {
  const seen = new Set<string>();
  for (const { facts } of fleet.services.values()) {
    for (const [metric, rule] of Object.entries(RULES)) {
      if (name !== undefined && metric !== name) continue;
      const zones = rule.zone ? [undefined, ...ZONES.map((zone) => `${REGION}${zone}`)] : [undefined];
      for (const zone of zones) {
        for (const group of rule.targetGroup ? [facts.targetGroup, undefined] : [undefined]) {
          if (group === undefined && rule.hosts !== undefined) continue;
          if (group === undefined) {
            const key = `${metric}/${facts.loadBalancer}/${zone}`;
            if (seen.has(key)) continue;
            seen.add(key);
          }
          yield {
            namespace: NAMESPACE,
            name: metric,
            dimensions: {
              ...(zone === undefined ? {} : { AvailabilityZone: zone }),
              LoadBalancer: facts.loadBalancer,
              ...(group === undefined ? {} : { TargetGroup: group }),
            },
          };
        }
      }
    }
  }
}
