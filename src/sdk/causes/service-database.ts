/**
 * The causes of a database as a service that depends on it feels them: the same hypotheses, beside what the service's own
 * messages and its readiness endpoint say, and for an unreachable one what RDS and its security groups say. Our way to
 * the database is not the service's: that it answers us does not prove that it answers the service.
 */

import type { Judged, LogKind, RdsInstanceAnswer, RdsNetworkAnswer } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, percent, plural, safeName } from '../format.ts';
import { connectionPoolHypotheses } from './connection-pool.ts';
import { lockContentionHypotheses } from './lock-contention.ts';
import { FEW_MESSAGES, healthQuestion, isHostOf, logShare, logsQuestion } from './service-questions.ts';
import { latencyText, overLevel, riseOf } from './service-series.ts';
import type { UnreachableVariant } from './unreachable.ts';
import { unreachableHypotheses } from './unreachable.ts';

export interface ServiceDatabaseOptions {
  /** The priors of the causes as the database's own detectors have them, multiplied by this. */
  readonly priorScale?: number;
  /** Also ask the service's readiness endpoint. */
  readonly readiness?: boolean;
}

/** The unreachable variants on each database that the service depends on; mitigations: `unreachableMitigations`. */
export function serviceDatabaseUnreachableHypotheses(options: ServiceDatabaseOptions = {}): readonly Hypothesis[] {
  const { priorScale = 0.3, readiness = true } = options;
  return unreachableHypotheses({ on: 'database', priorScale }).map((hypothesis) => {
    const variant = hypothesis.variant as UnreachableVariant;
    return {
      ...hypothesis,
      probes: [
        ...hypothesis.probes.map((one) => (one.id === 'reachability' ? answersUs(one, variant) : one)),
        serviceMessagesProbe(UNREACHABLE_KINDS, 1.5),
        ...rdsProbes(variant),
        ...(readiness ? [readyCheckProbe()] : []),
      ],
    };
  });
}

/** Connection slots and locks on each database that the service depends on; their own mitigations. */
export function serviceDatabaseHypotheses(options: ServiceDatabaseOptions = {}): readonly Hypothesis[] {
  const { priorScale = 0.3 } = options;
  const pool = connectionPoolHypotheses({ on: 'database', priorScale, elsewhere: true });
  const locks = lockContentionHypotheses({ on: 'database', priorScale, minimumShare: 0.15 });
  return [
    ...pool.map((one) => ({ ...one, probes: [...one.probes, serviceMessagesProbe(POOL_KINDS, 1.5)] })),
    ...locks.map((one) => ({ ...one, probes: [...one.probes, serviceMessagesProbe(LOCK_KINDS, 1), waitingProbe()] })),
  ];
}

/** Against before: up to here the answers are as fast as ever. */
const AS_FAST = 1.1;

/** Who waits for a lock is slow first and fails later: a service whose slowest requests are as fast as ever does not wait. */
function waitingProbe(): AnyProbe {
  return overLevel(
    {
      id: 'service-waits',
      factor: 'service-waits',
      title: 'time of the answers of the service',
      signal: 'latency_p95',
      also: ['latency_p99'],
    },
    (p95, _symptom, _facts, other) => {
      const p99 = other('latency_p99');
      const slowest = p99 ?? p95;
      const name = p99 === null ? 'p95' : 'p99';
      const rise = riseOf(slowest);
      if (rise === null) return neutral(`${name} ${latencyText(slowest.now)}; before is not known`);
      const observed = `${name} ${latencyText(slowest.now)}, before ${latencyText(slowest.before!)}`;
      if (rise > AS_FAST) return neutral(observed);
      return opposes(p99 === null ? 1.5 : 3, observed, { headline: `answers are as fast as before (${observed})` });
    },
  );
}

const POOL_KINDS: readonly LogKind[] = ['pool-timeout', 'database-refused', 'database-timeout'];
const LOCK_KINDS: readonly LogKind[] = ['database-timeout', 'database-error', 'pool-timeout', 'timeout'];
const UNREACHABLE_KINDS: readonly LogKind[] = [
  'database-refused',
  'database-timeout',
  'database-error',
  'pool-timeout',
  'name-resolution',
  'refused',
  'timeout',
  'authentication',
  'tls',
];
/** Kinds that are about any host at all, so only messages that name the database's own count. */
const OF_ANY_HOST: readonly LogKind[] = ['name-resolution', 'refused', 'authentication', 'tls', 'timeout'];

/** Among so many, one about the database would be there if it were what fails. */
const MANY_MESSAGES = 10;

