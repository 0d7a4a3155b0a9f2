/**
 * One service of ECS with the rolling deployment controller, as a machine that is run forward to the time it is asked
 * for. Its inputs (`Orders`) have times, and it is run again from the beginning whenever they change: the same orders
 * give the same tasks, ids and events, so the past stays what it was.
 *
 * task: PROVISIONING → PENDING → RUNNING (target initial → healthy) → DEACTIVATING → STOPPED, or PENDING → STOPPED.
 * deployment: PRIMARY in progress → completed | failed (→ a new PRIMARY with the old revision); what is replaced is
 * ACTIVE until its last task has stopped.
 * One file past the usual length, because it is one machine: its states, what moves it, and what it says of itself.
 */

import { createFates } from './ecs-fate.ts';
import {
  type Deployment,
  type DeploymentChange,
  type DeployOrder,
  type EcsEventRecord,
  type MachineOptions,
  type MachineState,
  NEVER,
  type Order,
  ownerOf,
  type Task,
} from './ecs-orders.ts';
import { stopDetail } from './ecs-stops.ts';
import { hexId, uniform } from './random.ts';

export interface EcsMachine {
  setOrders(orders: readonly Order[]): void;
  /** Tasks that exist between the two times: created before `to`, not stopped before `from`. */
  tasks(from: number, to: number): readonly Task[];
  state(at: number): MachineState;
  /** Newest first, at most 100. */
  events(at: number): readonly EcsEventRecord[];
  targetProblem(task: Task, at: number): { readonly reason: string; readonly description: string } | null;
}

const STEP = 2_000;
const STEADY_EVERY = 6 * 3_600_000;
const DRAIN = 20_000;
const PACE = 30_000;
const MORE = 'For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.';

