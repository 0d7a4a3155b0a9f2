/**
 * What happens at one service in one slot of time: requests, answers, latency, hosts. A slot is a pure function of the
 * seed, its time and length, the conditions that overlap it and the tasks that serve in it. Slots of a minute are the
 * base of longer periods; shorter ones are drawn for themselves, so their counts need not add up to the minute's.
 */

import { createMachine, type EcsMachine } from './ecs-machine.ts';
import type { MachineOptions, Task } from './ecs-orders.ts';
import type { Component } from './latency.ts';
import { binomial, hash, hashText, normal, poisson, split, uniform, wander } from './random.ts';
import { createSeason } from './season.ts';
import { factsOf, revisionOf, type ServiceFacts, zoneIndex } from './service-facts.ts';
import { createHosts, type Hosts } from './service-hosts.ts';
import { createLatency } from './service-latency.ts';
import type { Active, ServiceEffects, ServiceSpec } from './types.ts';

export interface ErrorPart {
  count: number;
  readonly status: number;
  /** Null: anywhere. */
  readonly zone: number | null;
  readonly endpoint: number | null;
  readonly task: string | null;
  readonly revision: number | null;
  /** Log messages to choose from; null: the usual ones. */
  readonly messages: readonly string[] | null;
}

export interface Slot {
  readonly start: number;
  readonly length: number;
  /** Requests that a target was chosen for. */
  readonly requests: number;
  readonly zones: readonly number[];
  readonly errors: number;
  readonly parts: readonly ErrorPart[];
  readonly clientErrors: number;
  readonly limited: number;
  readonly elb502: number;
  readonly elb503: number;
  readonly elb504: number;
  readonly connectionErrors: number;
  /** Tasks that are RUNNING at some time of the slot, with their share of the requests. */
  readonly tasks: readonly Task[];
  readonly shares: readonly number[];
  readonly running: number;
  readonly healthyMin: number;
  readonly healthyMax: number;
  readonly unhealthyMin: number;
  readonly unhealthyMax: number;
  readonly cpu: number;
  readonly components: readonly Component[];
}

export interface ServiceModel {
  readonly seed: number;
  readonly facts: ServiceFacts;
  readonly machine: EcsMachine;
  readonly startedAt: number;
  conditions: readonly Active<ServiceEffects>[];
  slot(start: number, length: number): Slot;
  /** The distribution that requests of this endpoint have, in a slot. */
  endpointComponents(slot: Slot, endpoint: number): readonly Component[];
  /** Memory of a task, as a ratio. */
  memory(task: Task, slot: Slot): number;
  taskCpu(task: Task, slot: Slot): number;
  /** Slots that are held, and a way to let go of them. */
  held(): number;
  forget(): void;
}

const MINUTE = 60_000;
const DAY = 86_400_000;
const NONE: readonly Active<ServiceEffects>[] = [];

