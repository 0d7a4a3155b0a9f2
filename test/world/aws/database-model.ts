/** One instance of RDS: what its metrics are at a time, and what DescribeDBInstances and DescribeEvents say of it. */

import { hash, hashText, normal, uniform, wander } from './random.ts';
import { createSeason } from './season.ts';
import type { Active, DatabaseEffects, DatabaseSpec } from './types.ts';

export interface DatabaseFacts {
  readonly instance: string;
  readonly replicaOf: string | null;
  readonly instanceClass: string;
  readonly engineVersion: string;
  readonly allocatedGiB: number;
  readonly storageType: 'gp2' | 'gp3';
  readonly connections: number;
  readonly cpu: number;
  readonly host: string;
  readonly port: number;
  readonly securityGroup: string;
}

export interface DatabaseChange {
  readonly at: number;
  readonly status?: string;
  readonly events?: readonly {
    readonly at?: number;
    readonly message: string;
    readonly categories: readonly string[];
  }[];
  /** A source whose rule is taken out of the security group, as `allows` names it: `10.0.0.0/16`, `sg-…`; true: all. */
  readonly removeRule?: string | true;
  readonly addRule?: string;
  readonly pending?: Readonly<Record<string, string | number>>;
}

export interface DatabaseModel {
  readonly facts: DatabaseFacts;
  conditions: readonly Active<DatabaseEffects>[];
  changes: readonly DatabaseChange[];
  status(at: number): string;
  /** Sources that may reach the port. */
  allows(at: number): readonly string[];
  pending(at: number): Readonly<Record<string, string | number>>;
  events(from: number, to: number): readonly { at: number; message: string; categories: readonly string[] }[];
  /** Mean over a slot, in CloudWatch's units; null when it publishes none. */
  value(metric: string, start: number, length: number): number | null;
}

const GIB = 1024 ** 3;

export const DATABASE_METRICS: Readonly<Record<string, string>> = {
  CPUUtilization: 'Percent',
  DatabaseConnections: 'Count',
  FreeStorageSpace: 'Bytes',
  FreeableMemory: 'Bytes',
  SwapUsage: 'Bytes',
  ReadLatency: 'Seconds',
  WriteLatency: 'Seconds',
  ReadIOPS: 'Count/Second',
  WriteIOPS: 'Count/Second',
  DiskQueueDepth: 'Count',
  ReplicaLag: 'Seconds',
  BurstBalance: 'Percent',
};

