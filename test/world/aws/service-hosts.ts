/** Which tasks serve in a slot of time, and with what share of the requests. */

import type { EcsMachine } from './ecs-machine.ts';
import type { Task } from './ecs-orders.ts';

export interface Hosts {
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

export interface HostReader {
  of(start: number, end: number): Hosts;
  forget(): void;
}

export function createHosts(machine: EcsMachine): HostReader {
  // While nothing moves, every slot has the same hosts.
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

  return {
    of: hostsOf,
    forget: () => {
      steady = null;
    },
  };
}
