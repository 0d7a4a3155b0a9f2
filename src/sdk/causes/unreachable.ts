/** A server that cannot be reached: the step on the way that failed says which cause, and each has its own cure. */

import type { Change, Judged, ReachabilityAnswer, ReachReason, ReachStep, TargetKind } from '../../model/index.ts';
import type { AnyProbe, Hypothesis } from '../detector.ts';
import { aroundOnset, ask, probe } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { clockTime, duration, milliseconds, percent, safeName } from '../format.ts';

export { unreachableMitigations } from './unreachable-mitigations.ts';

export type UnreachableVariant =
  | 'dns'
  | 'stopped'
  | 'network'
  | 'tls'
  | 'authentication'
  | 'missing-database'
  | 'starting-up'
  | 'too-many-connections'
  | 'hung';

interface Spec {
  readonly title: string;
  readonly prior: number;
  /** The reasons that settle it. */
  readonly reasons: readonly ReachReason[];
  /** Reasons that it could hide behind: they count against it only a little. */
  readonly possible: readonly ReachReason[];
  readonly changes: readonly Change['kind'][];
  /** The step that it would have failed, and what RULED OUT says when that step was passed. */
  readonly passed?: readonly [ReachStep, string];
  readonly mitigations: readonly string[];
}

const VARIANTS: Readonly<Record<UnreachableVariant, Spec>> = {
  stopped: {
    title: 'the server does not run: nothing listens on its port',
    passed: ['tcp', 'the port is open'],
    prior: 0.2,
    reasons: ['refused'],
    // A host that is off answers nothing, and a server that crashes resets.
    possible: ['tcp_timeout', 'reset'],
    changes: ['restart', 'failover', 'setting'],
    mitigations: ['server-status', 'server-events', 'start-server'],
  },
  network: {
    title: 'the network between us and the server does not let us through',
    passed: ['tcp', 'TCP connects'],
    prior: 0.15,
    reasons: ['tcp_timeout', 'tcp_error'],
    possible: ['refused', 'reset', 'protocol'],
    changes: ['deployment', 'setting', 'failover', 'other'],
    mitigations: ['test-connection', 'security-groups', 'server-status'],
  },
  'too-many-connections': {
    title: 'all connection slots are taken',
    prior: 0.15,
    reasons: ['too_many_connections', 'role_connection_limit'],
    possible: [],
    changes: ['setting', 'deployment'],
    mitigations: ['count-by-state', 'free-slot', 'role-limits', 'pool-settings'],
  },
  'starting-up': {
    title: 'the server is starting up or shutting down',
    passed: ['startup', 'it is up'],
    prior: 0.15,
    reasons: ['starting_up', 'shutting_down'],
    possible: ['reset'],
    changes: ['restart', 'failover', 'setting'],
    mitigations: ['test-connection', 'server-events', 'server-status'],
  },
  authentication: {
    title: 'the server does not let the role in',
    passed: ['authentication', 'the role gets in'],
    prior: 0.1,
    reasons: ['authentication_failed', 'not_permitted'],
    possible: [],
    changes: ['setting', 'deployment', 'other', 'failover'],
    mitigations: ['test-connection', 'login-roles', 'host-rules', 'secret-changes'],
  },
  hung: {
    title: 'the server accepts connections and does not answer',
    passed: ['startup', 'it answers'],
    prior: 0.1,
    reasons: ['hung'],
    possible: ['reset'],
    changes: ['failover', 'setting'],
    mitigations: ['test-connection', 'server-events', 'server-status', 'reboot-server'],
  },
  dns: {
    title: 'the host name does not resolve',
    passed: ['dns', 'the name resolves'],
    prior: 0.08,
    reasons: ['dns_failed'],
    possible: [],
    changes: ['deployment', 'failover', 'setting'],
    mitigations: ['resolve-name', 'server-status'],
  },
  tls: {
    title: 'the TLS handshake fails',
    passed: ['tls', 'TLS works'],
    prior: 0.04,
    reasons: ['tls_not_supported', 'tls_certificate', 'tls_error'],
    possible: ['protocol'],
    changes: ['restart', 'setting', 'failover', 'deployment'],
    mitigations: ['look-at-certificate', 'server-status'],
  },
  'missing-database': {
    title: 'the server runs, but the database is not there',
    prior: 0.02,
    reasons: ['no_such_database'],
    possible: [],
    changes: ['deployment', 'failover', 'other'],
    mitigations: ['list-databases', 'server-events'],
  },
};

export interface UnreachableOptions {
  /** `self` on a database, `database` on what depends on one. */
  readonly on?: 'self' | TargetKind;
  /** The priors, multiplied by this: 1 where the symptom is the unreachable server itself. */
  readonly priorScale?: number;
}

/** The variants as hypotheses; spread `unreachableMitigations` into the detector's mitigations beside them. */
export function unreachableHypotheses(options: UnreachableOptions = {}): readonly Hypothesis[] {
  return (Object.keys(VARIANTS) as readonly UnreachableVariant[]).map((variant) => {
    const spec = VARIANTS[variant];
    return {
      cause: 'database-unreachable',
      variant,
      title: `Database unreachable: ${spec.title}`,
      prior: spec.prior * (options.priorScale ?? 1),
      on: options.on ?? 'self',
      probes: [
        reachProbe(spec),
        ...(variant === 'too-many-connections' ? [slotsBeforeProbe()] : []),
        lastGoodProbe(variant),
        changesProbe(spec),
      ],
      requires: ['reachability'],
      mitigations: spec.mitigations,
    };
  });
}

