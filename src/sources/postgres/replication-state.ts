/** What replication's collectors remember, for an hour: WAL positions, lags, and which standbys there are. */

import type { EpochMs } from '../../model/glossary.ts';
import type { Window } from '../../model/question.ts';
import type { PrimaryLook, ReplicaLook } from './replication-reader.ts';
import type { Positions } from './standbys.ts';

const RING_MS = 60 * 60_000;
/** Bounds memory where somebody polls every second. */
const RING_LENGTH = 4_000;
const MIN_RATE_MS = 1_000;

export interface Lag {
  readonly at: EpochMs;
  readonly standby: string;
  readonly from: 'primary' | 'replica';
  readonly lagSeconds: number | null;
  readonly lagBytes: number | null;
}

export interface ReplicationState {
  /** Of the primary's present life: a restart or a failover begins anew. */
  positions(): Positions;
  lags(): readonly Lag[];
  noteWritten(look: PrimaryLook, epoch: number): void;
  noteLag(lag: Lag): void;
  noteStandby(name: string, now: EpochMs): void;
  /** Those expected, or seen within the hour, that were not noted at `now`. */
  missing(expected: readonly string[], now: EpochMs): readonly string[];
  noteIdentity(name: string, identity: ReplicaLook['identity']): void;
  identityOf(name: string): ReplicaLook['identity'] | null;
  noteReplayed(name: string, look: ReplicaLook): void;
  /**
   * An earlier look at a replica, for rates up to `now`: the first of the window, and at least a second old, since two
   * looks a moment apart have no rate worth the name; where there is none such, the oldest that is there.
   */
  earlierLook(name: string, window: Window, now: EpochMs): ReplicaLook | null;
  snapshot(): unknown;
  restore(state: unknown): void;
}

export function createReplicationState(): ReplicationState {
  let epoch: number | null = null;
  let positions: Positions = [];
  let lags: readonly Lag[] = [];
  let seen = new Map<string, EpochMs>();
  let identities = new Map<string, ReplicaLook['identity']>();
  const looks = new Map<string, readonly ReplicaLook[]>();
  const recent = <Entry extends { readonly at: EpochMs }>(ring: readonly Entry[], entry: Entry): readonly Entry[] =>
    [...ring.filter(({ at }) => at > entry.at - RING_MS && at <= entry.at), entry].slice(-RING_LENGTH);

  return {
    positions: () => positions,
    lags: () => lags,
    noteWritten({ at, position }, nowEpoch) {
      const comparable = (epoch === null || epoch === nowEpoch) && (position ?? 0) >= (positions.at(-1)?.position ?? 0);
      if (!comparable) positions = [];
      epoch = nowEpoch;
      if (position !== null) positions = recent(positions, { at, position });
    },
    noteLag: (lag) => {
      lags = recent(lags, lag);
    },
    noteStandby: (name, now) => {
      seen.set(name, now);
    },
    missing(expected, now) {
      for (const [name, at] of seen) if (at <= now - RING_MS) seen.delete(name);
      return [...new Set([...expected, ...seen.keys()])].filter((name) => seen.get(name) !== now);
    },
    noteIdentity: (name, identity) => {
      // A replica that lost its link has no slot to tell, but it is still the same one.
      const slot = identity.slot ?? identities.get(name)?.slot ?? null;
      identities.set(name, { ...identity, slot });
    },
    identityOf: (name) => identities.get(name) ?? null,
    noteReplayed: (name, look) => {
      looks.set(name, recent(looks.get(name) ?? [], look));
    },
    earlierLook(name, window, now) {
      const old = (looks.get(name) ?? []).filter(({ at }) => at <= now - MIN_RATE_MS);
      return old.find(({ at }) => at >= window.from) ?? old.at(-1) ?? looks.get(name)?.[0] ?? null;
    },
    snapshot: () => ({ version: 1, positions, lags, seen: [...seen], identities: [...identities] }),
    restore(state) {
      if (typeof state !== 'object' || state === null || !('version' in state) || state.version !== 1) return;
      const saved = state as unknown as Saved;
      if (![saved.positions, saved.lags, saved.seen, saved.identities].every(Array.isArray)) return;
      positions = saved.positions;
      lags = saved.lags;
      seen = new Map(saved.seen);
      identities = new Map(saved.identities);
    },
  };
}

interface Saved {
  readonly positions: Positions;
  readonly lags: readonly Lag[];
  readonly seen: readonly (readonly [string, EpochMs])[];
  readonly identities: readonly (readonly [string, ReplicaLook['identity']])[];
}