export function createServiceModel(
  spec: ServiceSpec,
  fleetSeed: number,
  startedAt: number,
  timeZone: string,
  machineOptions: (facts: ServiceFacts) => Pick<MachineOptions, 'context' | 'noRoom'>,
): ServiceModel {
  const seed = hash(fleetSeed, hashText(spec.name));
  const facts = factsOf(spec, seed);
  const season = createSeason(timeZone, uniform(seed, 1, 21) * 2 - 1);
  const machine = createMachine({
    seed,
    service: facts.ecsService,
    desired: facts.tasks,
    revision: facts.revision,
    startedAt,
    circuitBreaker: facts.circuitBreaker,
    port: facts.port,
    ...machineOptions(facts),
  });
  const hostReader = createHosts(machine);
  const { scopeShare, componentsOf } = createLatency(seed, facts);
  const cache = new Map<number, Map<number, Slot>>();
  const bursts = new Map<number, readonly Burst[]>();
  let held = 0;

  function slot(start: number, length: number): Slot {
    const slots = cache.get(length) ?? new Map<number, Slot>();
    if (slots.size === 0) cache.set(length, slots);
    const known = slots.get(start);
    if (known !== undefined) return known;
    const made = compute(start, length);
    slots.set(start, made);
    held += 1;
    return made;
  }

  function compute(start: number, length: number): Slot {
    const end = start + length;
    const active = model.conditions.length === 0 ? NONE : model.conditions.filter((c) => c.from < end && c.to > start);
    const weight = (condition: Active<ServiceEffects>): number =>
      (Math.min(end, condition.to) - Math.max(start, condition.from)) / length;
    const channel = length / 1_000;

    let demand = 1;
    for (const condition of active) {
      const { requestsFactor, silence } = condition.effects;
      if (requestsFactor !== undefined) demand *= 1 + weight(condition) * (requestsFactor - 1);
      if (silence === true) demand *= 1 - weight(condition);
    }
    const middle = start + length / 2;
    const natural = season.factor(middle) * (1 + 0.03 * wander(seed, middle, 1_500_000));
    const mean = ((facts.requestsPerMinute * length) / MINUTE) * natural * demand;
    const jitter = Math.max(0, 1 + 0.008 * normal(seed, start, channel, 1));
    const offered = poisson(mean * jitter, uniform(seed, start, channel, 2));

    const hosts = hostReader.of(start, end);
    let share503 = hosts.unserved;
    let share502 = 0;
    let share504 = 0;
    let shareRefused = 0;
    for (const condition of active) {
      const { elb, connectionErrors } = condition.effects;
      share503 = 1 - (1 - share503) * (1 - weight(condition) * (elb?.['503'] ?? 0));
      share502 += weight(condition) * (elb?.['502'] ?? 0);
      share504 += weight(condition) * (elb?.['504'] ?? 0);
      shareRefused += weight(condition) * (connectionErrors ?? 0);
    }
    const elb503 = binomial(offered, share503, uniform(seed, start, channel, 3));
    const requests = offered - elb503;
    const elb502 = binomial(requests, Math.min(1, share502), uniform(seed, start, channel, 4));
    const elb504 = binomial(requests - elb502, Math.min(1, share504), uniform(seed, start, channel, 5));
    const connectionErrors = binomial(requests, Math.min(1, shareRefused), uniform(seed, start, channel, 6));
    const answered = requests - elb502 - elb504;

    const parts = errorParts(start, length, answered, active, weight, hosts);
    let errors = 0;
    for (const part of parts) {
      part.count = Math.min(part.count, answered - errors);
      errors += part.count;
    }
    let limited = 0;
    for (const condition of active) {
      const { rateLimited } = condition.effects;
      if (rateLimited === undefined) continue;
      limited += binomial(answered - errors, weight(condition) * rateLimited, uniform(seed, start, channel, 7));
    }
    limited = Math.min(limited, answered - errors);
    const rest = answered - errors - limited;
    const clientErrors = limited + Math.min(rest, poisson(rest * 0.012, uniform(seed, start, channel, 8)));

    const nominal = (facts.requestsPerMinute * length) / MINUTE / facts.tasks;
    const load = hosts.serving > 0 ? requests / hosts.serving / nominal : 0;
    let cpu = facts.cpu * (0.12 + 0.88 * load) * (1 + 0.03 * normal(seed, start, channel, 9));
    for (const condition of active) {
      const { cpu: added } = condition.effects;
      if (added !== undefined && added.task === undefined) cpu += weight(condition) * added.add;
    }
    cpu = Math.min(1, Math.max(0.002, cpu));

    return {
      start,
      length,
      requests,
      zones: requests === 0 ? [0, 0, 0] : split(requests, [1.02, 1, 0.98], seed, start + channel),
      errors,
      parts,
      clientErrors,
      limited,
      elb502,
      elb503,
      elb504,
      connectionErrors,
      tasks: hosts.tasks,
      shares: hosts.shares,
      running: hosts.running,
      healthyMin: hosts.healthyMin,
      healthyMax: hosts.healthyMax,
      unhealthyMin: hosts.unhealthyMin,
      unhealthyMax: hosts.unhealthyMax,
      cpu,
      components: requests === 0 ? [] : componentsOf(start, length, requests, load, cpu, active, weight, hosts, null),
    };
  }

  function errorParts(
    start: number,
    length: number,
    answered: number,
    active: readonly Active<ServiceEffects>[],
    weight: (condition: Active<ServiceEffects>) => number,
    hosts: Hosts,
  ): ErrorPart[] {
    const channel = length / 1_000;
    const anywhere = { zone: null, endpoint: null, task: null, revision: null, messages: null };
    const parts: ErrorPart[] = [];
    const base = poisson(answered * facts.errorShare * 0.75, uniform(seed, start, channel, 10));
    if (base > 0) parts.push({ ...anywhere, count: base, status: 500 });
    for (const burst of burstsNear(start)) {
      const count = burst.times.filter((at) => at >= start && at < start + length).length;
      if (count > 0) parts.push({ ...anywhere, count, status: 500, endpoint: burst.endpoint });
    }
    active.forEach((condition, index) => {
      const { errors } = condition.effects;
      if (errors === undefined) return;
      const touched = answered * weight(condition) * scopeShare(errors, hosts);
      const count = binomial(Math.round(touched), errors.share, uniform(seed, start, channel, 100 + index));
      if (count === 0) return;
      const endpoint = facts.endpoints.findIndex(({ name }) => name === errors.endpoint);
      parts.push({
        count,
        status: errors.status ?? 500,
        zone: errors.zone === undefined ? null : zoneIndex(errors.zone),
        endpoint: endpoint < 0 ? null : endpoint,
        task: errors.task ?? null,
        revision: errors.version === undefined ? null : revisionOf(errors.version),
        messages: condition.effects.log?.messages ?? null,
      });
    });
    return parts;
  }

  interface Burst {
    readonly endpoint: number;
    readonly times: readonly number[];
  }

  /** A few clusters of errors a day: real errors come together, and a rule that cannot bear it is noisy. */
  function burstsNear(start: number): readonly Burst[] {
    const day = Math.floor(start / DAY);
    let found = bursts.get(day);
    if (found === undefined) {
      const most = Math.max(2, facts.requestsPerMinute * 0.02);
      found = Array.from({ length: 2 + (hash(seed, day, 51) % 4) }, (_, index) => {
        const from = day * DAY + uniform(seed, day, 52, index + 1) * (DAY - 90_000);
        const lasts = 15_000 + 45_000 * uniform(seed, day, 53, index + 1);
        const size = Math.round(Math.min(most, 5 + 25 * uniform(seed, day, 54, index + 1) ** 2));
        return {
          endpoint: hash(seed, day, 55, index + 1) % facts.endpoints.length,
          times: Array.from({ length: size }, (_, nth) => from + lasts * uniform(seed, day, 56 + index, nth + 1)),
        };
      });
      bursts.set(day, found);
    }
    return found;
  }

  const model: ServiceModel = {
    seed,
    facts,
    machine,
    startedAt,
    conditions: NONE,
    slot,
    endpointComponents: (of, endpoint) => {
      const end = of.start + of.length;
      const active = model.conditions.filter((c) => c.from < end && c.to > of.start);
      const nominal = (facts.requestsPerMinute * of.length) / MINUTE / facts.tasks;
      const hosts = hostReader.of(of.start, end);
      const load = hosts.serving > 0 ? of.requests / hosts.serving / nominal : 0;
      return componentsOf(
        of.start,
        of.length,
        of.requests * facts.endpoints[endpoint]!.share,
        load,
        of.cpu,
        active,
        (c) => (Math.min(end, c.to) - Math.max(of.start, c.from)) / of.length,
        hosts,
        endpoint,
      );
    },
    memory: (task, of) => {
      const middle = of.start + of.length / 2;
      let memory =
        facts.memory + 0.02 * wander(seed, middle, 20_000_000) + 0.015 * (uniform(seed, task.ordinal, 61) - 0.5);
      for (const condition of model.conditions) {
        const { memory: effect } = condition.effects;
        if (effect === undefined || condition.from > middle) continue;
        if (effect.task !== undefined && effect.task !== task.id) continue;
        if (effect.version !== undefined && revisionOf(effect.version) !== task.revision) continue;
        if (middle < condition.to) memory += effect.add ?? 0;
        // What has leaked stays with the task, after the leak too.
        const from = Math.max(condition.from, task.startedAt);
        const slope = (effect.slopePerHour ?? 0) * (0.94 + 0.12 * uniform(seed, task.ordinal, 41));
        memory += (slope * Math.max(0, Math.min(middle, condition.to) - from)) / 3_600_000;
      }
      return Math.min(1, Math.max(0.01, memory));
    },
    taskCpu: (task, of) => {
      let cpu = of.cpu * (1 + 0.05 * normal(seed, of.start, task.ordinal, 62));
      const end = of.start + of.length;
      for (const condition of model.conditions) {
        const { cpu: effect } = condition.effects;
        if (effect?.task === task.id && condition.from < end && condition.to > of.start) {
          cpu += effect.add * ((Math.min(end, condition.to) - Math.max(of.start, condition.from)) / of.length);
        }
      }
      return Math.min(1, Math.max(0.001, cpu));
    },
    held: () => held,
    forget: () => {
      cache.clear();
      bursts.clear();
      hostReader.forget();
      held = 0;
    },
  };
  return model;
}
