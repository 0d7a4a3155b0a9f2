/**
 * What happens at one service in one slot of time: requests, answers, latency, hosts. A slot is a pure function of the
 * seed, its time and length, the conditions that overlap it and the tasks that serve in it. Slots of a minute are the
 * base of longer periods; shorter ones are drawn for themselves, so their counts need not add up to the minute's.
 */

import { createMachine, type EcsMachine, type MachineOptions, type Task } from './ecs-machine.ts';
import type { Component, LatencyShape } from './latency.ts';
import { binomial, hash, hashText, normal, poisson, split, uniform, wander } from './random.ts';
import { createSeason } from './season.ts';
import { type Active, type EndpointSpec, type Scope, type ServiceEffects, type ServiceSpec, ZONES } from './types.ts';

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

export interface ServiceFacts {
  readonly name: string;
  readonly ecsService: string;
  readonly cluster: string;
  readonly family: string;
  readonly requestsPerMinute: number;
  readonly tasks: number;
  readonly errorShare: number;
  readonly latency: LatencyShape;
  readonly cpu: number;
  readonly memory: number;
  readonly taskCpuUnits: number;
  readonly taskMemoryMiB: number;
  readonly loadBalancer: string;
  readonly targetGroup: string;
  readonly logGroup: string;
  readonly logFormat: 'text' | 'json';
  readonly endpoints: readonly Required<EndpointSpec>[];
  readonly dependencies: Readonly<Record<string, number>>;
  readonly queriesPerRequest: number;
  readonly secondsPerQuery: number;
  readonly revision: number;
  readonly circuitBreaker: boolean;
  readonly idleTimeoutSeconds: number;
  readonly port: number;
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

export function factsOf(spec: ServiceSpec, seed: number): ServiceFacts {
  const own = (channel: number): number => uniform(seed, 1, channel);
  const ecsService = spec.ecsService ?? `${spec.name}-service`;
  const id = hash(seed, 3).toString(16).padStart(8, '0') + hash(seed, 4).toString(16).padStart(8, '0');
  const p50 = 0.03 + 0.06 * own(11);
  const endpoints = spec.endpoints ?? [
    { name: `GET /v1/${spec.name}`, share: 0.5, latencyFactor: 0.8 },
    { name: `GET /v1/${spec.name}/{id}`, share: 0.27, latencyFactor: 0.9 },
    { name: `POST /v1/${spec.name}`, share: 0.15, latencyFactor: 1.5 },
    { name: `DELETE /v1/${spec.name}/{id}`, share: 0.08, latencyFactor: 1.2 },
  ];
  const total = endpoints.reduce((sum, { share }) => sum + share, 0);
  return {
    name: spec.name,
    ecsService,
    cluster: spec.cluster,
    family: spec.name,
    requestsPerMinute: spec.requestsPerMinute,
    tasks: spec.tasks ?? 4 + (hash(seed, 5) % 5),
    errorShare: spec.errorShare ?? 0.0005 + 0.0035 * own(12) ** 2,
    latency: spec.latency ?? { p50, p95: p50 * 3, p99: p50 * 6 },
    cpu: spec.cpu ?? 0.28 + 0.15 * own(13),
    memory: spec.memory ?? 0.42 + 0.2 * own(14),
    taskCpuUnits: spec.taskCpuUnits ?? 1024,
    taskMemoryMiB: spec.taskMemoryMiB ?? 2048,
    loadBalancer: spec.loadBalancer ?? `app/rastup-${spec.name}/${id}`,
    targetGroup: spec.targetGroup ?? `targetgroup/${spec.name}/${[...id].reverse().join('')}`,
    logGroup: spec.logGroup ?? `/aws/ecs/${spec.cluster}/${ecsService}`,
    logFormat: spec.logFormat ?? 'text',
    endpoints: endpoints.map(({ name, share, latencyFactor }) => ({
      name,
      share: share / total,
      latencyFactor: latencyFactor ?? 1,
    })),
    dependencies: spec.dependencies ?? {},
    queriesPerRequest: spec.queriesPerRequest ?? 4,
    secondsPerQuery: spec.secondsPerQuery ?? 0.0025,
    revision: spec.revision ?? 511,
    circuitBreaker: spec.circuitBreaker ?? true,
    idleTimeoutSeconds: spec.idleTimeoutSeconds ?? 60,
    port: 8080,
  };
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

    const hosts = hostsOf(start, end);
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

  interface Hosts {
    readonly tasks: readonly Task[];
    /** Of the requests, by task; they add up to 1 − unserved. */
    readonly shares: readonly number[];
    /** Mean number of serving and of RUNNING tasks. */
    readonly serving: number;
    readonly running: number;
    /** Share of the slot in which no target is registered. */
    readonly unserved: number;
    readonly healthyMin: number;
    readonly healthyMax: number;
    readonly unhealthyMin: number;
    readonly unhealthyMax: number;
  }
  let steady: { readonly key: string; readonly hosts: Hosts } | null = null;

  function hostsOf(start: number, end: number): Hosts {
    const tasks = machine.tasks(start, end).filter((task) => task.startedAt < end);
    const moving = tasks.some(
      (task) =>
        task.healthyAt > start ||
        task.stoppingAt < end ||
        machine.targetProblem(task, start) !== null ||
        machine.targetProblem(task, end - 1) !== null,
    );
    const key = moving ? '' : tasks.map(({ ordinal }) => ordinal).join();
    if (!moving && steady?.key === key) return steady.hosts;
    const points = moving ? Math.min(12, Math.max(1, Math.round((end - start) / 1_000))) : 1;
    const shares = tasks.map(() => 0);
    let serving = 0;
    let running = 0;
    let unserved = 0;
    let healthyMin = Number.POSITIVE_INFINITY;
    let healthyMax = 0;
    let unhealthyMin = Number.POSITIVE_INFINITY;
    let unhealthyMax = 0;
    for (let point = 0; point < points; point += 1) {
      const at = start + ((end - start) * (point + 0.5)) / points;
      let healthy = 0;
      let registered = 0;
      const up = tasks.map((task) => {
        if (task.startedAt > at || task.stoppedAt <= at) return 0;
        running += 1 / points;
        if (task.stoppingAt <= at) return 0;
        registered += 1;
        if (task.healthyAt > at || machine.targetProblem(task, at) !== null) return 1;
        healthy += 1;
        return 2;
      });
      const initial = up.filter((state, index) => state === 1 && tasks[index]!.healthyAt > at).length;
      healthyMin = Math.min(healthyMin, healthy);
      healthyMax = Math.max(healthyMax, healthy);
      unhealthyMin = Math.min(unhealthyMin, registered - healthy - initial);
      unhealthyMax = Math.max(unhealthyMax, registered - healthy - initial);
      // With no healthy target the load balancer sends to all of them.
      const needed = healthy > 0 ? 2 : 1;
      const count = healthy > 0 ? healthy : registered;
      serving += count / points;
      if (count === 0) unserved += 1 / points;
      for (let index = 0; index < up.length; index += 1) {
        if (up[index]! >= needed) shares[index] = shares[index]! + 1 / count / points;
      }
    }
    const hosts = { tasks, shares, serving, running, unserved, healthyMin, healthyMax, unhealthyMin, unhealthyMax };
    if (!moving) steady = { key, hosts };
    return hosts;
  }

  /** Share of the requests that a scope touches. */
  function scopeShare(scope: Scope, hosts: Hosts, skipEndpoint = false): number {
    let share = 1;
    if (scope.zone !== undefined) share *= zoneIndex(scope.zone) === null ? 0 : 1 / 3;
    if (scope.endpoint !== undefined && !skipEndpoint) {
      share *= facts.endpoints.find(({ name }) => name === scope.endpoint)?.share ?? 0;
    }
    if (scope.task !== undefined || scope.version !== undefined) {
      const revision = scope.version === undefined ? null : revisionOf(scope.version);
      let touched = 0;
      hosts.tasks.forEach((task, index) => {
        if ((scope.task === undefined || task.id === scope.task) && (revision === null || task.revision === revision)) {
          touched += hosts.shares[index]!;
        }
      });
      share *= touched;
    }
    return share;
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

  function componentsOf(
    start: number,
    length: number,
    requests: number,
    load: number,
    cpu: number,
    active: readonly Active<ServiceEffects>[],
    weight: (condition: Active<ServiceEffects>) => number,
    hosts: Hosts,
    endpoint: number | null,
  ): readonly Component[] {
    const channel = length / 1_000;
    const queueing = cpu > 0.75 ? 1 + 2 * ((cpu - 0.75) / 0.25) ** 2 : 1;
    const level =
      (1 + 0.1 * (load - 1)) *
      queueing *
      (1 + 0.02 * wander(seed ^ 0x55, start, 2_400_000)) *
      Math.max(0.5, 1 + 0.028 * normal(seed, start, channel, 11)) *
      (endpoint === null ? 1 : facts.endpoints[endpoint]!.latencyFactor);
    const stretch = Math.max(0.7, 1 + 0.025 * normal(seed, start, channel, 12));
    const base: LatencyShape = {
      p50: facts.latency.p50 * level,
      p95: facts.latency.p95 * level * stretch,
      p99: facts.latency.p99 * level * stretch,
    };
    const changes: { readonly share: number; readonly apply: (shape: LatencyShape) => LatencyShape }[] = [];
    for (const condition of active) {
      const { latency, coldTasks } = condition.effects;
      if (
        latency !== undefined &&
        (endpoint === null || latency.endpoint === undefined || latency.endpoint === facts.endpoints[endpoint]!.name)
      ) {
        const share = weight(condition) * scopeShare(latency, hosts, endpoint !== null);
        changes.push({ share, apply: (shape) => slower(shape, latency) });
      }
      if (coldTasks !== undefined) {
        const share = coldShare(hosts, start, start + length, coldTasks.seconds) * weight(condition);
        changes.push({ share, apply: (shape) => slower(shape, { factor: coldTasks.latencyFactor }) });
      }
    }
    // What holds for every request changes the base; what holds for some splits them off.
    let common = base;
    for (const { share, apply } of changes) if (share >= 0.999) common = apply(common);
    const partial = changes.filter(({ share }) => share > 0.0005 && share < 0.999);
    const taken = Math.min(
      1,
      partial.reduce((sum, { share }) => sum + share, 0),
    );
    const components: Component[] = partial.map(({ share, apply }) => ({ ...apply(common), weight: requests * share }));
    if (taken < 1) components.push({ ...common, weight: requests * (1 - taken) });
    return components;
  }

  function coldShare(hosts: Hosts, start: number, end: number, seconds: number): number {
    let share = 0;
    hosts.tasks.forEach((task, index) => {
      const overlap = Math.min(end, task.startedAt + seconds * 1_000) - Math.max(start, task.startedAt);
      if (overlap > 0) share += hosts.shares[index]! * Math.min(1, overlap / (end - start));
    });
    return share;
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
      const hosts = hostsOf(of.start, end);
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
      steady = null;
      held = 0;
    },
  };
  return model;
}

function slower(shape: LatencyShape, effect: NonNullable<ServiceEffects['latency']>): LatencyShape {
  const { factor = 1, addSeconds = 0, p95Factor = 1, p95AddSeconds = 0 } = effect;
  const p50 = shape.p50 * factor + addSeconds;
  const p95 = (shape.p95 * factor + addSeconds) * p95Factor + p95AddSeconds;
  const p99 = (shape.p99 * factor + addSeconds) * p95Factor + p95AddSeconds;
  return { p50, p95: Math.max(p50 * 1.02, p95), p99: Math.max(p50 * 1.03, p95 * 1.01, p99) };
}

/** `api:512` or `512`. */
export function revisionOf(version: string): number {
  const revision = Number(version.includes(':') ? version.slice(version.lastIndexOf(':') + 1) : version);
  if (!Number.isInteger(revision) || revision < 1)
    throw new Error(`version ${version}: expected REVISION or FAMILY:REVISION`);
  return revision;
}

/** `us-east-1b` or `b`. */
export function zoneIndex(zone: string): number | null {
  const index = (ZONES as readonly string[]).indexOf(zone.slice(-1));
  return index < 0 ? null : index;
}