export function createMachine(options: MachineOptions): EcsMachine {
  const { seed, service, startedAt } = options;
  let orders: readonly Order[] = [];
  let clock = startedAt;
  let desired = options.desired;
  let scales: { readonly at: number; readonly desired: number }[] = [];
  let live: Task[] = [];
  /** By stoppedAt, so that a time finds its tasks by bisection. */
  let ended: Task[] = [];
  let deployments: Deployment[] = [];
  let events: EcsEventRecord[] = [];
  let said = new Map<string, number>();
  let ordinal = 0;
  let done = 0;
  let nextBatch = 0;
  let failedStarts = 0;
  let settled = true;
  let lastSteady = startedAt;

  const sayOnce = (at: number, message: string): void => {
    // ECS leaves out duplicates for six hours or until the cause is gone.
    if (at - (said.get(message) ?? Number.NEGATIVE_INFINITY) < STEADY_EVERY) return;
    said.set(message, at);
    say(at, message);
  };
  function say(at: number, message: string): void {
    events.push({ id: uuid(`${seed}/${service}/${events.length}`), at, message: `(service ${service}) ${message}` });
  }
  const { end, why, plan, replan } = createFates({
    seed,
    orders: () => orders,
    desired: () => desired,
    orderOf: (deployment) => deployments.find(({ id }) => id === deployment)?.order ?? null,
    context: options.context,
  });
  const last = <T>(list: readonly T[]): T => list[list.length - 1]!;
  const primary = (): Deployment => deployments.findLast(({ changes }) => last(changes).status === 'PRIMARY')!;
  const change = (deployment: Deployment, at: number, next: Partial<DeploymentChange>): void => {
    deployment.changes.push({ ...last(deployment.changes), ...next, at });
  };

  function reset(): void {
    clock = startedAt;
    desired = options.desired;
    scales = [{ at: startedAt, desired }];
    live = [];
    ended = [];
    events = [];
    said = new Map();
    ordinal = 0;
    done = 0;
    nextBatch = 0;
    failedStarts = 0;
    lastSteady = startedAt;
    const id = deploymentId(0);
    const createdAt = startedAt - 3_600_000;
    const reason = `ECS deployment ${id} completed.`;
    const first: DeploymentChange = { at: createdAt, status: 'PRIMARY', rollout: 'COMPLETED', reason };
    deployments = [
      {
        id,
        revision: options.revision,
        createdAt,
        changes: [first],
        failedAt: [],
        order: null,
        paceMs: PACE,
        rollbackOf: null,
        source: null,
      },
    ];
    for (let place = 0; place < desired; place += 1) {
      const task = create(createdAt + place * 1_000, place);
      task.startedAt = task.createdAt + 20_000;
      task.healthyAt = task.startedAt + 20_000;
    }
    for (const task of live) replan(task, startedAt);
    settled = true;
  }

  const deploymentId = (index: number): string =>
    `ecs-svc/${String(Math.floor(uniform(seed, index, 9) * 9e15) + 1e15)}${String(1000 + index).slice(1)}`;

  function create(at: number, place: number): Task {
    const { id: deployment, revision, order } = primary();
    const task: Task = {
      id: hexId(`${seed}/${service}/task/${ordinal}`, 32),
      ordinal,
      place,
      deployment,
      revision,
      zone: ordinal % 3,
      createdAt: at,
      pullAt: at + Math.round(((order?.startSeconds ?? 20) * 1_000) / 3),
      startedAt: NEVER,
      healthyAt: NEVER,
      stoppingAt: NEVER,
      stoppedAt: NEVER,
      stop: null,
      accounted: false,
      adopted: null,
    };
    ordinal += 1;
    live.push(task);
    return task;
  }

  function startDeployment(
    at: number,
    revision: number,
    order: DeployOrder | null,
    back: { readonly of: Deployment; readonly reason: string } | null,
  ): Deployment {
    const before = primary();
    change(before, at, { status: 'ACTIVE' });
    const id = deploymentId(deployments.length);
    const deployment: Deployment = {
      id,
      revision,
      createdAt: at,
      changes: [
        { at, status: 'PRIMARY', rollout: 'IN_PROGRESS', reason: back?.reason ?? `ECS deployment ${id} in progress.` },
      ],
      failedAt: [],
      order,
      paceMs: order === null ? (back?.of.paceMs ?? PACE) : (order.everySeconds ?? PACE / 1_000) * 1_000,
      rollbackOf: back?.of.id ?? null,
      source: { id: before.id, revision: before.revision },
    };
    deployments.push(deployment);
    nextBatch = at;
    failedStarts = 0;
    said = new Map();
    return deployment;
  }

  function apply(order: Order): void {
    settled = false;
    switch (order.kind) {
      case 'deploy':
        startDeployment(order.at, order.revision, order, null);
        return;
      case 'scale':
        desired = order.desired;
        scales.push({ at: order.at, desired });
        nextBatch = order.at;
        return;
      case 'stop': {
        const running = live.filter(({ startedAt: from, stoppingAt }) => from <= order.at && stoppingAt > order.at);
        const chosen = order.task === undefined ? running : running.filter(({ id }) => id === order.task);
        for (const task of chosen.slice(0, order.count ?? 1))
          end(task, order.at, why(task, order.reason, order.given), 2_000);
        return;
      }
      case 'crash':
      case 'leak':
      case 'unhealthy':
        for (const task of live) replan(task, order.at);
        return;
    }
  }

  function account(at: number): void {
    const current = primary();
    for (const task of live) {
      const { stop } = task;
      if (task.accounted || stop === null || task.stoppingAt > at) continue;
      task.accounted = true;
      settled = false;
      if (stop.reason.startsWith('Scaling activity')) continue;
      const arn = options.context(task.deployment, task.revision, task.ordinal).targetGroupArn;
      if (stop.reason.startsWith('Task failed ELB')) {
        say(
          task.stoppingAt,
          `(task ${task.id}) (port ${options.port}) is unhealthy in (target-group ${arn}) due to (reason Health checks failed)`,
        );
        say(task.stoppingAt + 10, `has stopped 1 running tasks: (task ${task.id}).`);
      }
      if (task.startedAt < task.stoppingAt)
        say(task.stoppingAt + 20, `deregistered 1 targets in (target-group ${arn})`);
      if (!stop.starts) {
        failedStarts += 1;
        sayOnce(task.stoppingAt, `was unable to place a task. Reason: ${stop.reason}.`);
        if (failedStarts === 3) sayOnce(task.stoppingAt, `is unable to consistently start tasks successfully. ${MORE}`);
      }
      if (ownerOf(task, NEVER) === current.id && last(current.changes).rollout === 'IN_PROGRESS') {
        current.failedAt.push(task.stoppingAt);
      }
    }
    const still: Task[] = [];
    for (const task of live) (task.stoppedAt <= at ? ended : still).push(task);
    if (still.length !== live.length) {
      live = still;
      ended.sort((a, b) => a.stoppedAt - b.stoppedAt);
    }
  }

  function reconcile(at: number): void {
    const current = primary();
    const state = last(current.changes);
    const stays = live.filter(({ stoppingAt }) => stoppingAt > at);
    const mine = stays.filter((task) => ownerOf(task, NEVER) === current.id);
    const others = stays.filter((task) => ownerOf(task, NEVER) !== current.id);
    const healthy = (task: Task): boolean => task.healthyAt <= at;
    const { order } = current;

    const threshold = Math.min(200, Math.max(3, Math.ceil(desired / 2)));
    if (
      state.rollout === 'IN_PROGRESS' &&
      order?.outcome === 'fails-rollback' &&
      current.failedAt.length >= threshold
    ) {
      rollBack(at, current, mine);
      return;
    }

    const need = desired - mine.length;
    if (need > 0 && at >= nextBatch) {
      const room = Math.max(0, 2 * desired - live.length);
      const batch = state.rollout === 'IN_PROGRESS' ? Math.ceil(desired / 3) : desired;
      const lack = options.noRoom(at);
      if (lack !== null) sayOnce(at, lack);
      else start(at, Math.min(need, room, batch), mine);
      // ECS starts tasks that cannot start at all ever more slowly; crashes after RUNNING do not slow it down.
      const backOff = failedStarts < 3 ? 0 : Math.min(900_000, 10_000 * 2 ** (failedStarts - 3));
      nextBatch = at + Math.max(backOff, state.rollout === 'IN_PROGRESS' ? current.paceMs : STEP);
    }
    const surplus = mine.length - desired;
    if (surplus > 0) stopTasks(at, mine.slice(-surplus), current);
    const spare = mine.filter(healthy).length + others.filter(healthy).length - desired;
    const idle = others.filter((task) => !healthy(task));
    const old = [...idle, ...others.filter(healthy).slice(0, Math.max(0, spare))];
    if (old.length > 0 && (mine.length > 0 || desired === 0)) stopTasks(at, old, current);

    const complete = mine.length === desired && mine.every(healthy) && others.length === 0;
    const due = at >= current.createdAt + current.paceMs;
    if (complete && due && state.rollout === 'IN_PROGRESS' && live.length === mine.length) {
      change(current, at, { rollout: 'COMPLETED', reason: `ECS deployment ${current.id} completed.` });
      say(at, `(deployment ${current.id}) deployment completed.`);
      for (const other of deployments) {
        if (other !== current && last(other.changes).status === 'ACTIVE') change(other, at, { status: 'INACTIVE' });
      }
      failedStarts = 0;
    }
    if (complete && live.length === mine.length && last(current.changes).rollout !== 'IN_PROGRESS' && !settled) {
      settled = true;
      said = new Map();
      failedStarts = 0;
      if (at - lastSteady > 60_000) {
        say(at + 1, 'has reached a steady state.');
        lastSteady = at;
      }
    }
  }

  function rollBack(at: number, failed: Deployment, mine: readonly Task[]): void {
    const reason = 'ECS deployment circuit breaker: tasks failed to start.';
    change(failed, at, { rollout: 'FAILED', reason });
    say(at, `(deployment ${failed.id}) deployment failed: tasks failed to start.`);
    const source = failed.source ?? { id: failed.id, revision: options.revision };
    say(at + 1, `rolling back to deployment ${source.id}.`);
    const back = `ECS deployment circuit breaker: rolling back to deploymentId ${source.id}.`;
    const next = startDeployment(at, source.revision, null, { of: failed, reason: back });
    // The revision that never left: its tasks count for the new deployment, only what is missing is started.
    for (const task of live) {
      if (ownerOf(task, at) === source.id) task.adopted = { at, deployment: next.id };
    }
    for (const task of mine) end(task, at, why(task, 'scaling'), DRAIN);
  }

  function start(at: number, count: number, mine: readonly Task[]): void {
    if (count <= 0) return;
    settled = false;
    const taken = new Set(mine.map(({ place }) => place));
    const started: Task[] = [];
    for (let place = 0; started.length < count; place += 1) {
      if (taken.has(place)) continue;
      const task = create(at, place);
      plan(task, at);
      started.push(task);
    }
    const names = started.map(({ id }) => `(task ${id})`).join(' ');
    say(at, `has started ${count} tasks: ${names}.`);
    const arn = options.context(primary().id, primary().revision, 0).targetGroupArn;
    const register = started.filter(({ startedAt: from }) => Number.isFinite(from));
    if (register.length > 0)
      pending.push({
        at: register[0]!.startedAt,
        message: `registered ${register.length} targets in (target-group ${arn})`,
      });
  }
  /** Events of the near future. */
  let pending: { at: number; message: string }[] = [];

  function stopTasks(at: number, tasks: readonly Task[], current: Deployment): void {
    settled = false;
    for (const task of tasks)
      end(task, at, stopDetail('scaling', options.context(current.id, task.revision, task.ordinal)), DRAIN);
    const names = tasks.map(({ id }) => `(task ${id})`).join(' ');
    const arn = options.context(current.id, current.revision, 0).targetGroupArn;
    say(at, `has stopped ${tasks.length} running tasks: ${names}.`);
    say(at + 5, `deregistered ${tasks.length} targets in (target-group ${arn})`);
    events.push({
      id: uuid(`${seed}/${service}/${events.length}`),
      at: at + 10,
      message: `(service ${service}, taskSet ${tasks[0]!.deployment}) has begun draining connections on ${tasks.length} tasks.`,
    });
  }

  function advance(to: number): void {
    while (clock < to) {
      let next = settled ? to : Math.min(to, clock + STEP);
      const order = orders[done];
      if (order !== undefined) next = Math.min(next, Math.max(clock, order.at));
      if (settled) {
        next = Math.min(next, lastSteady + STEADY_EVERY);
        for (const { stoppingAt } of live) if (stoppingAt >= clock) next = Math.min(next, stoppingAt);
      }
      // A step that ends short of its grid (a question in between) must not move the grid: answers must not depend on
      // who asked when.
      if (!settled && next === to && to < clock + STEP && (order === undefined || order.at > to)) break;
      clock = next;
      for (const event of pending.filter(({ at }) => at <= clock)) say(event.at, event.message);
      pending = pending.filter(({ at }) => at > clock);
      while (orders[done] !== undefined && orders[done]!.at <= clock) {
        apply(orders[done]!);
        done += 1;
      }
      if (settled && clock >= lastSteady + STEADY_EVERY) {
        say(clock, 'has reached a steady state.');
        lastSteady = clock;
      }
      account(clock);
      if (!settled) reconcile(clock);
      if (settled && clock === to) break;
    }
  }

  reset();
  return {
    setOrders: (next) => {
      orders = [...next].sort((a, b) => a.at - b.at);
      pending = [];
      reset();
    },
    tasks: (from, to) => {
      advance(to);
      let low = 0;
      let high = ended.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (ended[middle]!.stoppedAt <= from) low = middle + 1;
        else high = middle;
      }
      const found = live.filter(({ createdAt, stoppedAt }) => createdAt < to && stoppedAt > from);
      for (let index = low; index < ended.length; index += 1) {
        if (ended[index]!.createdAt < to) found.push(ended[index]!);
      }
      return found;
    },
    state: (at) => {
      advance(at);
      const { order } = deployments.findLast(({ createdAt }) => createdAt <= at) ?? deployments[0]!;
      const unguarded = order !== null && (order.outcome === 'stuck' || order.outcome === 'never-healthy');
      return {
        desired: scales.findLast((scale) => scale.at <= at)?.desired ?? options.desired,
        deployments: deployments.filter(({ createdAt }) => createdAt <= at),
        circuitBreaker: options.circuitBreaker && !unguarded,
      };
    },
    events: (at) => {
      advance(at);
      return events
        .filter((event) => event.at <= at)
        .sort((a, b) => b.at - a.at)
        .slice(0, 100);
    },
    targetProblem: (task, at) => {
      for (const order of orders) {
        if (order.kind !== 'unhealthy' || at < order.at || at >= order.to) continue;
        if (task.place < (order.tasks ?? NEVER)) return { reason: order.reason, description: order.description };
      }
      const order = deployments.find(({ id }) => id === task.deployment)?.order;
      if (order?.outcome === 'never-healthy' && task.startedAt + 30_000 <= at) {
        return { reason: 'Target.FailedHealthChecks', description: 'Health checks failed' };
      }
      return null;
    },
  };
}

const uuid = (text: string): string => hexId(text, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
