/**
 * A fleet whose every figure at every time is a pure function of its seed and of what was done to it: history exists at
 * once, is read twice alike, and a moved clock sees the same as a live one. What is taken back ends now; it never
 * unhappens.
 */

import { type Capacity, type ClusterModel, createCluster, noRoom } from './cluster-model.ts';
import { createDatabaseModel, type DatabaseChange, type DatabaseModel } from './database-model.ts';
import type { CrashOrder, DeployOrder, Order, StopOrder, UnhealthyOrder } from './ecs-orders.ts';
import type { StopDetail, StopReason } from './ecs-stops.ts';
import { createQueueModel, type QueueModel } from './queue-model.ts';
import { hexId } from './random.ts';
import { revisionOf } from './service-facts.ts';
import { createServiceModel, type ServiceModel } from './service-model.ts';
import type { Active, Condition, FleetOptions, ServiceEffects } from './types.ts';

export const ACCOUNT = '123456789012';
export const REGION = 'us-east-1';

export type Undo = (at?: number) => void;

type Given = { readonly [K in keyof StopDetail]?: StopDetail[K] | undefined };

export interface Fleet {
  readonly startedAt: number;
  readonly timeZone: string;
  readonly now: () => number;
  /** Grows with everything that is done to the fleet: what was read under another version may have changed. */
  version(): number;
  readonly services: ReadonlyMap<string, ServiceModel>;
  readonly databases: ReadonlyMap<string, DatabaseModel>;
  readonly queues: ReadonlyMap<string, QueueModel>;
  readonly clusters: ReadonlyMap<string, ClusterModel>;
  /** Ends at the given time, now by default, when taken back. */
  affect(condition: Condition): Undo;
  deploy(
    service: string,
    order: Omit<DeployOrder, 'kind' | 'at' | 'revision' | 'outcome'> & {
      /** `512` or `api:512`. */
      readonly version: string | number;
      readonly at?: number;
      readonly outcome?: DeployOrder['outcome'];
    },
  ): void;
  stopTask(
    service: string,
    order: Given & { readonly at?: number; readonly task?: string; readonly count?: number; readonly kind: StopReason },
  ): void;
  /** Tasks die some time after they have started, again and again. `reason` defaults to `exit`. */
  crashLoop(
    service: string,
    order?: Omit<CrashOrder, 'kind' | 'at' | 'to' | 'reason'> & {
      readonly at?: number;
      readonly to?: number;
      readonly reason?: StopReason;
    },
  ): Undo;
  unhealthyTargets(
    service: string,
    order: Omit<UnhealthyOrder, 'kind' | 'at' | 'to' | 'description'> & {
      readonly at?: number;
      readonly to?: number;
      readonly description?: string;
    },
  ): Undo;
  scale(service: string, desired: number, at?: number): void;
  capacity(cluster: string, capacity: Capacity): Undo;
  database(instance: string, change: Omit<DatabaseChange, 'at'> & { readonly at?: number }): void;
  /** Ids of the tasks that run at a time, now by default. */
  runningTasks(service: string, at?: number): readonly string[];
  serviceByEcs(cluster: string, ecsService: string): ServiceModel | undefined;
}