/** What the service says of its database. A database's trouble that the service says nothing of is not its trouble. */
function serviceMessagesProbe(kinds: readonly LogKind[], weight: number): AnyProbe {
  return probe({
    id: 'service-messages',
    factor: 'service-messages',
    title: 'error messages of the service about its database',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const host = facts.on.slots['host'];
      const found = logShare(
        logs,
        facts,
        (one) =>
          kinds.includes(one.kind) &&
          (OF_ANY_HOST.includes(one.kind)
            ? host !== undefined && isHostOf(one.host, [host])
            : one.host === null || host === undefined || isHostOf(one.host, [host])),
      );
      if (found.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${found.fitting} of ${found.all} additional error messages are about the database`;
      if (found.top === null || found.share < 0.05) {
        const isSure = found.fitting === 0 && found.all >= MANY_MESSAGES;
        return opposes(isSure ? 3 : 2, observed, { headline: `${facts.target.name} says nothing of it` });
      }
      if (found.share < 0.2) return neutral(observed);
      const text = `${observed} (${percent(found.share)}): ${safeName(found.top.template, 120)}`;
      return supports(found.share >= 0.5 ? weight : weight / 2, text);
    },
  });
}

/** That it answers us rules out all that would keep everybody out; only the network can differ by who asks. */
function answersUs(reachability: AnyProbe, variant: UnreachableVariant): AnyProbe {
  return probe<'postgres.reachability'>({
    id: reachability.id,
    factor: reachability.factor,
    title: reachability.title,
    ask: (_symptom, facts) => ask('postgres.reachability', facts, {}),
    judge(answer, symptom, facts, answered) {
      if (answer.reason !== 'ok') return reachability.judge(answer, symptom, facts, answered);
      const observed = `${facts.on.name} answers us`;
      if (variant === 'network')
        return opposes(1.5, `${observed}; the service has another way`, { headline: observed });
      return opposes(6, observed, { headline: observed });
    },
  });
}

/** Status of the instance, and rules of its security groups that were lost: for whoever asks why it is unreachable. */
export function rdsProbes(variant: UnreachableVariant): readonly AnyProbe[] {
  return [rdsStatusProbe(variant), ...(variant === 'network' ? [rdsNetworkProbe()] : [])];
}

/** Statuses of an instance that explain a variant. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html */
const STATUSES: Readonly<Partial<Record<UnreachableVariant, RegExp>>> = {
  stopped: /^(?:stopped|stopping|failed|storage-full|inaccessible-encryption-credentials.*|deleting|restore-error)$/,
  'starting-up': /^(?:starting|rebooting|maintenance|upgrading|modifying|renaming|creating|backing-up)$/,
  hung: /^(?:storage-full|failed)$/,
};

/** Statuses under which an instance serves. */
const SERVING = /^(?:available|backing-up|modifying|storage-optimization|configuring-.*)$/;

function rdsStatusProbe(variant: UnreachableVariant): AnyProbe {
  return probe({
    id: 'rds-status',
    factor: 'rds',
    title: 'status and events of the RDS instance',
    ask: (_symptom, facts) => ask('rds.instance', facts, {}),
    judge(rds, _symptom, facts): Judged {
      const event = eventSince(rds, facts);
      const observed = `${safeName(rds.instance, 63)} is ${safeName(rds.status)}${event}`;
      const headline = `${safeName(rds.instance, 63)} is ${safeName(rds.status)}`;
      if (STATUSES[variant]?.test(rds.status) === true) return supports(2.5, observed, { headline });
      if (SERVING.test(rds.status))
        return variant === 'stopped' ? opposes(2, observed, { headline }) : neutral(observed);
      return variant === 'stopped' || variant === 'starting-up'
        ? neutral(observed)
        : opposes(2, observed, { headline });
    },
  });
}

function eventSince({ events }: RdsInstanceAnswer, facts: Facts): string {
  const event = events.find((one) => one.at >= facts.onset.earliest - 10 * 60_000);
  return event === undefined ? '' : `; ${clockTime(event.at)} ${safeName(event.message, 120)}`;
}

function rdsNetworkProbe(): AnyProbe {
  return probe({
    id: 'rds-network',
    factor: 'security-groups',
    title: 'rules of its security groups for the port',
    ask: (_symptom, facts) => ask('rds.network', facts, {}),
    judge(network, _symptom, facts): Judged {
      const lost = network.lost.find(({ lostBy }) => lostBy >= facts.onset.earliest - 15 * 60_000);
      const group = lost?.group ?? network.groups[0]?.id;
      const slots: Judged['slots'] = group === undefined ? {} : { securityGroup: group, port: network.port };
      if (lost !== undefined) {
        const observed = `${safeName(lost.group)} let port ${network.port} in from ${safeName(lost.source)} until ${clockTime(lost.seenAt)} and does not any more`;
        if (lost.seenAt > facts.onset.latest) return neutral(`${observed}, but only after it had begun`, { slots });
        return supports(5, observed, {
          headline: `${safeName(lost.group)} lost its rule for ${safeName(lost.source)}`,
          slots,
        });
      }
      return judgeGroups(network, slots);
    },
  });
}

function judgeGroups(network: RdsNetworkAnswer, slots: NonNullable<Judged['slots']>): Judged {
  const sources = network.groups.flatMap((group) => group.allows);
  if (sources.length === 0) {
    const observed = `no security group of ${safeName(network.instance, 63)} lets port ${network.port} in`;
    return supports(3, observed, { headline: observed, slots });
  }
  const observed = `port ${network.port} is open to ${plural(sources.length, 'source')}: ${safeName(sources.join(', '), 80)}; no rule was lost`;
  return opposes(1.5, observed, { headline: 'no rule of its security groups was lost', slots });
}

/** A database by one of the names that readiness endpoints give it. */
const DATABASE_NAME = /^(?:.*[-_. ])?(?:data_?base|db|postgres(?:ql)?|pg|sql|rds|aurora|prisma)(?:[-_. ].*)?$/i;

function readyCheckProbe(): AnyProbe {
  return probe({
    id: 'ready-check',
    factor: 'ready',
    title: 'what the readiness endpoint says of its database',
    ask: (_symptom, facts) => healthQuestion(facts),
    judge({ ready }, _symptom, facts) {
      const own = facts.on.name.toLowerCase();
      const checks = ready?.checks ?? [];
      const check =
        checks.find((one) => one.name.toLowerCase().includes(own)) ??
        checks.find((one) => DATABASE_NAME.test(one.name));
      if (check === undefined) return neutral('the readiness endpoint does not speak of a database');
      const detail = check.detail === null ? '' : `: ${safeName(check.detail, 80)}`;
      if (check.ok) {
        const observed = `the readiness endpoint reaches ${safeName(check.name)}`;
        return opposes(3, observed, { headline: observed });
      }
      return supports(1.5, `the readiness endpoint cannot reach ${safeName(check.name)}${detail}`);
    },
  });
}
