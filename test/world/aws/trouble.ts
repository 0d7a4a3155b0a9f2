/** What can go wrong with AWS itself. Every one is taken back by the function that it returns. */

import { type Call, denied, expired, skewed, throttled } from './protocol.ts';

/** Every action that is spoken here; `*` in a trouble means all of them. */
export const ACTIONS = [
  'cloudwatch:GetMetricData',
  'cloudwatch:ListMetrics',
  'ecs:DescribeServices',
  'ecs:ListServices',
  'ecs:ListTasks',
  'ecs:DescribeTasks',
  'ecs:DescribeClusters',
  'ecs:ListContainerInstances',
  'ecs:DescribeContainerInstances',
  'ecs:ListServiceDeployments',
  'ecs:DescribeServiceDeployments',
  'ecs:DescribeTaskDefinition',
  'logs:FilterLogEvents',
  'rds:DescribeDBInstances',
  'rds:DescribeEvents',
  'elasticloadbalancing:DescribeTargetGroups',
  'elasticloadbalancing:DescribeTargetHealth',
  'elasticloadbalancing:DescribeLoadBalancerAttributes',
  'ec2:DescribeSecurityGroups',
  'autoscaling:DescribeAutoScalingGroups',
  'autoscaling:DescribeScalingActivities',
  'lambda:GetFunctionConcurrency',
  'lambda:GetAccountSettings',
  'lambda:ListEventSourceMappings',
  'sqs:GetQueueUrl',
  'sqs:GetQueueAttributes',
  'sts:AssumeRole',
] as const;

export type Action = (typeof ACTIONS)[number];
export type Restore = () => void;

export interface Trouble {
  deny(action: Action | '*'): Restore;
  /** The share of calls that are throttled, evenly spread: 0.25 refuses every fourth. */
  throttle(action: Action | '*', share?: number): Restore;
  /** Taken and never answered. */
  hang(action: Action | '*'): Restore;
  /** The connection is reset. */
  drop(action: Action | '*'): Restore;
  /** A 500 that is not of the protocol, as a proxy between gives it. */
  garbage(action: Action | '*'): Restore;
  /** The access keys seen so far are expired: those that AssumeRole gave, where there are such; else all. */
  expire(): Restore;
  /** That share of the series is answered in half, with StatusCode PartialData. */
  partial(share: number): Restore;
  /** Metrics are published so much later. */
  late(ms: number): Restore;
  /** No points and no listing of `MetricName` or `Namespace/MetricName` any more; `Namespace/*` for all of it. */
  forget(metric: string): Restore;
  /**
   * AWS' clock is that much ahead of this machine's: what is signed more than five minutes off is refused. The `Date` of
   * its answers says so, unless something between takes that header away.
   */
  clock(aheadMs: number, tells?: boolean): Restore;
  /** DescribeServices leaves service events out whose text it matches. */
  mute(event: RegExp): Restore;
  /** The fleet is in that region alone; in every other nothing is there. */
  confine(region: string): Restore;
}

export interface TroubleState {
  readonly trouble: Trouble;
  /** Refuses by throwing; else says how the answer is spoilt. `signedAt` is by the clock of who signed it. */
  before(call: Call, signedAt: number | null): 'answer' | 'hang' | 'drop' | 'garbage';
  /** The `Date` of answers; null for none. */
  date(): Date | null;
  muted(event: string): boolean;
  isElsewhere(region: string): boolean;
  partial(): number;
  lateMs(): number;
  forgotten(namespace: string, name: string): boolean;
  /** A new access key of AssumeRole. */
  issue(): string;
}

/** Signature Version 4 takes no request that is further off. */
const MOST_SKEW_MS = 5 * 60_000;

interface Entry {
  readonly kind: 'deny' | 'throttle' | 'hang' | 'drop' | 'garbage';
  readonly action: string;
  readonly share: number;
  debt: number;
}

