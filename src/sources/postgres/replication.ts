/**
 * Replication, seen from both ends: `replication` reads the primary, `replication:<name>` each configured replica. Their
 * series have one target, the database, and say in the label `from` which end saw it.
 *
 * State, shared by the collectors of one database: the primary's WAL positions and the lags of the last hour, when each
 * standby was last in the primary's view, and what each replica can be recognised by.
 */

import type { EpochMs, Unit } from '../../model/glossary.ts';
import type { Series } from '../../model/series.ts';
import type { Blindness, PollResult, SignalInfo } from '../../model/source.ts';
import type { Collector, PostgresServer } from './collector.ts';
import { answerReplication, hiddenStandbys } from './replication-answer.ts';
import { type ReplicaLook, readPrimary, readReplica } from './replication-reader.ts';
import { createReplicationState } from './replication-state.ts';
import { point } from './row-values.ts';
import {
  bytesOnReplica,
  type KnownReplica,
  lagOnPrimary,
  lagOnReplica,
  linkUp,
  nameStandbys,
  walRate,
} from './standbys.ts';

const GROUP = 'replication';
const SIGNALS: Readonly<Record<string, { readonly unit: Unit; readonly description: string }>> = {
  standby_link_up: {
    unit: 'bool',
    description: 'the standby streams, as the primary or as the replica itself sees it',
  },
  standby_lag_seconds: { unit: 's', description: 'how old the newest change is that the standby shows; 0 when idle' },
  standby_lag_bytes: { unit: 'bytes', description: 'WAL that the standby has yet to replay' },
  wal_bytes_per_second: { unit: 'bytes_per_second', description: 'WAL that the primary writes' },
  slot_retained_bytes: { unit: 'bytes', description: 'WAL that a replication slot keeps from being removed' },
};

export const REPLICATION_SIGNALS: readonly SignalInfo[] = Object.entries(SIGNALS).map(
  ([signal, { unit, description }]) => ({
    signal,
    unit,
    group: GROUP,
    description,
  }),
);

export function createReplicationCollector(
  primary: PostgresServer,
  replicas: Readonly<Record<string, PostgresServer>>,
  options: { readonly periodMs: number },
): readonly Collector[] {
  const { periodMs } = options;
  const names = Object.keys(replicas);
  const state = createReplicationState();
  const known = (): readonly KnownReplica[] => names.map((name) => ({ name, identity: state.identityOf(name) }));
  const series = (signal: string, at: EpochMs, value: number, labels: Series['labels'] = {}): Series => {
    const unit = SIGNALS[signal]?.unit ?? 'count';
    return point({ target: primary.database, signal, unit, periodMs, labels }, at, value);
  };

  const pollPrimary = async (now: EpochMs, signal: AbortSignal): Promise<PollResult> => {
    const look = await readPrimary(primary, now, signal);
    const before = state.positions().at(-1);
    state.noteWritten(look, primary.epoch());
    const out: Series[] = [];
    const rate = before === undefined ? null : walRate(state.positions(), before.at, now);
    if (rate !== null) out.push(series('wal_bytes_per_second', now, rate));
    for (const { name, retainedBytes } of look.slots) {
      if (retainedBytes !== null)
        out.push(series('slot_retained_bytes', now, Math.max(0, retainedBytes), { slot: name }));
    }
    // Rows without content are no standbys that we could tell apart, and no reason to call one missing.
    if (look.hidden) return { series: out, changes: [], blind: [hiddenStandbys(primary, look)] };

    for (const { name, row } of nameStandbys(look.standbys, known())) {
      const labels = { standby: name, from: 'primary' };
      const lagSeconds = lagOnPrimary(row, state.positions(), now);
      out.push(series('standby_link_up', now, 1, labels));
      if (lagSeconds !== null) out.push(series('standby_lag_seconds', now, lagSeconds, labels));
      if (row.replayBytesBehind !== null) out.push(series('standby_lag_bytes', now, row.replayBytesBehind, labels));
      state.noteStandby(name, now);
      state.noteLag({ at: now, standby: name, from: 'primary', lagSeconds, lagBytes: row.replayBytesBehind });
    }
    // Aurora's replicas go by the names of their instances, which the configuration need not know.
    const expected = primary.facts()?.flavour === 'aurora' ? [] : names;
    for (const name of state.missing(expected, now)) {
      out.push(series('standby_link_up', now, 0, { standby: name, from: 'primary' }));
    }
    return { series: out, changes: [], blind: [] };
  };

  const pollReplica = async (
    name: string,
    server: PostgresServer,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<PollResult> => {
    const look = await readReplica(server, now, signal);
    state.noteIdentity(name, look.identity);
    const blind = look.receiver === 'hidden' ? [hiddenReceiver(server, look)] : [];
    // Aurora's replicas receive nothing. And where both ends have changed roles, the missing link is the primary's.
    const swapped = !look.inRecovery && primary.facts()?.role === 'replica';
    if (server.facts()?.flavour === 'aurora' || swapped) return { series: [], changes: [], blind };
    const labels = { standby: name, from: 'replica' };
    const out = [series('standby_link_up', now, look.inRecovery && linkUp(look) ? 1 : 0, labels)];
    const lagSeconds = look.inRecovery ? lagOnReplica(look, state.positions(), 3 * periodMs) : null;
    const lagBytes = look.inRecovery ? bytesOnReplica(look, state.positions()) : null;
    if (lagSeconds !== null) out.push(series('standby_lag_seconds', now, lagSeconds, labels));
    if (lagBytes !== null) out.push(series('standby_lag_bytes', now, lagBytes, labels));
    state.noteLag({ at: now, standby: name, from: 'replica', lagSeconds, lagBytes });
    state.noteReplayed(name, look);
    return { series: out, changes: [], blind };
  };

  const collector = (
    group: string,
    poll: Collector['poll'],
    rest: Pick<Collector, 'answers' | 'snapshot' | 'restore'>,
  ): Collector => ({ group, poll, ...rest });
  return [
    collector(GROUP, pollPrimary, {
      answers: {
        'postgres.replication': (question, now, signal) =>
          answerReplication({ primary, replicas, known, state, window: question.window, now, signal }),
      },
      snapshot: state.snapshot,
      restore: state.restore,
    }),
    ...Object.entries(replicas).map(([name, server]) =>
      collector(`${GROUP}:${name}`, (now, signal) => pollReplica(name, server, now, signal), stateless),
    ),
  ];
}

const stateless = { answers: {}, snapshot: () => null, restore: () => undefined };

function hiddenReceiver(server: PostgresServer, { role }: ReplicaLook): Blindness {
  const detail = `pg_stat_wal_receiver is hidden from role ${role}: a link that hangs cannot be told from an idle one`;
  // Roles are replicated: the grant is given on the primary.
  return { target: server.target, check: GROUP, because: 'denied', detail, grant: `GRANT pg_monitor TO ${role};` };
}