export function createDatabaseModel(
  spec: DatabaseSpec,
  fleetSeed: number,
  startedAt: number,
  timeZone: string,
  sources: readonly string[],
): DatabaseModel {
  const seed = hash(fleetSeed, hashText(`database/${spec.instance}`));
  const season = createSeason(timeZone);
  const facts: DatabaseFacts = {
    instance: spec.instance,
    replicaOf: spec.replicaOf ?? null,
    instanceClass: spec.instanceClass ?? 'db.r6g.xlarge',
    engineVersion: spec.engineVersion ?? '16.4',
    allocatedGiB: spec.allocatedGiB ?? 500,
    storageType: spec.storageType ?? 'gp2',
    connections: spec.connections ?? 120,
    cpu: spec.cpu ?? 0.32,
    host: spec.host ?? `${spec.instance}.c1a2b3c4d5e6.us-east-1.rds.amazonaws.com`,
    port: spec.port ?? 5432,
    securityGroup: spec.securityGroup ?? `sg-0${hash(seed, 9).toString(16).padStart(8, '0')}db0000a1`,
  };

  function combine(at: number, of: (effects: DatabaseEffects, condition: Active<DatabaseEffects>) => number): number {
    let sum = 0;
    for (const condition of model.conditions) {
      if (condition.from <= at && at < condition.to) sum += of(condition.effects, condition);
    }
    return sum;
  }
  function multiply(at: number, of: (effects: DatabaseEffects) => number | undefined): number {
    let product = 1;
    for (const { from, to, effects } of model.conditions) if (from <= at && at < to) product *= of(effects) ?? 1;
    return product;
  }
  /** Lag grows while the condition holds, and is made good at five seconds per second. */
  function lag(at: number): number {
    let seconds = 0;
    for (const { from, to, effects } of model.conditions) {
      if (effects.replicaLag === undefined || from > at) continue;
      const { addSeconds = 0, growth = 0 } = effects.replicaLag;
      const peak = addSeconds + (growth * (Math.min(at, to) - from)) / 1_000;
      seconds += at < to ? peak : Math.max(0, peak - (5 * (at - to)) / 1_000);
    }
    return seconds;
  }
  function setAt(at: number, of: (effects: DatabaseEffects) => number | undefined): number | undefined {
    const found = model.conditions.findLast((c) => c.from <= at && at < c.to && of(c.effects) !== undefined);
    return found === undefined ? undefined : of(found.effects);
  }

  const model: DatabaseModel = {
    facts,
    conditions: [],
    changes: [],
    status: (at) =>
      model.changes.findLast((change) => change.at <= at && change.status !== undefined)?.status ?? 'available',
    allows: (at) => {
      let allowed = sources;
      for (const { at: when, removeRule, addRule } of model.changes) {
        if (when > at) continue;
        if (removeRule !== undefined) allowed = removeRule === true ? [] : allowed.filter((s) => s !== removeRule);
        if (addRule !== undefined) allowed = [...allowed, addRule];
      }
      return allowed;
    },
    pending: (at) => Object.assign({}, ...model.changes.filter((c) => c.at <= at).map((c) => c.pending ?? {})),
    events: (from, to) => {
      const found: { at: number; message: string; categories: readonly string[] }[] = [];
      // A backup every night, as every instance has one.
      for (let day = Math.floor(from / 86_400_000); day * 86_400_000 <= to; day += 1) {
        const at = day * 86_400_000 + 4 * 3_600_000 + Math.floor(uniform(seed, day, 3) * 900_000);
        found.push({ at, message: 'Backing up DB instance', categories: ['backup'] });
        found.push({ at: at + 180_000, message: 'Finished DB Instance backup', categories: ['backup'] });
      }
      for (const change of model.changes) {
        for (const event of change.events ?? []) found.push({ ...event, at: event.at ?? change.at });
      }
      return found.filter(({ at }) => at >= from && at <= to && at >= startedAt).sort((a, b) => a.at - b.at);
    },
    value: (metric, start, length) => {
      if (start < startedAt) return null;
      const at = start + length / 2;
      if (['stopped', 'stopping', 'failed', 'creating'].includes(model.status(at))) return null;
      const index = hashText(metric);
      const noise = normal(seed, start, length / 1_000, index);
      const traffic = season.factor(at);
      const ripple = 1 + 0.03 * noise;
      switch (metric) {
        case 'CPUUtilization':
          return 100 * Math.min(1, facts.cpu * (0.3 + 0.7 * traffic) * ripple + combine(at, (e) => e.cpuAdd ?? 0));
        case 'DatabaseConnections':
          return Math.max(
            0,
            Math.round(
              facts.connections *
                (0.8 + 0.2 * traffic) *
                (1 + 0.02 * noise) *
                multiply(at, (e) => e.connectionsFactor) +
                combine(at, (e) => e.connectionsAdd ?? 0),
            ),
          );
        case 'FreeStorageSpace': {
          // A week's growth is cleaned up at its end.
          const grown = ((at / 604_800_000) % 1) * 0.06;
          return setAt(at, (e) => e.freeStorageBytes) ?? facts.allocatedGiB * GIB * (0.55 - grown);
        }
        case 'FreeableMemory':
          return 12 * GIB * (1 + 0.05 * wander(seed, at, 9_000_000)) * multiply(at, (e) => e.freeableMemoryFactor);
        case 'SwapUsage':
          return 12_000_000;
        case 'ReadLatency':
          return 0.0006 * (1 + 0.08 * noise) * multiply(at, (e) => e.readLatencyFactor);
        case 'WriteLatency':
          return 0.0012 * (1 + 0.08 * noise) * multiply(at, (e) => e.writeLatencyFactor);
        case 'ReadIOPS':
          return 180 * traffic * ripple;
        case 'WriteIOPS':
          return 260 * traffic * ripple;
        case 'DiskQueueDepth':
          return Math.max(0, 0.4 * traffic * (1 + 0.2 * noise)) + combine(at, (e) => e.queueDepthAdd ?? 0);
        case 'ReplicaLag':
          return facts.replicaOf === null ? null : Math.max(0, 0.25 + 0.12 * noise) + lag(at);
        case 'BurstBalance':
          return facts.storageType === 'gp2' ? Math.min(100, setAt(at, (e) => e.burstBalance) ?? 99.5) : null;
        default:
          return null;
      }
    },
  };
  return model;
}
