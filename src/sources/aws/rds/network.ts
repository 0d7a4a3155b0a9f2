/**
 * Who the security groups of an instance let in to its port, and which of these rules were lost. AWS keeps no history of
 * rules (CloudTrail does, for those who may read it), so the rules seen in the last 24 h are remembered here. Pure.
 */

import type { IpPermission, SecurityGroup } from '@aws-sdk/client-ec2';
import type { RdsNetworkAnswer } from '../../../model/aws.ts';
import type { Change } from '../../../model/change.ts';
import type { EpochMs } from '../../../model/glossary.ts';
import { changeId } from './instance.ts';

export type GroupRules = RdsNetworkAnswer['groups'][number];
export type LostRule = RdsNetworkAnswer['lost'][number];

export const MEMORY_MS = 24 * 3_600_000;
/** AWS allows 60 rules a group by default and 1,000 for all groups of an interface. */
const MAX_RULES = 1_000;

export interface NetworkMemory {
  readonly port: number;
  readonly at: EpochMs;
  readonly seen: readonly { readonly group: string; readonly source: string; readonly seenAt: EpochMs }[];
  readonly lost: readonly LostRule[];
}

export function rulesOf(group: SecurityGroup, port: number): GroupRules {
  const allows = (group.IpPermissions ?? []).filter((rule) => letsIn(rule, port)).flatMap(sourcesOf);
  return { id: group.GroupId ?? '?', allows: [...new Set(allows)].sort() };
}

/** Protocol -1 is all protocols and has no ports; 6 is TCP by its number. */
function letsIn({ IpProtocol, FromPort, ToPort }: IpPermission, port: number): boolean {
  if (IpProtocol === '-1') return true;
  if (IpProtocol !== 'tcp' && IpProtocol !== '6') return false;
  if (FromPort === undefined || FromPort === -1) return true;
  return FromPort <= port && port <= (ToPort ?? FromPort);
}

function sourcesOf({ IpRanges, Ipv6Ranges, PrefixListIds, UserIdGroupPairs }: IpPermission): readonly string[] {
  return [
    ...(IpRanges ?? []).map((range) => range.CidrIp),
    ...(Ipv6Ranges ?? []).map((range) => range.CidrIpv6),
    ...(PrefixListIds ?? []).map((list) => list.PrefixListId),
    ...(UserIdGroupPairs ?? []).map((pair) => pair.GroupId),
  ].filter((source): source is string => source !== undefined && /^[A-Za-z0-9:./-]{1,64}$/.test(source));
}

/**
 * The memory after a look. A rule is lost when its source was let in and no group lets it in any more: a group that was
 * replaced by another with the same rule is no loss. What comes back is not lost any more. Another port starts anew.
 */
export function remember(
  before: NetworkMemory | null,
  groups: readonly GroupRules[],
  port: number,
  now: EpochMs,
): NetworkMemory {
  const current = groups.flatMap(({ id, allows }) => allows.map((source) => ({ group: id, source, seenAt: now })));
  if (before === null || before.port !== port) return { port, at: now, seen: current.slice(0, MAX_RULES), lost: [] };
  const sources = new Set(current.map(({ source }) => source));
  const fresh = (seenAt: EpochMs): boolean => now - seenAt <= MEMORY_MS;
  const gone = before.seen.filter((rule) => !sources.has(rule.source) && fresh(rule.seenAt));
  const known = before.lost.filter((rule) => !sources.has(rule.source) && fresh(rule.lostBy));
  const newly = gone
    .filter((rule) => !known.some((each) => each.group === rule.group && each.source === rule.source))
    .map((rule): LostRule => ({ ...rule, lostBy: now }));
  return {
    port,
    at: now,
    seen: current.slice(0, MAX_RULES),
    lost: [...known, ...newly].slice(-MAX_RULES),
  };
}

/** What is told of two looks: sources that are let in no more, or anew. */
export function networkChanges(
  target: string,
  instance: string,
  before: NetworkMemory | null,
  after: NetworkMemory,
): readonly Change[] {
  if (before === null || before.port !== after.port) return [];
  const sources = ({ seen }: NetworkMemory): ReadonlyMap<string, string> =>
    new Map(seen.map(({ source, group }) => [source, group]));
  const [old, fresh] = [sources(before), sources(after)];
  const change = (summary: string): Change => ({
    id: changeId(instance, before.at, summary),
    target,
    kind: 'setting',
    summary,
    at: { earliest: Math.min(before.at, after.at), latest: after.at },
    source: `${instance}: ec2:DescribeSecurityGroups`,
  });
  return [
    ...[...old]
      .filter(([source]) => !fresh.has(source))
      .map(([source, group]) => change(`security group ${group} no longer lets ${source} in to port ${after.port}`)),
    ...[...fresh]
      .filter(([source]) => !old.has(source))
      .map(([source, group]) => change(`security group ${group} now lets ${source} in to port ${after.port}`)),
  ];
}
