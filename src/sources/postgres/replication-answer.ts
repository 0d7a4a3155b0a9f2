/** The answer about replication: both ends read at once, each with its own deadline, beside the last hour's lags. */

import { messageOf } from '../../model/errors.ts';
import type { EpochMs } from '../../model/glossary.ts';
import type { ReplicaFacts, ReplicationAnswer } from '../../model/postgres.ts';
import type { Answer, Window } from '../../model/question.ts';
import type { Blindness } from '../../model/source.ts';
import type { PostgresServer } from './collector.ts';
import { unknownAnswer } from './failure.ts';
import { type PrimaryLook, type ReplicaLook, readLongQueries, readPrimary, readReplica } from './replication-reader.ts';
import type { Lag, ReplicationState } from './replication-state.ts';
import { type KnownReplica, lagOnPrimary, nameStandbys, type Positions, walRate } from './standbys.ts';

/** Without a look from the primary for that long, the replica's own stands in. */
const LOST_MS = 90_000;
/** An older look gives a rate of then, not of now. */
const RATE_MS = 5 * 60_000;

interface Asked {
  readonly primary: PostgresServer;
  readonly replicas: Readonly<Record<string, PostgresServer>>;
  readonly known: () => readonly KnownReplica[];
  readonly state: ReplicationState;
  readonly window: Window;
  readonly now: EpochMs;
  readonly signal: AbortSignal;
}

export async function answerReplication(asked: Asked): Promise<Answer<'postgres.replication'>> {
  const { primary, replicas, state, now, signal, window } = asked;
  const names = Object.keys(replicas);
  const [onPrimary, ...onReplicas] = await Promise.allSettled([
    readPrimary(primary, now, signal),
    ...Object.entries(replicas).map(([name, server]) =>
      readFacts(server, state.earlierLook(name, window, now), now, signal),
    ),
  ]);
  const kind = 'postgres.replication';
  if (!onReplicas.some(({ status }) => status === 'fulfilled')) {
    if (onPrimary.status === 'rejected') return unknownAnswer(kind, onPrimary.reason);
    if (onPrimary.value.hidden) {
      const { detail, grant } = hiddenStandbys(primary, onPrimary.value);
      return { state: 'unknown', kind, because: 'denied', detail, ...(grant !== null && { grant }) };
    }
  }
  const value: ReplicationAnswer = {
    at: now,
    // Rows that are hidden must not read as standbys that are not there.
    primary: onPrimary.status === 'fulfilled' && !onPrimary.value.hidden ? primaryOf(onPrimary.value, asked) : null,
    replicas: Object.fromEntries(
      onReplicas.map((result, index) => [
        names[index] ?? '',
        result.status === 'fulfilled'
          ? { facts: result.value, because: null }
          : { facts: null, because: messageOf(result.reason) },
      ]),
    ),
    history: historyOf(state.lags(), window),
  };
  const source = `${primary.database}: pg_stat_replication, pg_stat_wal_receiver`;
  return { state: 'answered', kind, value, at: now, source };
}

function primaryOf(look: PrimaryLook, { known, state, window, now }: Asked): ReplicationAnswer['primary'] {
  const past = state.positions();
  const newest = past.at(-1)?.position ?? 0;
  const comparable = look.position !== null && look.position >= newest && now > (past.at(-1)?.at ?? 0);
  const positions: Positions = comparable ? [...past, { at: now, position: look.position ?? 0 }] : past;
  return {
    standbys: nameStandbys(look.standbys, known()).map(({ name, row }) => ({
      name,
      client: row.client,
      state: row.state,
      syncState: row.syncState,
      sentBytesBehind: row.sentBytesBehind,
      replayBytesBehind: row.replayBytesBehind,
      replayLagSeconds: row.replayBytesBehind === 0 ? row.replayLagSeconds : lagOnPrimary(row, positions, now),
    })),
    walBytesPerSecond: walRate(positions, window.from, Math.max(window.to, now)),
    walBytesPerSecondBefore: walRate(positions, Number.NEGATIVE_INFINITY, window.from),
    slots: look.slots,
    walSenderTimeoutSeconds: look.walSenderTimeoutSeconds,
  };
}

async function readFacts(
  server: PostgresServer,
  before: ReplicaLook | null,
  now: EpochMs,
  signal: AbortSignal,
): Promise<ReplicaFacts> {
  const look = await readReplica(server, now, signal);
  // The facts stand without the sessions that may explain them.
  const longQueries = await readLongQueries(server, signal).catch(() => []);
  const seconds = before === null || now - before.at > RATE_MS ? 0 : (now - before.at) / 1000;
  const rate = (of: (look: ReplicaLook) => number | null): number | null => {
    const [old, fresh] = [before === null ? null : of(before), of(look)];
    return seconds > 0 && old !== null && fresh !== null && fresh >= old ? (fresh - old) / seconds : null;
  };
  const { receivedPosition: received, replayPosition: replayed } = look;
  const both = received !== null && replayed !== null;
  return {
    at: now,
    receiver: look.receiver,
    lastMessageSeconds: look.lastMessageSeconds,
    receiverTimeoutSeconds: look.receiverTimeoutSeconds,
    replayedAllReceived: both ? replayed >= received : null,
    replayAgeSeconds: look.replayAgeSeconds,
    receivedNotReplayedBytes: both ? Math.max(0, received - replayed) : null,
    replayPaused: look.replayPaused,
    longQueries,
    maxStandbyStreamingDelayMs: look.maxStandbyStreamingDelayMs,
    recoveryMinApplyDelayMs: look.recoveryMinApplyDelayMs,
    startupWaitEvent: look.startupWaitEvent,
    conflictsPerSecond: rate(({ conflicts }) => conflicts),
    hotStandbyFeedback: look.hotStandbyFeedback,
    receiveRateBytesPerSecond: rate(({ receivedPosition }) => receivedPosition),
    replayRateBytesPerSecond: rate(({ replayPosition }) => replayPosition),
  };
}

/** The primary's view of each standby, and the replica's own where the primary had lost sight of it. */
function historyOf(lags: readonly Lag[], window: Window): ReplicationAnswer['history'] {
  const lastOnPrimary = new Map<string, EpochMs>();
  const history: Lag[] = [];
  for (const lag of lags) {
    if (lag.from === 'primary') lastOnPrimary.set(lag.standby, lag.at);
    const gap = lag.at - (lastOnPrimary.get(lag.standby) ?? Number.NEGATIVE_INFINITY);
    if (lag.at < window.from || lag.at > window.to) continue;
    if (lag.from === 'primary' || gap > LOST_MS) history.push(lag);
  }
  return history.map(({ at, standby, lagSeconds, lagBytes }) => ({ at, standby, lagSeconds, lagBytes }));
}

export function hiddenStandbys(server: PostgresServer, { role }: PrimaryLook): Blindness {
  const detail = `the rows of pg_stat_replication are hidden from role ${role}`;
  return {
    target: server.target,
    check: 'replication',
    because: 'denied',
    detail,
    grant: `GRANT pg_monitor TO ${role};`,
  };
}
