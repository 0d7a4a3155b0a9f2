/**
 * What keeps our calls small beside those of everybody else in the account: a token bucket and a cap on calls under way
 * for each service, first come, first served.
 */

import type { AwsAction } from './calls.ts';

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface Gate {
  /** Waits for its turn; gives what must be called when the call is over. Rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<() => void>;
}

/** Calls of one service under way at once. Sockets are a few more, so that a call never waits for one. */
export const MAX_CONCURRENT = 8;

export interface GateOptions extends Rate {
  readonly concurrency: number;
  /** A clock that never goes back, in milliseconds. */
  readonly monotonic: () => number;
}

export function createGate({ perSecond, burst, concurrency, monotonic }: GateOptions): Gate {
  const waiting = new Set<() => void>();
  let tokens = burst;
  let filledAt = monotonic();
  let running = 0;
  let timer: NodeJS.Timeout | null = null;

  const leave = (): (() => void) => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      running -= 1;
      admit();
    };
  };

  function admit(): void {
    const now = monotonic();
    tokens = Math.min(burst, tokens + (Math.max(0, now - filledAt) * perSecond) / 1000);
    filledAt = now;
    for (const start of waiting) {
      // A hair below one is one: sums of floats would otherwise wait for a timer of 0 ms.
      if (running >= concurrency || tokens < 1 - 1e-9) break;
      tokens -= 1;
      running += 1;
      waiting.delete(start);
      start();
    }
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (waiting.size > 0 && running < concurrency) {
      timer = setTimeout(admit, Math.max(1, Math.ceil(((1 - tokens) * 1000) / perSecond)));
    }
  }

  return {
    enter: (signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        const onAbort = (): void => {
          waiting.delete(start);
          admit();
          reject(signal.reason);
        };
        const start = (): void => {
          signal.removeEventListener('abort', onAbort);
          resolve(leave());
        };
        signal.addEventListener('abort', onAbort, { once: true });
        waiting.add(start);
        admit();
      }),
  };
}

export type RateName = 'cloudwatch' | 'cloudwatch:ListMetrics' | Exclude<Prefix<AwsAction>, 'cloudwatch'>;
type Prefix<A extends string> = A extends `${infer S}:${string}` ? S : never;

/**
 * Calls a second by account and service. GetMetricData takes a fifth of its 50 a second, ListMetrics of its 25. ECS
 * refills 20 cluster reads a second for everybody in the account; FilterLogEvents has 5 to 10; the control planes of
 * Lambda (15), RDS, ELB, EC2 and Auto Scaling are shared with deployments, which must not feel us.
 */
export const RATES: Readonly<Record<RateName, Rate>> = {
  cloudwatch: { perSecond: 10, burst: 10 },
  'cloudwatch:ListMetrics': { perSecond: 5, burst: 5 },
  ecs: { perSecond: 5, burst: 10 },
  logs: { perSecond: 2, burst: 4 },
  rds: { perSecond: 2, burst: 5 },
  elasticloadbalancing: { perSecond: 2, burst: 5 },
  ec2: { perSecond: 2, burst: 5 },
  autoscaling: { perSecond: 2, burst: 5 },
  lambda: { perSecond: 1, burst: 3 },
  sqs: { perSecond: 5, burst: 5 },
};

export function rateName(action: AwsAction): RateName {
  if (action === 'cloudwatch:ListMetrics') return action;
  return action.slice(0, action.indexOf(':')) as RateName;
}