export function createFleet(options: FleetOptions): Fleet {
  const { seed, startedAt } = options;
  const now = options.now ?? Date.now;
  const timeZone = options.timeZone ?? 'America/Los_Angeles';
  const clusters = new Map<string, ClusterModel>();
  const services = new Map<string, ServiceModel>();
  const databases = new Map<string, DatabaseModel>();
  const queues = new Map<string, QueueModel>();
  const orders = new Map<string, Order[]>();
  const leaks = new Map<string, Order[]>();
  let version = 0;

  const named = <T>(map: ReadonlyMap<string, T>, what: string, name: string): T => {
    const found = map.get(name);
    if (found === undefined)
      throw new Error(`no ${what} ${name} in the fleet; there are ${[...map.keys()].join(', ')}`);
    return found;
  };
  const unique = <T>(map: Map<string, T>, what: string, name: string, value: T): void => {
    if (map.has(name)) throw new Error(`${what} ${name} is in the fleet twice`);
    map.set(name, value);
  };

  for (const spec of options.clusters) unique(clusters, 'cluster', spec.cluster, createCluster(spec, seed));
  for (const spec of options.services) {
    const cluster = named(clusters, 'cluster', spec.cluster);
    const model = createServiceModel(spec, seed, startedAt, timeZone, (facts) => ({
      context: (deployment, revision, ordinal) => ({
        deployment,
        targetGroupArn: `arn:aws:elasticloadbalancing:${REGION}:${ACCOUNT}:${facts.targetGroup}`,
        image: `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/rastup/${facts.name}:${revision}`,
        region: REGION,
        instanceId: cluster.facts.instanceIds[ordinal % Math.max(1, cluster.facts.instanceIds.length)] ?? 'i-none',
      }),
      noRoom: (at) => noRoom(cluster, cluster.capacityAt(at)),
    }));
    unique(services, 'service', spec.name, model);
  }
  const clients = ['10.0.0.0/16', `sg-0${hexId(`${seed}/ecs`, 16)}`];
  for (const spec of options.databases ?? []) {
    unique(databases, 'database', spec.instance, createDatabaseModel(spec, seed, startedAt, timeZone, clients));
  }
  for (const spec of options.queues ?? []) {
    unique(queues, 'queue', spec.queue, createQueueModel(spec, seed, startedAt, timeZone));
  }

  function order(service: string, next: Order): void {
    const model = named(services, 'service', service);
    if (next.at < startedAt) throw new Error(`${next.kind} of ${service} at ${next.at}: before the fleet's beginning`);
    orders.set(service, [...(orders.get(service) ?? []), next]);
    run(model, service);
  }
  function run(model: ServiceModel, service: string): void {
    version += 1;
    model.machine.setOrders([...(orders.get(service) ?? []), ...(leaks.get(service) ?? [])]);
    model.forget();
  }

  /** An undo that ends an order at a time, or removes it when it had not begun. */
  function ends(service: string, open: CrashOrder | UnhealthyOrder): Undo {
    order(service, open);
    let current: Order = open;
    return (at = now()) => {
      const list = orders.get(service) ?? [];
      const rest = list.filter((known) => known !== current);
      if (rest.length === list.length) return;
      if (at > open.at) {
        current = { ...open, to: Math.min(open.to, at) };
        rest.push(current);
      }
      orders.set(service, rest);
      run(named(services, 'service', service), service);
    };
  }

  function relay<E>(
    model: { conditions: readonly Active<E>[] },
    changed: () => void,
    from: number,
    to: number,
    effects: E,
  ): Undo {
    const condition: Active<E> = { from, to, effects };
    model.conditions = [...model.conditions, condition];
    version += 1;
    changed();
    return (at = now()) => {
      if (!model.conditions.includes(condition)) return;
      if (at <= condition.from) model.conditions = model.conditions.filter((known) => known !== condition);
      else condition.to = Math.min(condition.to, at);
      version += 1;
      changed();
    };
  }

  return {
    startedAt,
    timeZone,
    now,
    version: () => version,
    services,
    databases,
    queues,
    clusters,
    affect: (condition) => {
      const from = condition.from ?? now();
      const to = condition.to ?? Number.POSITIVE_INFINITY;
      if (!(to > from)) throw new Error(`condition ends at ${to}, before it begins at ${from}`);
      if ('service' in condition) {
        const model = named(services, 'service', condition.service);
        check(model, condition.effects);
        return relay(
          model,
          () => {
            leaks.set(condition.service, leakOrders(model));
            run(model, condition.service);
          },
          from,
          to,
          condition.effects,
        );
      }
      if ('database' in condition) {
        return relay(named(databases, 'database', condition.database), () => undefined, from, to, condition.effects);
      }
      const queue = named(queues, 'queue', condition.queue);
      return relay(queue, queue.reset, from, to, condition.effects);
    },
    deploy: (service, { version, at = now(), outcome = 'completes', ...rest }) =>
      order(service, { ...rest, kind: 'deploy', at, outcome, revision: revisionOf(String(version)) }),
    stopTask: (service, { at = now(), task, count, kind, ...given }) => {
      const stop: StopOrder = {
        kind: 'stop',
        at,
        reason: kind,
        given,
        ...(task === undefined ? {} : { task }),
        ...(count === undefined ? {} : { count }),
      };
      order(service, stop);
    },
    crashLoop: (service, { at = now(), to = Number.POSITIVE_INFINITY, reason = 'exit', ...rest } = {}) =>
      ends(service, { ...rest, kind: 'crash', at, to, reason }),
    unhealthyTargets: (service, { at = now(), to = Number.POSITIVE_INFINITY, description, ...rest }) =>
      ends(service, { ...rest, kind: 'unhealthy', at, to, description: description ?? HEALTH_TEXTS[rest.reason] }),
    scale: (service, desired, at = now()) => order(service, { kind: 'scale', at, desired }),
    capacity: (name, { from = now(), to = Number.POSITIVE_INFINITY, ...rest }) => {
      const cluster = named(clusters, 'cluster', name);
      const entry = { ...rest, from, to };
      const changed = (): void => {
        for (const [service, model] of services) if (model.facts.cluster === name) run(model, service);
      };
      cluster.capacities = [...cluster.capacities, entry];
      changed();
      return (at = now()) => {
        entry.to = Math.min(entry.to, at);
        changed();
      };
    },
    database: (instance, { at = now(), ...change }) => {
      const model = named(databases, 'database', instance);
      version += 1;
      model.changes = [...model.changes, { ...change, at }].sort((a, b) => a.at - b.at);
    },
    runningTasks: (service, at = now()) =>
      named(services, 'service', service)
        .machine.tasks(at, at + 1)
        .filter((task) => task.startedAt <= at && task.stoppingAt > at)
        .map(({ id }) => id),
    serviceByEcs: (cluster, ecsService) =>
      [...services.values()].find(({ facts }) => facts.cluster === cluster && facts.ecsService === ecsService),
  };
}

