/** An RDS instance as DescribeDBInstances has it, reduced to what a diagnosis needs; its events; changes out of both. */

import { createHash } from 'node:crypto';
import type { DBInstance, Event } from '@aws-sdk/client-rds';
import type { RdsInstanceAnswer } from '../../../model/aws.ts';
import type { Change, ChangeKind } from '../../../model/change.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import { redactAws } from '../errors.ts';

export type RdsFacts = Omit<RdsInstanceAnswer, 'at' | 'events'>;
export type RdsEvent = RdsInstanceAnswer['events'][number];

/** Pending values that may be shown; of any other (the master password is among them) only the name. */
const OPEN_PENDING = new Set([
  ...['DBInstanceClass', 'AllocatedStorage', 'Port', 'BackupRetentionPeriod', 'MultiAZ', 'EngineVersion', 'Iops'],
  ...['StorageThroughput', 'StorageType', 'DBInstanceIdentifier', 'CACertificateIdentifier', 'DBSubnetGroupName'],
]);

export function factsOf(instance: DBInstance): RdsFacts {
  const { Endpoint, AllocatedStorage, PendingModifiedValues, DBParameterGroups } = instance;
  const values = Object.entries(PendingModifiedValues ?? {})
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => (OPEN_PENDING.has(name) ? said(`${name} ${String(value)}`, 80) : said(name, 60)));
  const groups = (DBParameterGroups ?? [])
    .filter(({ ParameterApplyStatus }) => ParameterApplyStatus === 'pending-reboot')
    .map(({ DBParameterGroupName }) => `parameter group ${said(DBParameterGroupName ?? '?', 60)} waits for a reboot`);
  return {
    instance: instance.DBInstanceIdentifier ?? '',
    status: said(instance.DBInstanceStatus ?? 'unknown', 60),
    engine: said(instance.Engine ?? '', 40),
    version: said(instance.EngineVersion ?? '', 40),
    instanceClass: said(instance.DBInstanceClass ?? '', 40),
    multiAz: instance.MultiAZ === true,
    allocatedGiB: AllocatedStorage ?? null,
    pending: [...values, ...groups].slice(0, 20),
    host: Endpoint?.Address ?? null,
    port: portOf(instance),
  };
}

/** AWS' own words: names of groups and instances in them are wanted, so they are not masked as log lines are. */
function said(text: string, limit: number): string {
  const clean = redactAws(text);
  return clean.length <= limit ? clean : `${clean.slice(0, limit - 1)}…`;
}

/** `DbInstancePort` is 0 where only the endpoint has one. */
function portOf({ Endpoint, DbInstancePort }: DBInstance): number | null {
  const port = Endpoint?.Port ?? DbInstancePort ?? 0;
  return port > 0 ? port : null;
}

export function eventOf({ Date: at, Message, EventCategories }: Event): RdsEvent | null {
  if (at === undefined || Message === undefined) return null;
  const categories = (EventCategories ?? []).slice(0, 10).map((category) => said(category, 40));
  return { at: at.getTime(), message: said(Message, 200), categories };
}

/** Backups come every day and change nothing. */
export function isTold({ message, categories }: RdsEvent): boolean {
  if (categories.length > 0 && categories.every((category) => category === 'backup')) return false;
  return !/^(?:backing up|finished (?:db instance )?backup|automated (?:snapshot|backup))/i.test(message);
}

export function eventChange(target: string, instance: string, event: RdsEvent): Change {
  const { at, message } = event;
  return {
    id: changeId(instance, at, message),
    target,
    kind: kindOf(event),
    summary: `${instance}: ${message}`,
    at: { earliest: at, latest: at },
    source: `${instance}: rds:DescribeEvents`,
  };
}

/** By the categories of "Amazon RDS event categories and event messages", and by the message where one holds several. */
function kindOf({ message, categories }: RdsEvent): ChangeKind {
  const has = (...names: readonly string[]): boolean => names.some((name) => categories.includes(name));
  if (has('failover') || /fail(?:ed )?-?over/i.test(message)) return 'failover';
  if (/restart|reboot|shut ?down|stopp|start(?:ed|ing)\b|crash/i.test(message) && !has('failure', 'low storage')) {
    return 'restart';
  }
  if (has('availability', 'recovery')) return 'restart';
  if (has('failure', 'low storage', 'creation', 'deletion', 'restoration')) return 'other';
  return 'setting';
}

/** A backup is running beside normal work. */
const AS_AVAILABLE = new Set(['backing-up', 'configuring-log-exports', 'configuring-enhanced-monitoring']);

export interface Status {
  readonly at: EpochMs;
  readonly status: string;
}

export function statusChange(target: string, instance: string, before: Status, after: Status): Change | null {
  const plain = (status: string): string => (AS_AVAILABLE.has(status) ? 'available' : status);
  const [from, to] = [plain(before.status), plain(after.status)];
  if (from === to) return null;
  const told = to === 'available' ? from : to;
  const kind: ChangeKind = /^(?:rebooting|starting|stopping|stopped)$/.test(told)
    ? 'restart'
    : /^(?:modifying|upgrading|maintenance|configuring|resetting|renaming|storage-(?:config|optimi)|converting|moving)/.test(
          told,
        )
      ? 'setting'
      : 'other';
  const summary = `${instance}: status ${from} → ${to}`;
  return {
    id: changeId(instance, before.at, summary),
    target,
    kind,
    summary,
    at: { earliest: Math.min(before.at, after.at), latest: after.at },
    source: `${instance}: rds:DescribeDBInstances`,
  };
}

/** The same whenever and by whomever it is seen. */
export function changeId(instance: string, at: EpochMs, text: string): string {
  return `rds:${instance}:${at}:${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}
