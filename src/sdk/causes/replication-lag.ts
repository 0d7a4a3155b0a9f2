/** Causes of replication lag, told apart from one answer: the primary, the standby, and what each says of the other. */

import type { Judged } from '../../model/index.ts';
import { type AnyProbe, ask, type Facts, type Hypothesis, probe, rightNow } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { bytes, clockTime, duration, safeName, times } from '../format.ts';
import {
  flowOf,
  heldBy,
  isConflict,
  look,
  patience,
  rates,
  receives,
  slotOf,
  TRICKLE_BYTES_PER_SECOND,
  unread,
  type View,
} from './replication-view.ts';

const nothingElse = look('held-by', 'held', 'what else holds replay back', (view) => {
  const held = heldBy(view);
  if (held !== null) return opposes(4, `${view.name}: ${held}`, { headline: held });
  return view.replica === null
    ? unread(view)
    : supports(1, `nothing blocks replay on ${view.name}: no pause, no conflict`);
});

const surge =
  (weightFor: number, weightAgainst: number) =>
  (view: View, facts: Facts): Judged => {
    const rate = view.primary?.walBytesPerSecond ?? null;
    const before = view.primary?.walBytesPerSecondBefore ?? null;
    if (rate === null) return unknown('no_data', 'the WAL rate of the primary is not known');
    const ratio = before === null ? null : rate / Math.max(before, TRICKLE_BYTES_PER_SECOND);
    const text = `the primary writes ${bytes(rate)}/s of WAL${before === null ? '' : `, before ${bytes(before)}/s`}`;
    const limit = Number(facts.options['surgeBytesPerSecond']);
    const judged = (isSurge: boolean): Judged => {
      const weight = isSurge ? weightFor : weightAgainst;
      const headline = `WAL ${bytes(rate)}/s${before === null ? '' : `, before ${bytes(before)}/s`}`;
      return weight > 0 ? supports(weight, text, { headline }) : opposes(weight, text, { headline });
    };
    if (rate < limit) return judged(false);
    if (ratio === null) return unknown('no_data', `${text}; what it was before is not known`);
    if (ratio >= Number(facts.options['surgeRatio'])) return judged(true);
    return ratio < 1.5 ? judged(false) : neutral(`${text} (${times(ratio)})`);
  };

/** Steps on the way that fail for everybody, the standby included; a role that is not let in is only ours. */
const DOWN: ReadonlySet<string> = new Set([
  'refused',
  'tcp_timeout',
  'tcp_error',
  'dns_failed',
  'starting_up',
  'shutting_down',
  'hung',
]);

/** Whether the primary itself can be reached: a standby of a primary that is down has not lost its link by itself. */
const primaryProbe = (judge: (isDown: boolean, text: string) => Judged): AnyProbe =>
  probe<'postgres.reachability'>({
    id: 'primary',
    factor: 'primary',
    title: 'the way to the primary itself',
    ask: (_symptom, facts) => ask('postgres.reachability', facts, {}, rightNow(facts)),
    judge: ({ reason, message }) =>
      DOWN.has(reason)
        ? judge(true, `the primary itself cannot be reached: ${safeName(message, 120)}`)
        : judge(
            false,
            reason === 'ok' ? 'the primary answers' : `the primary answers (${reason.replaceAll('_', ' ')})`,
          ),
  });

