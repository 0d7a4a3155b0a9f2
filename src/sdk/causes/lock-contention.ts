/**
 * Lock contention, told apart by who stands at the root of the lock tree. The four variants are one cause: whoever
 * looks at the same trouble from another symptom (latency, a full pool) names the same.
 */

import type { Judged, LockHolder, LockTreeAnswer, SlotValues, TargetKind } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { clockTime, duration, plural, safeName } from '../format.ts';
import { deploymentProbe, idleSessionsProbe, orderProbe, shareProbe } from './lock-context.ts';
import type { LockTreeView, LockVariant } from './lock-tree.ts';
import { commandText, ddlBehind, lockText, MONITOR_GRANT, readLockTree, stateText, who } from './lock-tree.ts';

export { lockContentionMitigations } from './lock-mitigations.ts';

export interface LockContentionOptions {
  /** `self` on a database, `database` on what depends on one. */
  readonly on?: 'self' | TargetKind;
  /** The four priors, multiplied by this: 1 where the symptom is blocked sessions themselves. */
  readonly priorScale?: number;
  /**
   * Where blocking would have to explain another symptom: the least share of client sessions that must be blocked for
   * it to do so. It also makes the order of the two onsets count. Left out where blocking is the symptom.
   */
  readonly minimumShare?: number;
}

const PRIORS: Readonly<Record<LockVariant, number>> = {
  'idle-in-transaction': 0.35,
  'ddl-queue': 0.2,
  'running-transaction': 0.3,
  'prepared-transaction': 0.03,
};

const TITLES: Readonly<Record<LockVariant, string>> = {
  'idle-in-transaction': 'an idle-in-transaction session holds the lock at the root of the chain',
  'ddl-queue': 'a DDL statement queues everyone behind it',
  'running-transaction': 'a running transaction holds the lock at the root of the chain',
  'prepared-transaction': 'a prepared transaction that nobody finished holds the lock',
};

/** Weight of being at the root of most victims: what is rare beforehand is as certain once it is seen. */
const SETTLED: Readonly<Record<LockVariant, number>> = {
  'idle-in-transaction': 4.2,
  'ddl-queue': 4.2,
  'running-transaction': 4.2,
  'prepared-transaction': 6.5,
};

const MITIGATIONS: Readonly<Record<LockVariant, readonly string[]>> = {
  'idle-in-transaction': ['look-at-root', 'terminate-root', 'limit-idle-in-transaction'],
  'ddl-queue': ['look-at-root', 'cancel-ddl', 'terminate-root', 'lock-timeout-for-migrations'],
  'running-transaction': ['look-at-root', 'cancel-root', 'terminate-root'],
  'prepared-transaction': ['look-at-prepared', 'rollback-prepared', 'commit-prepared'],
};

/** An idle session outside a transaction can hold an advisory lock: the same cure, but not quite the same trouble. */
const SESSION_LOCK_WEIGHT = 2.5;

/** The variants as hypotheses; spread `lockContentionMitigations` into the detector's mitigations beside them. */
export function lockContentionHypotheses(options: LockContentionOptions = {}): readonly Hypothesis[] {
  const { on = 'self', priorScale = 1, minimumShare } = options;
  const shared = minimumShare === undefined ? [] : [shareProbe(minimumShare), orderProbe()];
  const own: Readonly<Record<LockVariant, readonly AnyProbe[]>> = {
    'idle-in-transaction': [
      rootProbe('idle-in-transaction'),
      chainProbe(),
      // Elsewhere the sessions are not worth a question of their own.
      ...(minimumShare === undefined ? [idleSessionsProbe()] : []),
    ],
    'ddl-queue': [rootProbe('ddl-queue'), deploymentProbe()],
    'running-transaction': [rootProbe('running-transaction')],
    'prepared-transaction': [rootProbe('prepared-transaction')],
  };
  return (Object.keys(PRIORS) as readonly LockVariant[]).map((variant) => ({
    cause: 'lock-contention',
    variant,
    title: `Lock contention: ${TITLES[variant]}`,
    prior: PRIORS[variant] * priorScale,
    on,
    probes: [...own[variant], ...shared],
    requires: ['lock-root'],
    mitigations: MITIGATIONS[variant],
  }));
}