export function createTrouble(): TroubleState {
  const entries = new Set<Entry>();
  const partials = new Set<{ readonly share: number }>();
  const lates = new Set<{ readonly ms: number }>();
  const forgotten = new Set<{ readonly metric: string }>();
  const clocks = new Set<{ readonly aheadMs: number; readonly tells: boolean }>();
  const mutes = new Set<{ readonly event: RegExp }>();
  const regions = new Set<{ readonly region: string }>();
  const seen = new Set<string>();
  const issued = new Set<string>();
  const dead = new Set<string>();

  function add(kind: Entry['kind'], action: string, share = 1): Restore {
    if (action !== '*' && !(ACTIONS as readonly string[]).includes(action)) {
      throw new Error(`no action ${action}; spoken are ${ACTIONS.join(', ')}`);
    }
    const entry: Entry = { kind, action, share, debt: 0 };
    entries.add(entry);
    return () => entries.delete(entry);
  }
  const put = <T>(set: Set<T>, value: T): Restore => {
    set.add(value);
    return () => set.delete(value);
  };
  const aheadMs = (): number => [...clocks].reduce((sum, one) => sum + one.aheadMs, 0);
  const ratio = (share: number): number => {
    if (!(share > 0 && share <= 1)) throw new Error(`share ${share}: expected more than 0 and at most 1`);
    return share;
  };

  return {
    trouble: {
      deny: (action) => add('deny', action),
      throttle: (action, share = 1) => add('throttle', action, ratio(share)),
      hang: (action) => add('hang', action),
      drop: (action) => add('drop', action),
      garbage: (action) => add('garbage', action),
      expire: () => {
        const keys = [...(issued.size > 0 ? issued : seen)];
        for (const key of keys) dead.add(key);
        return () => {
          for (const key of keys) dead.delete(key);
        };
      },
      partial: (share) => put(partials, { share: ratio(share) }),
      late: (ms) => put(lates, { ms }),
      forget: (metric) => put(forgotten, { metric }),
      clock: (aheadMs, tells = true) => put(clocks, { aheadMs, tells }),
      mute: (event) => put(mutes, { event }),
      confine: (region) => put(regions, { region }),
    },
    before: (call, signedAt) => {
      seen.add(call.accessKey);
      let spoilt: 'answer' | 'hang' | 'drop' | 'garbage' = 'answer';
      for (const entry of entries) {
        if (entry.action !== '*' && entry.action !== call.action) continue;
        if (entry.kind === 'hang' || entry.kind === 'drop' || entry.kind === 'garbage') spoilt = entry.kind;
      }
      if (spoilt !== 'answer') return spoilt;
      const off = signedAt === null ? 0 : signedAt - (Date.now() + aheadMs());
      if (Math.abs(off) > MOST_SKEW_MS) throw skewed(call.api, off);
      if (dead.has(call.accessKey)) throw expired(call.api);
      for (const entry of entries) {
        if (entry.action !== '*' && entry.action !== call.action) continue;
        if (entry.kind === 'deny') throw denied(call);
        if (entry.kind !== 'throttle') continue;
        entry.debt += entry.share;
        if (entry.debt < 1 - 1e-9) continue;
        entry.debt -= 1;
        throw throttled(call.api);
      }
      return 'answer';
    },
    date: () => ([...clocks].some(({ tells }) => !tells) ? null : new Date(Date.now() + aheadMs())),
    muted: (text) => [...mutes].some(({ event }) => event.test(text)),
    isElsewhere: (region) => [...regions].some((one) => one.region !== region),
    partial: () => Math.max(0, ...[...partials].map(({ share }) => share)),
    lateMs: () => [...lates].reduce((sum, { ms }) => sum + ms, 0),
    forgotten: (namespace, name) =>
      forgotten.size > 0 &&
      [...forgotten].some(({ metric }) => [name, `${namespace}/${name}`, `${namespace}/*`].includes(metric)),
    issue: () => {
      const key = `ASIA${String(issued.size + 1).padStart(16, '0')}`;
      issued.add(key);
      return key;
    },
  };
}
