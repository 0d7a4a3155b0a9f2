/** What the replication answer says of one standby: the views that its probes, its effects and its texts share. */

import type { Judged, ReplicaFacts, ReplicationAnswer, StandbyOnPrimary, Symptom, Window } from '../../model/index.ts';
import { type AnyProbe, aroundOnset, ask, type Facts, probe, sinceOnset } from '../detector.ts';
import { unknown } from '../evidence.ts';
import { bytes, duration } from '../format.ts';

/** Below this a rate is a heartbeat, not a flow: an idle primary still writes a record now and then. */
export const TRICKLE_BYTES_PER_SECOND = 1024;

/** What an answer says of the symptom's standby. */
export interface View {
  readonly name: string;
  readonly replica: ReplicaFacts | null;
  readonly because: string;
  readonly primary: ReplicationAnswer['primary'];
  readonly sender: StandbyOnPrimary | undefined;
}

export function viewOf(value: ReplicationAnswer, name: string): View {
  const own = value.replicas[name];
  return {
    name,
    replica: own?.facts ?? null,
    because: own === undefined ? `${name} is not a configured replica` : (own.because ?? 'it gave no answer'),
    primary: value.primary,
    sender: value.primary?.standbys.find((one) => one.name === name),
  };
}

export const unread = (view: View): Judged => unknown('no_data', `${view.name} cannot be read: ${view.because}`);

/** Null when it cannot be told. A receiver that heard nothing for twice its timeout is a dead one. */
export function receives(replica: ReplicaFacts): boolean | null {
  if (replica.receiver === 'none') return false;
  const silent = replica.lastMessageSeconds;
  if (silent !== null && silent > 2 * replica.receiverTimeoutSeconds && replica.receiverTimeoutSeconds > 0)
    return false;
  return replica.receiver === 'streaming' ? true : null;
}

export const isConflict = (event: string | null): boolean =>
  event !== null && /RecoveryConflict|BufferPin|(^|:)relation$/i.test(event);

/** What else explains that replay does not go on, in words; null when nothing does. */
export function heldBy({ replica, primary, sender, name }: View): string | null {
  if (replica === null) return primary !== null && sender === undefined ? `${name} is gone from the primary` : null;
  if (replica.replayPaused) return 'replay is paused';
  if (receives(replica) === false) return 'the link to the primary is down';
  if ((replica.recoveryMinApplyDelayMs ?? 0) > 0)
    return `replay is delayed on purpose by ${duration((replica.recoveryMinApplyDelayMs ?? 0) / 1000)}`;
  return isConflict(replica.startupWaitEvent) ? 'replay waits for a query on the standby' : null;
}

export type Flow = 'unknown' | 'no-receive' | 'stopped' | 'slower' | 'keeps-up';

export function flowOf({
  receiveRateBytesPerSecond: received,
  replayRateBytesPerSecond: replayed,
}: ReplicaFacts): Flow {
  if (received === null || replayed === null) return 'unknown';
  if (received < TRICKLE_BYTES_PER_SECOND) return replayed > received ? 'keeps-up' : 'no-receive';
  if (replayed < 0.05 * received) return 'stopped';
  return replayed < 0.95 * received ? 'slower' : 'keeps-up';
}

export const rates = (replica: ReplicaFacts): string =>
  `receives ${bytes(replica.receiveRateBytesPerSecond ?? Number.NaN)}/s, replays ${bytes(replica.replayRateBytesPerSecond ?? Number.NaN)}/s`;

/**
 * From the onset on, and at least a minute or four polls: a window that began earlier would thin a surge of WAL out with
 * the quiet before it.
 */
export function replicationWindow(facts: Facts): Window {
  const pollMs = Number(facts.options['pollSeconds'] ?? 15) * 1000;
  return sinceOnset(facts, Math.min(60_000, 4 * pollMs));
}

/** A probe over the one answer that all of them share, so that it is asked for once. */
export function look(
  id: string,
  factor: string,
  title: string,
  judge: (view: View, facts: Facts, symptom: Symptom) => Judged,
): AnyProbe {
  return probe<'postgres.replication'>({
    id,
    factor,
    title,
    ask: (_symptom, facts) => ask('postgres.replication', facts, {}, replicationWindow(facts)),
    judge: (value, symptom, facts) => {
      const judged = judge(viewOf(value, symptom.subject), facts, symptom);
      const range = aroundOnset(facts);
      const known = facts.on.replicas?.[symptom.subject];
      const slots = {
        ...known,
        standby: symptom.subject,
        fromTime: isoSeconds(range.from),
        toTime: isoSeconds(range.to),
      };
      return { ...judged, slots: { ...slots, ...judged.slots } };
    },
  });
}

const isoSeconds = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;

/** The standby's physical slot: of its name, as names are usually derived, or the only one there is. */
export function slotOf({
  primary,
  name,
}: View): NonNullable<ReplicationAnswer['primary']>['slots'][number] | undefined {
  const physical = primary?.slots.filter((slot) => slot.type === 'physical') ?? [];
  const plain = name.toLowerCase().replace(/[^a-z0-9_]/g, '_');
  return physical.find((slot) => slot.name === plain) ?? (physical.length === 1 ? physical[0] : undefined);
}

export function patience({ maxStandbyStreamingDelayMs: delay }: ReplicaFacts): string {
  // Null and -1 both stand for no limit.
  return delay === null || delay < 0
    ? 'it waits for ever (max_standby_streaming_delay -1)'
    : `it waits up to ${duration(delay / 1000)} (max_standby_streaming_delay)`;
}

/** Seconds behind as either server knows it; 0 when all that came is replayed over a live link. */
export function lagSeconds(value: ReplicationAnswer, view: View): number | null {
  const { replica, sender } = view;
  // The primary's figure first: the replica's age grows while the primary is idle.
  if (sender !== undefined && (sender.replayLagSeconds !== null || sender.replayBytesBehind === 0))
    return sender.replayLagSeconds ?? 0;
  if (replica !== null && receives(replica) !== false)
    return replica.replayedAllReceived === true ? 0 : replica.replayAgeSeconds;
  return value.history.findLast((one) => one.standby === view.name)?.lagSeconds ?? null;
}