function rootProbe(variant: LockVariant): AnyProbe {
  return probe({
    id: 'lock-root',
    factor: 'root',
    title: 'the root of the lock tree',
    ask: (_symptom, facts) => ask('postgres.lock_tree', facts, {}),
    judge(tree, _symptom, facts) {
      if (tree.blockedSessions === 0) return nobodyWaits(tree, facts);
      const view = readLockTree(tree);
      const share = view.victims[variant] / view.total;
      if (view.victims[variant] === 0) return notThis(variant, view, tree);
      const found = describeRoot(variant, view, tree, facts);
      // A root with few of the victims is true, but not what the symptom is about.
      const sessionLock = variant === 'idle-in-transaction' && view.idle[0]?.state === 'idle';
      const most = sessionLock ? SESSION_LOCK_WEIGHT : SETTLED[variant];
      const weight = share >= 0.5 ? most : share >= 0.2 ? 1.5 : 0.5;
      return supports(weight, found.observed, { headline: found.headline, slots: found.slots });
    },
  });
}

function nobodyWaits(tree: LockTreeAnswer, facts: Facts): Judged {
  const blocked = tree.history.filter((point) => point.blocked > 0 && point.at >= facts.onset.earliest);
  const last = blocked.at(-1);
  if (last === undefined) return opposes(5, 'no session waits for a lock', { headline: '0 sessions blocked' });
  const most = Math.max(...blocked.map((point) => point.blocked));
  return opposes(
    2.5,
    `no session waits for a lock any more; ${plural(most, 'was', 'were')} blocked until ${clockTime(last.at)}`,
    { headline: `0 sessions blocked since ${clockTime(last.at)}` },
  );
}

interface Found {
  readonly observed: string;
  readonly headline: string;
  readonly slots: SlotValues;
}

function describeRoot(variant: LockVariant, view: LockTreeView, tree: LockTreeAnswer, facts: Facts): Found {
  if (variant === 'prepared-transaction') return describePrepared(tree, facts);
  if (variant === 'ddl-queue') {
    const { root, waiter } = view.ddl[0]!;
    const ddl = waiter ?? root;
    const slots = { ...rootSlots(root), ddlPid: ddl.pid, ddlBackendStart: ddl.backendStart, ...role(ddl.user) };
    if (waiter === null) {
      return {
        observed: `${holding(root)}; it blocks ${plural(root.blocksInAll, 'session')}`,
        headline: `by ${root.command === null ? 'a table lock' : safeName(root.command)} of ${who(root)}`,
        slots,
      };
    }
    return {
      observed:
        `${who(waiter)} waits for ${lockText(waiter.waitsForMode, waiter.relation)} (${commandText(waiter)}) behind ` +
        `${who(root)}, ${stateText(root)}; ${plural(waiter.blocksInAll, 'session')} queue behind pid ${waiter.pid}`,
      headline: `by pid ${waiter.pid}, ${commandText(waiter)} waiting behind ${who(root)}`,
      slots,
    };
  }
  const root = (variant === 'idle-in-transaction' ? view.idle : view.running)[0]!;
  return {
    observed: holding(root),
    headline:
      variant === 'idle-in-transaction'
        ? `by pid ${root.pid}, ${safeName(root.state)} (${safeName(root.app)})`
        : `by ${who(root)}, ${stateText(root)}`,
    slots: { ...rootSlots(root), ...role(root.user) },
  };
}

