/** What will become of a task, as far as the orders that hold now say: its times are planned, and overtaken by events. */

import { type CrashOrder, type DeployOrder, NEVER, type Order, type StopOrder, type Task } from './ecs-orders.ts';
import type { StopContext } from './ecs-stops.ts';
import { type StopDetail, type StopReason, stopDetail } from './ecs-stops.ts';
import { uniform } from './random.ts';

export interface Fates {
  /** Ends a task at a time, unless it ends sooner anyway. */
  end(task: Task, at: number, stop: StopDetail, lingerMs: number): void;
  why(task: Task, kind: StopReason, given?: StopOrder['given']): StopDetail;
  /** Of a new task. */
  plan(task: Task, at: number): void;
  /** Of a task that runs, or is about to, when an order begins. */
  replan(task: Task, at: number): void;
}

interface FateOptions {
  readonly seed: number;
  orders(): readonly Order[];
  desired(): number;
  orderOf(deployment: string): DeployOrder | null;
  context(deployment: string, revision: number, ordinal: number): StopContext;
}

export function createFates(options: FateOptions): Fates {
  const { seed } = options;
  function end(task: Task, at: number, stop: StopDetail, lingerMs: number): void {
    if (at >= task.stoppingAt) return;
    task.stoppingAt = at;
    task.stoppedAt = at + lingerMs;
    task.stop = stop;
  }
  const why = (task: Task, kind: StopReason, given?: StopOrder['given']): StopDetail =>
    stopDetail(kind, options.context(task.deployment, task.revision, task.ordinal), given);

  /** Fills in what will become of a task, as far as the orders that hold now say. */
  function plan(task: Task, at: number): void {
    const order = options.orderOf(task.deployment);
    const crash = crashFor(task, at);
    const startMs = (crash?.startSeconds ?? order?.startSeconds ?? 20) * 1_000;
    task.startedAt = task.createdAt + startMs;
    task.healthyAt = task.startedAt + (crash?.healthSeconds ?? order?.healthSeconds ?? 20) * 1_000;
    if (order !== null && order.outcome !== 'completes') {
      if (order.outcome === 'never-healthy') {
        task.healthyAt = NEVER;
        end(task, task.startedAt + (order.graceSeconds ?? 90) * 1_000, why(task, 'health-check'), 10_000);
      } else if (order.outcome === 'stuck' && order.tasksFail === undefined) {
        task.startedAt = NEVER;
        task.healthyAt = NEVER;
      } else {
        fail(task, why(task, order.tasksFail ?? 'exit'), (order.failAfterSeconds ?? 15) * 1_000);
        task.healthyAt = NEVER;
      }
    }
    replan(task, at);
  }

  const crashFor = (task: Task, at: number): CrashOrder | undefined =>
    options
      .orders()
      .find(
        (order): order is CrashOrder =>
          order.kind === 'crash' && order.at <= at && at < order.to && task.place < (order.tasks ?? NEVER),
      );

  function fail(task: Task, stop: StopDetail, livesMs: number): void {
    if (!stop.starts) {
      end(task, task.startedAt, stop, 1_000);
      task.startedAt = NEVER;
      task.healthyAt = NEVER;
    } else {
      end(task, task.startedAt + livesMs, stop, 2_000);
    }
  }

  /** Orders that strike a task that already runs, or is about to. */
  function replan(task: Task, at: number): void {
    const crash = crashFor(task, at);
    if (crash !== undefined && at < task.stoppingAt) {
      const stop = why(task, crash.reason, crash.given);
      const lives = (crash.afterSeconds ?? 30) * 1_000 * (0.9 + 0.2 * uniform(seed, task.ordinal, 31));
      // Those that run already do not die in the same moment.
      const first = Math.max(at, task.startedAt + lives, crash.at + lives * ((task.place + 1) / options.desired()));
      const dies = task.startedAt <= at ? first : stop.starts ? task.startedAt + lives : task.startedAt;
      if (dies < crash.to && task.startedAt <= at) end(task, dies, stop, 2_000);
      else if (dies < crash.to) fail(task, stop, lives);
    }
    for (const leak of options.orders()) {
      if (leak.kind !== 'leak' || leak.at > at || at >= leak.to || leak.slopePerHour <= 0) continue;
      if (leak.revision !== null && leak.revision !== task.revision) continue;
      const from = Math.max(leak.at, task.startedAt);
      // Tasks do not fill at the same moment: their share of the traffic differs by a few percent.
      const slope = leak.slopePerHour * (0.94 + 0.12 * uniform(seed, task.ordinal, 41));
      const full = from + ((1 - leak.base) / slope) * 3_600_000;
      if (full < leak.to && Number.isFinite(full)) end(task, Math.max(at, full), why(task, 'out-of-memory'), 2_000);
    }
    for (const order of options.orders()) {
      if (order.kind !== 'unhealthy' || order.replaceAfterSeconds === undefined) continue;
      if (order.at > at || at >= order.to || task.place >= (order.tasks ?? NEVER)) continue;
      const when = Math.max(order.at, task.startedAt) + order.replaceAfterSeconds * 1_000;
      if (when < order.to) end(task, Math.max(at, when), why(task, 'health-check'), 10_000);
    }
  }

  return { end, why, plan, replan };
}