function reachProbe(spec: Spec): AnyProbe {
  return probe({
    id: 'reachability',
    factor: 'way',
    title: 'a connection, step by step',
    ask: (_symptom, facts) => ask('postgres.reachability', facts, {}),
    judge(answer): Judged {
      const observed = stepText(answer);
      const headline = REASONS[answer.reason];
      if (answer.reason === 'ok') {
        return unknown('no_data', `${whereText(answer)} answers again: what kept us out can no longer be seen`);
      }
      if (spec.reasons.includes(answer.reason)) {
        return supports(6.5, observed, { headline, slots: { host: answer.host, port: answer.port } });
      }
      const [step, fine] = spec.passed ?? [];
      const isPassed = step !== undefined && answer.passed[step] !== undefined;
      return opposes(spec.possible.includes(answer.reason) ? 1.5 : 6, observed, {
        headline: isPassed && fine !== undefined ? fine : headline,
      });
    },
  });
}

/** What each reason means, in the fewest words. */
const REASONS: Readonly<Record<ReachReason, string>> = {
  ok: 'it answers',
  dns_failed: 'the name does not resolve',
  refused: 'connection refused',
  tcp_timeout: 'no answer to TCP',
  tcp_error: 'no way to the host',
  tls_not_supported: 'the server has no TLS',
  tls_certificate: 'the certificate is not accepted',
  tls_error: 'the TLS handshake fails',
  starting_up: 'it is starting up',
  shutting_down: 'it is shutting down',
  too_many_connections: 'too many connections',
  role_connection_limit: "the role's own connection limit is reached",
  authentication_failed: 'password or certificate of the role refused',
  not_permitted: 'pg_hba.conf does not permit us',
  no_such_database: 'the database does not exist',
  hung: 'it accepts connections and says nothing',
  reset: 'the connection is reset',
  protocol: 'what answers is not Postgres',
};

function whereText(answer: ReachabilityAnswer): string {
  const address = answer.address === null || answer.address === answer.host ? '' : ` (${safeName(answer.address)})`;
  return `${safeName(answer.host, 80)}:${answer.port}${address}`;
}

/** `main-db.internal:5432 (10.0.3.7): connection refused at step tcp after 2 ms (ECONNREFUSED)`. */
function stepText(answer: ReachabilityAnswer): string {
  const said = answer.message === '' ? '' : `: ${safeName(answer.message, 160)}`;
  const state = answer.sqlstate === null ? '' : ` [${safeName(answer.sqlstate)}]`;
  const rest =
    answer.reason === 'role_connection_limit'
      ? '; other roles may still get in'
      : answer.reason === 'authentication_failed' || answer.reason === 'not_permitted'
        ? '; the server itself runs, and others may still get in'
        : '';
  return `${whereText(answer)}: ${REASONS[answer.reason]} at step ${answer.step} after ${milliseconds(answer.elapsedMs)}${state}${said}${rest}`;
}

/** Slots at the last good poll: a server that was nearly full is refused by number, one that was not is not. */
function slotsBeforeProbe(): AnyProbe {
  return probe({
    id: 'slots-before',
    factor: 'slots',
    title: 'connection slots at the last good poll',
    ask: (_symptom, facts) => ask('postgres.reachability', facts, {}),
    judge({ lastGoodAt, lastUsed, lastUsable }, _symptom, facts) {
      if (lastGoodAt === null || lastUsed === null || lastUsable === null || lastUsable <= 0) {
        return neutral('slots before are not known');
      }
      const share = lastUsed / lastUsable;
      const observed = `${lastUsed} of ${lastUsable} slots (${percent(share)}) were taken at ${clockTime(lastGoodAt)}`;
      if (share >= 0.8) return supports(1.5, observed);
      const isRecent = facts.onset.latest - lastGoodAt < 2 * 60_000;
      return share < 0.5 && isRecent
        ? opposes(1, observed, { headline: `${lastUsed} of ${lastUsable} slots` })
        : neutral(observed);
    },
  });
}

/** What has never worked was never set up right; what worked until now was changed or broke. */
const SETUP: readonly UnreachableVariant[] = ['dns', 'tls', 'authentication', 'missing-database', 'network'];

function lastGoodProbe(variant: UnreachableVariant): AnyProbe {
  return probe({
    id: 'last-good',
    factor: 'last-good',
    title: 'the last poll that went through',
    ask: (_symptom, facts) => ask('postgres.reachability', facts, {}),
    judge({ lastGoodAt }, _symptom, facts) {
      if (lastGoodAt === null) {
        const observed = 'no poll has ever gone through: address, role and database may be configured wrong';
        return SETUP.includes(variant) ? supports(0.5, observed) : neutral(observed);
      }
      return neutral(
        `the last good poll was at ${clockTime(lastGoodAt)}, ${duration((facts.now - lastGoodAt) / 1000)} ago`,
      );
    },
  });
}

function changesProbe(spec: Spec): AnyProbe {
  return probe({
    id: 'changes',
    factor: 'changes',
    title: 'restarts, failovers and settings changed around the onset',
    ask: (_symptom, facts) => ask('changes', facts, {}, aroundOnset(facts, 30 * 60_000)),
    judge({ changes }, _symptom, facts) {
      const related = changes.filter((change) => spec.changes.includes(change.kind));
      const before = related.findLast((change) => change.at.earliest <= facts.onset.latest);
      if (before !== undefined) {
        const when = `between ${clockTime(before.at.earliest)} and ${clockTime(before.at.latest)}`;
        return supports(0.7, `${safeName(before.summary, 120)} ${when}`);
      }
      const after = related[0];
      if (after === undefined) return neutral('nothing of the kind was changed in the 30 min before');
      return opposes(0.7, `${safeName(after.summary, 120)}, but only after it began`);
    },
  });
}