/** The detector's options `surgeRatio` and `surgeBytesPerSecond` are read from the facts. */
export const replicationLagHypotheses: readonly Hypothesis[] = [
  {
    cause: 'database-unreachable',
    title: 'Database unreachable: the primary itself is down, so the standby gets nothing',
    prior: 0.1,
    on: 'self',
    mitigations: ['test-connection', 'server-status'],
    probes: [
      primaryProbe((isDown, text) =>
        isDown
          ? supports(6, text, { headline: 'because the primary cannot be reached' })
          : opposes(6, text, { headline: 'the primary answers' }),
      ),
    ],
  },
  {
    cause: 'replication-lag',
    variant: 'cut-link',
    title: 'Replication lag: the standby has lost its link to the primary',
    prior: 0.2,
    on: 'self',
    requires: ['receiver'],
    mitigations: ['check-link', 'look', 'cloudwatch-lag'],
    probes: [
      primaryProbe((isDown, text) =>
        isDown ? opposes(8, text, { headline: 'the primary itself is down' }) : neutral(text),
      ),
      look('receiver', 'receiver', "the standby's WAL receiver", (view) => {
        const { replica, name } = view;
        if (replica === null) return unread(view);
        const heard = replica.lastMessageSeconds;
        const last = heard === null ? '' : `, last message ${duration(heard)} ago`;
        const receiving = receives(replica);
        if (receiving === true)
          return opposes(5, `${name} streams from its primary${last}`, { headline: `receiver streaming${last}` });
        if (receiving === null)
          return neutral(`the WAL receiver of ${name} is there, its state is ${replica.receiver}${last}`);
        return replica.receiver === 'none'
          ? supports(3.5, `${name} has no WAL receiver: it gets nothing from its primary`, {
              headline: 'no WAL receiver',
            })
          : supports(
              3.5,
              `the WAL receiver of ${name} has heard nothing for ${duration(heard ?? 0)} (wal_receiver_timeout ${duration(replica.receiverTimeoutSeconds)})`,
              { headline: 'dead link' },
            );
      }),
      look(
        'walsender',
        'walsender',
        'the standby as the primary sees it',
        ({ primary, sender, name, replica, because }) => {
          if (primary === null) return unknown('no_data', 'the primary cannot be read');
          if (sender !== undefined)
            return opposes(2, `the primary has a WAL sender for ${name} (${sender.state})`, {
              headline: `the primary sends to it (${sender.state})`,
            });
          return replica === null
            ? supports(
                2.5,
                `${name} is gone from pg_stat_replication and does not answer itself (${because}): it is probably down, not only cut off`,
                { headline: 'gone, and not answering itself' },
              )
            : supports(2.5, `${name} is not in pg_stat_replication of the primary`);
        },
      ),
      look('slot-lost', 'slot', 'whether the WAL it needs is still there', (view) => {
        const slot = slotOf(view);
        if (slot?.walStatus !== 'lost')
          return neutral(
            slot === undefined ? 'no replication slot is its own' : `slot ${slot.name} is ${slot.walStatus ?? 'there'}`,
          );
        return opposes(6, `slot ${slot.name} is lost: the link is refused, not cut`, {
          headline: `slot ${slot.name} is lost`,
        });
      }),
    ],
  },
  {
    cause: 'replication-lag',
    variant: 'replica-query',
    title: 'Replication lag: a query on the standby holds up its replay',
    prior: 0.2,
    on: 'self',
    requires: ['conflict'],
    mitigations: ['cancel-query', 'look', 'cloudwatch-lag'],
    probes: [
      look('conflict', 'conflict', 'what the replaying process waits for', (view) => {
        const { replica, name } = view;
        if (replica === null) return unread(view);
        const event = replica.startupWaitEvent;
        if (isConflict(event))
          return supports(4, `replay on ${name} waits for a query to end (${event}); ${patience(replica)}`);
        if (replica.replayPaused) return opposes(4, `replay on ${name} is paused`, { headline: 'replay is paused' });
        if (event === null) return neutral(`the replaying process of ${name} waits for nothing, or hides it`);
        return opposes(4, `replay on ${name} waits for ${event}, not for a query`, {
          headline: `replay waits for ${event}`,
        });
      }),
      look('long-query', 'query', 'queries on the standby that hold a snapshot', (view, facts) => {
        const { replica, name } = view;
        if (replica === null) return unread(view);
        const longest = replica.longQueries[0];
        if (longest === undefined)
          return opposes(4, `no query on ${name} holds a snapshot for long`, { headline: 'no long query on it' });
        const age = longest.inTransactionSeconds ?? longest.inStateSeconds;
        const who = `pid ${longest.pid} (${safeName(longest.app)})`;
        const text = `${who} on ${name} is ${longest.state} and holds a snapshot since ${clockTime(replica.at - age * 1000)} (${duration(age)})`;
        if (replica.at - age * 1000 > facts.onset.latest)
          return opposes(3, `${text}, which is after the lag began`, { headline: 'no query is older than the lag' });
        return supports(2, text, {
          headline: `held up by ${who}`,
          slots: { pid: longest.pid, backendStart: longest.backendStart },
        });
      }),
      look('stands-still', 'flow', 'whether replay stands still while WAL comes in', (view) => {
        const { replica } = view;
        if (replica === null) return unread(view);
        const flow = flowOf(replica);
        if (flow === 'unknown') return neutral('its rates are not known yet');
        if (flow === 'stopped') return supports(1.5, `replay stands still: ${view.name} ${rates(replica)}`);
        return opposes(2, `${view.name} ${rates(replica)}`, { headline: rates(replica) });
      }),
    ],
  },
  {
    cause: 'replication-lag',
    variant: 'replay-paused',
    title: 'Replication lag: replay on the standby is paused',
    prior: 0.08,
    on: 'self',
    requires: ['paused'],
    mitigations: ['resume', 'look', 'cloudwatch-lag'],
    probes: [
      look('paused', 'paused', 'whether replay is paused', (view) => {
        if (view.replica === null) return unread(view);
        return view.replica.replayPaused
          ? supports(6, `replay on ${view.name} is paused (pg_is_wal_replay_paused)`, { headline: 'replay is paused' })
          : opposes(5, `replay on ${view.name} is not paused`, { headline: 'replay not paused' });
      }),
    ],
  },
  {
    cause: 'replication-lag',
    variant: 'wal-surge',
    title: 'Replication lag: the primary writes WAL faster than the standby replays it',
    prior: 0.2,
    on: 'self',
    requires: ['wal-rate'],
    mitigations: ['writers', 'replica-size', 'cloudwatch-lag'],
    probes: [
      look('wal-rate', 'wal', 'WAL written a second, against before', surge(3.5, -4)),
      nothingElse,
      look('receives', 'flow', 'whether replay is slower than receiving', (view) => {
        if (view.replica === null) return unread(view);
        const flow = flowOf(view.replica);
        if (flow === 'slower' || flow === 'stopped') return supports(1, `${view.name} ${rates(view.replica)}`);
        return flow === 'no-receive'
          ? opposes(3, `${view.name} receives no WAL`, { headline: 'it receives no WAL' })
          : neutral(`${view.name} ${rates(view.replica)}`);
      }),
    ],
  },
  {
    cause: 'replication-lag',
    variant: 'replica-overloaded',
    title: 'Replication lag: the standby replays too slowly, with nothing in its way',
    prior: 0.15,
    on: 'self',
    requires: ['slower'],
    mitigations: ['replica-load', 'replica-size', 'cloudwatch-lag'],
    probes: [
      look('slower', 'flow', 'whether replay is slower than receiving', (view) => {
        const { replica } = view;
        if (replica === null) return unread(view);
        const text = `${view.name} ${rates(replica)}`;
        const flow = flowOf(replica);
        if (flow === 'slower') return supports(3, text, { headline: rates(replica) });
        if (flow === 'stopped' || flow === 'unknown') return neutral(text);
        if (flow === 'keeps-up' && replica.replayedAllReceived === false) return neutral(`${text}: it catches up`);
        return opposes(3, text, { headline: rates(replica) });
      }),
      nothingElse,
      look('no-surge', 'wal', 'WAL written a second, against before', surge(-4, 1)),
    ],
  },
  {
    cause: 'replication-lag',
    variant: 'slot',
    title: 'Replication lag: WAL that the standby needs has been removed',
    prior: 0.06,
    on: 'self',
    requires: ['slot'],
    mitigations: ['look-slots', 'drop-slot', 'cloudwatch-lag'],
    probes: [
      look('slot', 'slot', "the standby's replication slot", (view) => {
        if (view.primary === null) return unknown('no_data', 'the slots of the primary cannot be read');
        const slot = slotOf(view);
        if (slot === undefined) return neutral('no replication slot is its own');
        const kept = slot.retainedBytes === null ? '' : `, keeps ${bytes(slot.retainedBytes)} of WAL`;
        const text = `slot ${slot.name} is ${slot.active ? 'active' : 'inactive'}, ${slot.walStatus ?? 'wal_status unknown'}${kept}`;
        if (slot.walStatus === 'lost')
          return supports(5, text, { headline: `slot ${slot.name} is lost`, slots: { slotName: slot.name } });
        if (slot.walStatus === 'unreserved') return supports(1, text, { slots: { slotName: slot.name } });
        return opposes(3.5, text, {
          headline: `slot ${slot.name} ${slot.walStatus ?? (slot.active ? 'active' : 'inactive')}`,
        });
      }),
      look('no-receiver', 'receiver', "the standby's WAL receiver", (view) => {
        if (view.replica === null) return unread(view);
        const receiving = receives(view.replica);
        if (receiving === true)
          return opposes(5, `${view.name} streams from its primary`, { headline: 'receiver streaming' });
        return receiving === false
          ? supports(0.5, `${view.name} receives nothing`)
          : neutral('the state of its receiver is not known');
      }),
    ],
  },
];
