/** Pure: which standby is which, whether its link is up, and how far behind it is. */

import type { EpochMs } from '../../model/glossary.ts';
import type { ReplicaLook, StandbyRow } from './replication-reader.ts';

export interface KnownReplica {
  readonly name: string;
  /** As the replica itself told; null when it was never read. */
  readonly identity: ReplicaLook['identity'] | null;
}

/**
 * Each row with its name: the configured replica that it is, else its application name or address, made unique.
 * A replica is recognised, in this order, by application_name = its name, its slot, its cluster_name (which a receiver
 * takes for its application_name), its address; and where one is configured and one is connected, by that.
 */
export function nameStandbys(
  rows: readonly StandbyRow[],
  replicas: readonly KnownReplica[],
): readonly { readonly name: string; readonly row: StandbyRow }[] {
  const nameOfRow = new Map<StandbyRow, string>();
  const rules: readonly ((row: StandbyRow, replica: KnownReplica) => boolean)[] = [
    (row, { name }) => row.app === name,
    (row, { identity }) => row.slot !== null && row.slot === identity?.slot,
    (row, { identity }) => row.app === identity?.cluster,
    (row, { identity }) => row.client !== null && row.client === identity?.address,
  ];
  const openRows = (): readonly StandbyRow[] => rows.filter((row) => !nameOfRow.has(row));
  const openReplicas = (): readonly KnownReplica[] => {
    const taken = new Set(nameOfRow.values());
    return replicas.filter(({ name }) => !taken.has(name));
  };
  for (const rule of rules) {
    for (const replica of openReplicas()) {
      const matching = openRows().filter((row) => rule(row, replica));
      const rivals = openReplicas().filter((other) => matching.some((row) => rule(row, other)));
      const [match] = matching;
      // Two that look alike (two servers on one host) are not told apart by this rule.
      if (match !== undefined && matching.length === 1 && rivals.length === 1) nameOfRow.set(match, replica.name);
    }
  }
  const [only] = rows;
  const [replica] = replicas;
  if (only !== undefined && replica !== undefined && rows.length === 1 && replicas.length === 1) {
    const known = replica.identity?.slot ?? null;
    if (known === null || only.slot === null || known === only.slot) nameOfRow.set(only, replica.name);
  }
  const used = new Set([...replicas.map(({ name }) => name)]);
  return rows.map((row) => {
    const known = nameOfRow.get(row);
    return { name: known ?? unique(ownName(row), used), row };
  });
}

/** `walreceiver` is what every receiver calls itself without being told otherwise. */
function ownName({ app, client, slot }: StandbyRow): string {
  if (app !== 'walreceiver' && app !== '(unnamed)') return app;
  return slot ?? client ?? app;
}

function unique(name: string, used: Set<string>): string {
  let candidate = name;
  for (let number = 2; used.has(candidate); number += 1) candidate = `${name}-${number}`;
  used.add(candidate);
  return candidate;
}

/** The receiver is there, and the primary was heard of within twice wal_receiver_timeout (0: no limit is set). */
export function linkUp(look: ReplicaLook): boolean {
  if (look.receiver === 'none' || look.receiver === 'other') return false;
  const limit = 2 * look.receiverTimeoutSeconds;
  return limit === 0 || look.lastMessageSeconds === null || look.lastMessageSeconds <= limit;
}

/** Positions of the primary at the times of our looks, oldest first, of one life of the server. */
export type Positions = readonly { readonly at: EpochMs; readonly position: number }[];

/**
 * What the time of a replayed position says about lag: the primary had written no more than it at `latestEven`, and more
 * at `earliestBeyond`; the true lag lies between the two ages. Null where no look tells.
 */
export function positionAge(
  positions: Positions,
  replayed: number,
): { readonly latestEven: EpochMs | null; readonly earliestBeyond: EpochMs | null } {
  const beyond = positions.find(({ position }) => position > replayed);
  const even = positions.findLast(({ position }) => position <= replayed);
  return { latestEven: even?.at ?? null, earliestBeyond: beyond?.at ?? null };
}

/**
 * Lag of a standby as the primary sees it. replay_lag is NULL when idle and caught up, and it keeps its last value while
 * replay stands still (it is measured when a position is passed), so a position that stays behind counts too.
 */
export function lagOnPrimary(row: StandbyRow, positions: Positions, now: EpochMs): number | null {
  if (row.replayBytesBehind === 0) return 0;
  if (row.replayPosition === null) return row.replayLagSeconds;
  const { earliestBeyond } = positionAge(positions, row.replayPosition);
  const standing = earliestBeyond === null ? null : Math.max(0, now - earliestBeyond) / 1000;
  if (standing === null && row.replayLagSeconds === null) return null;
  return Math.max(standing ?? 0, row.replayLagSeconds ?? 0);
}

/**
 * Lag of a replica as it sees itself: none while it has replayed all that it received over a link that is up; else the
 * age of the last replayed transaction, but no more than the time since which the primary has been ahead: before that
 * it was idle, and the age says nothing. A primary that has not been read for `staleMs` tells nothing about idleness.
 */
export function lagOnReplica(look: ReplicaLook, positions: Positions, staleMs: number): number | null {
  const replayedAll = look.receivedPosition !== null && look.receivedPosition <= (look.replayPosition ?? 0);
  if (linkUp(look) && replayedAll) return 0;
  const age = look.replayAgeSeconds === null ? null : Math.max(0, look.replayAgeSeconds);
  const newest = positions.at(-1);
  if (look.replayPosition === null || newest === undefined || look.at - newest.at > staleMs) return age;
  const { latestEven, earliestBeyond } = positionAge(positions, look.replayPosition);
  if (earliestBeyond === null && (look.receivedPosition ?? 0) <= look.replayPosition) return 0;
  if (latestEven === null) return age;
  const most = Math.max(0, look.at - latestEven) / 1000;
  return age === null ? most : Math.min(age, most);
}

/** Bytes that the replica has yet to replay, of what it received or of what the primary is known to have written. */
export function bytesOnReplica(look: ReplicaLook, positions: Positions): number | null {
  if (look.replayPosition === null) return null;
  const written = Math.max(look.receivedPosition ?? 0, positions.at(-1)?.position ?? 0);
  return Math.max(0, written - look.replayPosition);
}

/** Bytes per second over the window, from the last look before it to the last look in it; null with fewer than two. */
export function walRate(positions: Positions, from: EpochMs, to: EpochMs): number | null {
  const inside = positions.filter(({ at }) => at > from && at <= to);
  const first = positions.findLast(({ at }) => at <= from) ?? inside[0];
  const last = inside.at(-1);
  if (first === undefined || last === undefined || last.at <= first.at) return null;
  return Math.max(0, (last.position - first.position) / ((last.at - first.at) / 1000));
}