function describePrepared(tree: LockTreeAnswer, facts: Facts): Found {
  const oldest = tree.prepared[0];
  const victims = plural(tree.blockedByPrepared, 'session');
  if (oldest === undefined) {
    return {
      observed: `${victims} wait behind a prepared transaction`,
      headline: 'by a prepared transaction',
      slots: {},
    };
  }
  // With several it is not known which one holds the lock, and a rollback works only in the gid's own database.
  const here = facts.on.slots['database'];
  const sure = tree.prepared.length === 1 && (here === undefined || here === oldest.database);
  const others = tree.prepared.length > 1 ? ` and ${tree.prepared.length - 1} more` : '';
  return {
    observed:
      `${victims} wait behind a prepared transaction: ${safeName(oldest.gid)}${others} in ${safeName(oldest.database)}, ` +
      `prepared ${duration(oldest.preparedSeconds)} ago by ${safeName(oldest.owner)}`,
    headline: `by prepared transaction ${safeName(oldest.gid)}${others}`,
    slots: sure ? { gid: oldest.gid } : {},
  };
}

function holding(root: LockHolder): string {
  return `${who(root)} holds ${lockText(root.heldMode, root.relation)}, ${stateText(root)}`;
}

function rootSlots(root: LockHolder): SlotValues {
  return { pid: root.pid, backendStart: root.backendStart };
}

function role(user: string | undefined): SlotValues {
  return user === undefined ? {} : { roleName: user };
}

/** Why it is not this variant, with the session that stands there instead. */
function notThis(variant: LockVariant, view: LockTreeView, tree: LockTreeAnswer): Judged {
  if (variant === 'prepared-transaction') {
    return opposes(5, 'no session waits behind a prepared transaction', { headline: 'none blocks anyone' });
  }
  const idle = view.idle[0];
  const behindIdle = idle === undefined ? null : ddlBehind(idle, tree.waiters);
  if (variant === 'ddl-queue' && idle !== undefined && behindIdle !== null) {
    const observed = `${who(behindIdle)} (${commandText(behindIdle)}) waits itself for ${who(idle)}, ${stateText(idle)}`;
    return opposes(5, observed, { headline: `pid ${behindIdle.pid} waits itself for pid ${idle.pid}` });
  }
  const unseen = view.hidden[0];
  if (unseen !== undefined) {
    const observed = `the root is pid ${unseen.pid}, whose state is hidden from the role of runbookd`;
    return unknown('denied', observed, MONITOR_GRANT);
  }
  const root = view.ddl[0]?.root ?? idle ?? view.running[0];
  if (root !== undefined) {
    return opposes(5, `the root is ${who(root)}, ${stateText(root)}`, {
      headline: `root pid ${root.pid} is ${safeName(root.state)}`,
    });
  }
  if (tree.blockedByPrepared > 0) {
    const observed = `${plural(tree.blockedByPrepared, 'session')} wait behind a prepared transaction, not a session`;
    return opposes(5, observed, { headline: 'the root is a prepared transaction' });
  }
  return unknown('no_data', `${plural(tree.blockedSessions, 'session')} blocked, but no root was seen`);
}

/** How the victims hang together: a DDL in the chain looks guilty and is a victim. */
function chainProbe(): AnyProbe {
  return probe({
    id: 'lock-chain',
    factor: 'chain',
    title: 'the chain of waiting sessions',
    ask: (_symptom, facts) => ask('postgres.lock_tree', facts, {}),
    judge(tree) {
      const root = readLockTree(tree).idle[0];
      if (root === undefined) return neutral('no idle session at the root of a chain');
      const ddl = ddlBehind(root, tree.waiters);
      const victims = `it blocks ${plural(root.blocksInAll, 'session')}`;
      if (ddl === null) return supports(0.5, `${victims}, ${root.blocksDirectly} of them directly`);
      const through = `pid ${ddl.pid} (${commandText(ddl)} waiting, which queues everyone behind it)`;
      return supports(0.5, `${victims}, directly or through ${through}`);
    },
  });
}