function leakOrders(model: ServiceModel): Order[] {
  return model.conditions.flatMap(({ from, to, effects: { memory } }): Order[] => {
    if (memory?.slopePerHour === undefined) return [];
    const base = model.facts.memory + (memory.add ?? 0);
    const revision = memory.version === undefined ? null : revisionOf(memory.version);
    return [{ kind: 'leak', at: from, to, base, slopePerHour: memory.slopePerHour, revision }];
  });
}

/** A fault that names what is not there would change nothing, and a test of it would pass for nothing. */
function check(model: ServiceModel, effects: ServiceEffects): void {
  const { facts } = model;
  for (const scope of [effects.errors, effects.latency]) {
    if (scope?.endpoint !== undefined && !facts.endpoints.some(({ name }) => name === scope.endpoint)) {
      const known = facts.endpoints.map(({ name }) => name).join(', ');
      throw new Error(`service ${facts.name} has no endpoint ${scope.endpoint}; it has ${known}`);
    }
    if (scope?.zone !== undefined && !/[abc]$/.test(scope.zone))
      throw new Error(`no zone ${scope.zone}; there are a, b, c`);
  }
  const host = effects.dependency?.host;
  if (host !== undefined && facts.dependencies[host] === undefined) {
    throw new Error(
      `service ${facts.name} does not call ${host}; it calls ${Object.keys(facts.dependencies).join(', ')}`,
    );
  }
}

const HEALTH_TEXTS: Readonly<Record<UnhealthyOrder['reason'], string>> = {
  'Target.Timeout': 'Request timed out',
  'Target.ResponseCodeMismatch': 'Health checks failed with these codes: [503]',
  'Target.FailedHealthChecks': 'Health checks failed',
};
