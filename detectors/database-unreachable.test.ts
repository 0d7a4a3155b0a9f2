import type { Diagnosis, ReachabilityAnswer, ReachReason, ReachStep } from 'runbookd/sdk';
import { describeDetector, judge, NOW, reading, TARGET, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import { detector } from './database-unreachable.ts';

const polls = (values: readonly number[]) => [reading('reachable', values, { unit: 'bool' })];
const FIRING = polls([1, 1, 0, 0, 0]);
const RDS = { ...TARGET, slots: { ...TARGET.slots, rdsInstance: 'rastup-prod', region: 'us-east-1' } };

const reach = (reason: ReachReason, step: ReachStep, over: Partial<ReachabilityAnswer> = {}): ReachabilityAnswer => ({
  at: NOW,
  step,
  reason,
  host: 'main-db.internal',
  port: 5432,
  address: '10.0.3.7',
  sqlstate: null,
  message: '',
  elapsedMs: 2,
  passed: { dns: 1 },
  lastGoodAt: NOW - 45_000,
  lastUsed: 40,
  lastUsable: 97,
  ...over,
});

const case_ = (
  name: string,
  variant: string,
  answer: ReachabilityAnswer,
  commands: readonly RegExp[],
  check?: (diagnosis: Diagnosis) => void,
) => ({
  name,
  readings: FIRING,
  answers: { 'postgres.reachability': answer, changes: { changes: [] } },
  first: { cause: 'database-unreachable', variant },
  atLeast: 0.85,
  verdict: 'cause' as const,
  commands,
  check: (diagnosis: Diagnosis) => {
    expect(Math.max(0, ...diagnosis.causes.slice(1).map((cause) => cause.confidence))).toBeLessThan(0.3);
    check?.(diagnosis);
  },
});

describeDetector(detector, {
  target: RDS,
  silent: [
    { name: 'every poll goes through', readings: polls([1, 1, 1]) },
    { name: 'one poll failed', readings: polls([1, 1, 0]) },
    { name: 'it answers again', readings: polls([0, 0, 1]) },
    { name: 'a single failure at the very start', readings: polls([0]) },
  ],
  firing: [
    {
      name: 'two polls in a row',
      readings: polls([1, 0, 0]),
      severity: 'critical',
      headline: /^unreachable for 15 s$/,
    },
    { name: 'two of the last three', readings: polls([1, 0, 1, 0]), severity: 'critical' },
    { name: 'never reached', readings: polls([0, 0]), severity: 'critical' },
    { name: 'still failing, one good poll between', readings: polls([0, 0, 1, 0]), active: [''] },
    {
      name: 'a single poll is enough when so configured',
      readings: polls([1, 0]),
      options: { needPolls: 1, ofPolls: 1 },
    },
  ],
  missing: [
    { name: 'never polled', readings: [] },
    { name: 'polls that ended', readings: FIRING.map((one) => ({ ...one, freshness: 'missing' as const })) },
  ],
  causes: [
    case_(
      'nothing listens',
      'stopped',
      reach('refused', 'tcp', { message: 'connect ECONNREFUSED 10.0.3.7:5432' }),
      [
        /aws rds describe-db-instances --db-instance-identifier rastup-prod/,
        /aws rds start-db-instance --region us-east-1 --db-instance-identifier rastup-prod$/,
      ],
      (diagnosis) => {
        expect(diagnosis.causes[0]!.evidence[0]).toMatchObject({
          observed:
            'main-db.internal:5432 (10.0.3.7): connection refused at step tcp after 2 ms: connect ECONNREFUSED 10.0.3.7:5432',
          headline: 'connection refused',
        });
        const observed = diagnosis.causes[0]!.evidence.map((line) => line.observed);
        expect(observed).toContain('the last good poll was at 14:04:15, 45 s ago');
      },
    ),
    case_('packets are dropped', 'network', reach('tcp_timeout', 'tcp', { elapsedMs: 5_000 }), [
      /^psql .* -c "SELECT 1;"$/,
      /VpcSecurityGroups/,
    ]),
    case_('no route', 'network', reach('tcp_error', 'tcp', { message: 'EHOSTUNREACH' }), [/SELECT 1/]),
    case_('the name is gone', 'dns', reach('dns_failed', 'dns', { address: null, passed: {} }), [
      /^dig \+short main-db\.internal$/,
    ]),
    case_('the server has no TLS', 'tls', reach('tls_not_supported', 'tls'), [
      /openssl s_client -starttls postgres -connect main-db\.internal:5432/,
    ]),
    case_('the certificate has ended', 'tls', reach('tls_certificate', 'tls', { message: 'certificate has expired' }), [
      /openssl/,
    ]),
    case_(
      'the password was changed',
      'authentication',
      reach('authentication_failed', 'authentication', { sqlstate: '28P01' }),
      [/from pg_roles where rolcanlogin/, /aws secretsmanager list-secrets/],
      (diagnosis) => {
        expect(diagnosis.causes[0]!.evidence[0]!.observed).toContain('the server itself runs');
        const because = new Map(diagnosis.ruledOut.map((one) => [one.variant, one.because]));
        expect(because.get('dns')).toBe('the name resolves');
        expect(because.get('hung')).toBe('password or certificate of the role refused');
      },
    ),
    case_(
      'pg_hba.conf has no line for us',
      'authentication',
      reach('not_permitted', 'authentication', { sqlstate: '28000' }),
      [/pg_hba_file_rules/],
    ),
    case_('the database was dropped', 'missing-database', reach('no_such_database', 'startup', { sqlstate: '3D000' }), [
      /-d postgres -c .* from pg_database/,
    ]),
    case_('recovery takes long', 'starting-up', reach('starting_up', 'startup', { sqlstate: '57P03' }), [
      /aws rds describe-events .* rastup-prod/,
    ]),
    case_('it is going down', 'starting-up', reach('shutting_down', 'startup', { sqlstate: '57P03' }), [/SELECT 1/]),
    case_(
      'no slot is left',
      'too-many-connections',
      reach('too_many_connections', 'startup', { sqlstate: '53300', lastUsed: 95 }),
      [/group by state, application_name/, /pg_terminate_backend\(pid\) .*limit 1\)/],
      (diagnosis) => {
        const slots = diagnosis.causes[0]!.evidence.find((line) => line.probe === 'slots-before');
        expect(slots).toMatchObject({ state: 'supports', observed: '95 of 97 slots (98 %) were taken at 14:04:15' });
      },
    ),
    case_(
      'only the role is at its limit',
      'too-many-connections',
      reach('role_connection_limit', 'startup', { sqlstate: '53300' }),
      [/rolconnlimit/],
      (diagnosis) => {
        expect(diagnosis.causes[0]!.evidence[0]).toMatchObject({
          headline: "the role's own connection limit is reached",
        });
        expect(diagnosis.causes[0]!.evidence[0]!.observed).toContain('other roles may still get in');
      },
    ),
    case_('it takes connections and says nothing', 'hung', reach('hung', 'startup', { elapsedMs: 5_000 }), [
      /aws rds reboot-db-instance --region us-east-1 --db-instance-identifier rastup-prod$/,
    ]),
    {
      name: 'a restart before the onset speaks for a stopped server, a failover after it does not',
      readings: FIRING,
      answers: {
        'postgres.reachability': reach('refused', 'tcp'),
        changes: {
          changes: [
            {
              id: 'r1',
              target: 'main-db',
              kind: 'restart',
              summary: 'restart',
              at: { earliest: NOW - 60_000, latest: NOW - 50_000 },
              source: 'main-db',
            },
          ],
        },
      },
      first: { cause: 'database-unreachable', variant: 'stopped' },
      check: (diagnosis) => {
        expect(diagnosis.causes[0]!.evidence.find((line) => line.probe === 'changes')?.state).toBe('supports');
      },
    },
    {
      name: 'a change that came after the onset speaks against its cause',
      readings: FIRING,
      answers: {
        'postgres.reachability': reach('refused', 'tcp'),
        changes: {
          changes: [
            {
              id: 'f1',
              target: 'main-db',
              kind: 'failover',
              summary: 'failover',
              at: { earliest: NOW - 9_000, latest: NOW - 5_000 },
              source: 'main-db',
            },
          ],
        },
      },
      first: { cause: 'database-unreachable', variant: 'stopped' },
      check: (diagnosis) => {
        expect(diagnosis.causes[0]!.evidence.find((line) => line.probe === 'changes')?.state).toBe('opposes');
      },
    },
    {
      name: 'it answers again before anyone looked',
      readings: FIRING,
      answers: { 'postgres.reachability': reach('ok', 'ok'), changes: { changes: [] } },
      verdict: 'inconclusive',
    },
    {
      name: 'nothing can be seen',
      readings: FIRING,
      answers: { 'postgres.reachability': unknownAnswer('timeout', 'no answer before the deadline') },
      verdict: 'inconclusive',
      check: (diagnosis) => expect(diagnosis.causes[0]!.confidence).toBeLessThan(0.5),
    },
  ],
});

test('the onset lies between the last good poll and the first failed one', () => {
  const judged = judge(detector, { name: '', readings: FIRING });
  expect(judged).toMatchObject({ symptoms: [{ onset: { earliest: NOW - 45_000, latest: NOW - 30_000 } }] });
});

test('a started server is seen to have worked', () => {
  const effect = detector.mitigations['start-server']!.effect!;
  const facts = { now: NOW, target: RDS, on: RDS, onset: { earliest: NOW, latest: NOW }, options: {} };
  expect(effect.judge(reach('refused', 'tcp'), {}, facts).state).toBe('not_yet');
  expect(effect.judge(reach('starting_up', 'startup'), {}, facts).state).toBe('partly');
  expect(effect.judge(reach('ok', 'ok'), {}, facts).state).toBe('worked');
});
