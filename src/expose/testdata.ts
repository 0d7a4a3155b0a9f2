/** An incident with every part of the model filled, for tests of what leaves by HTTP. */

import type { Diagnosis, Evidence, Finding, Incident, Reading, Symptom } from '../model/index.ts';

export const AT = Date.UTC(2026, 10, 23, 14, 5, 0);

export const SYMPTOM: Symptom = {
  detector: 'lock-contention',
  target: 'main-db',
  subject: '',
  severity: 'critical',
  headline: '14 sessions blocked for 2 min',
  summary: '14 of 40 client sessions of main-db wait for locks.',
  onset: { earliest: AT - 155_000, latest: AT - 140_000 },
  readings: [
    {
      signal: 'blocked_sessions',
      labels: { app: 'checkout' },
      unit: 'count',
      at: AT,
      value: 14,
      expected: 0.2,
      lower: null,
      upper: 1,
    },
  ],
};

const EVIDENCE: Evidence = {
  probe: 'root-idle',
  factor: 'lock-root',
  state: 'supports',
  weight: 3.2,
  observed: 'pid 2134 (checkout-worker) holds RowExclusiveLock on public.orders',
  headline: 'by pid 2134',
  slots: { pid: 2134, backendStart: '2026-11-23 13:58:02.114873+00' },
  counted: true,
  source: 'main-db: pg_stat_activity, pg_blocking_pids()',
  at: AT,
};

export const DIAGNOSIS: Diagnosis = {
  verdict: 'cause',
  target: 'main-db',
  at: AT,
  symptom: SYMPTOM,
  causes: [
    {
      cause: 'lock-contention',
      on: 'main-db',
      variant: 'idle-in-transaction',
      title: 'Lock contention: an idle-in-transaction session holds the lock',
      confidence: 0.94,
      prior: -1.4,
      evidence: [
        EVIDENCE,
        { ...EVIDENCE, state: 'unknown', because: 'denied', grant: 'grant pg_monitor to monitor_ro', counted: false },
      ],
      mitigations: [
        {
          id: 'terminate-root',
          title: 'End pid 2134',
          risk: 'reversible',
          riskText: 'the transaction of pid 2134 is rolled back',
          precheck: 'psql -c "select 1"',
          command: 'psql -c "select pg_terminate_backend(2134)"',
          alternative: null,
          verify: null,
          undo: null,
          effect: 'blocked sessions 0 within 10 s',
          slots: { pid: 2134 },
        },
        { id: 'kill-app', title: 'Restart the application', withheld: '{service} is not known' },
      ],
    },
  ],
  ruledOut: [
    {
      cause: 'slow-query',
      on: 'main-db',
      variant: null,
      title: 'Slow query',
      confidence: 0.03,
      because: 'no statement over its baseline',
    },
  ],
  gaps: [
    {
      what: 'statement texts',
      because: 'denied',
      detail: 'permission denied for view',
      hides: ['slow-query'],
      grant: 'grant pg_monitor to monitor_ro',
    },
  ],
  unexplained: 0.06,
  changes: { lookbackMs: 7_200_000, seen: [{ at: { earliest: AT - 9000, latest: AT - 8000 }, summary: 'deploy 512' }] },
  runbook: 'Database / Lock Contention',
  wouldSeparate: null,
};

export const FINDING: Finding = {
  id: '01JDFINDING',
  detector: 'lock-contention',
  target: 'main-db',
  subject: '',
  state: 'firing',
  noData: false,
  noDataSince: null,
  symptom: SYMPTOM,
  firstSeenAt: AT - 120_000,
  firedAt: AT - 90_000,
  resolvedAt: null,
  judgedAt: AT,
  cleanPolls: 0,
  cleanSince: null,
  turns: [AT - 90_000],
  diagnosis: DIAGNOSIS,
  diagnosedAt: AT,
};

export const INCIDENT: Incident = {
  id: '01JDINCIDENT',
  state: 'open',
  openedAt: AT - 90_000,
  resolvedAt: null,
  severity: 'critical',
  cause: { cause: 'lock-contention', on: 'main-db' },
  findings: ['01JDFINDING'],
  lead: FINDING,
  log: [
    {
      at: AT,
      reason: 'opened',
      severity: 'critical',
      cause: { cause: 'lock-contention', on: 'main-db' },
      variant: null,
      effect: null,
      headline: '14 sessions blocked',
      measure: 14,
    },
  ],
  pagedSeverities: ['critical'],
  effects: [
    {
      detector: 'lock-contention',
      mitigation: 'terminate-root',
      on: 'main-db',
      slots: { pid: 2134 },
      state: 'not_yet',
      observed: '14 blocked',
      at: AT,
      appliedAt: null,
    },
  ],
};

const NOT_READY = {
  expected: Number.NaN,
  lower: Number.NaN,
  upper: Number.NaN,
  mean: Number.NaN,
  samples: 0,
  ready: false,
  profile: 'none',
} as const;
const READY = { expected: 2, lower: 1, upper: 3, mean: 2, samples: 288, ready: true, profile: 'last_24h' } as const;

export function reading(target: string, signal: string, options: Partial<Reading> & { ready?: boolean } = {}): Reading {
  const { ready = true, ...rest } = options;
  const band = ready ? READY : NOT_READY;
  const samples = [5, 7].map((value, index) => ({ at: AT + index * 15_000, value, band }));
  return { target, signal, labels: {}, unit: 'count', periodMs: 15_000, freshness: 'present', samples, ...rest };
}
