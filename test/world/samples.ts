/** Findings, incidents, notifications and changes with every field filled, for tests that store and send them. */

import type { Change, Finding, Incident, Notification } from '../../src/model/index.ts';

export const AT = Date.UTC(2026, 10, 23, 14, 2, 30);

export function sampleFinding(id: string, fields: Partial<Finding> = {}): Finding {
  return {
    id,
    detector: 'lock-contention',
    target: 'main-db',
    subject: '',
    state: 'firing',
    noData: false,
    noDataSince: null,
    symptom: {
      detector: 'lock-contention',
      target: 'main-db',
      subject: '',
      severity: 'critical',
      headline: '14 sessions blocked for 2 min',
      summary: '14 of 40 client sessions of main-db wait for locks.',
      onset: { earliest: AT - 5_000, latest: AT },
      readings: [
        {
          signal: 'blocked_sessions',
          labels: { role: 'primary' },
          unit: 'count',
          at: AT,
          value: 14,
          expected: 0.25,
          lower: 0,
          upper: null,
        },
      ],
    },
    firstSeenAt: AT,
    firedAt: AT + 30_000,
    resolvedAt: null,
    judgedAt: AT + 60_000,
    cleanPolls: 0,
    cleanSince: null,
    turns: [AT],
    diagnosis: null,
    diagnosedAt: null,
    ...fields,
  };
}

export function sampleIncident(id: string, fields: Partial<Incident> = {}): Incident {
  return {
    id,
    state: 'open',
    openedAt: AT,
    resolvedAt: null,
    severity: 'critical',
    cause: { cause: 'lock-contention', on: 'main-db' },
    findings: [`${id}-finding`],
    lead: sampleFinding(`${id}-finding`),
    log: [
      {
        at: AT,
        reason: 'opened',
        severity: 'critical',
        cause: null,
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
        mitigation: 'terminate',
        on: 'main-db',
        slots: { pid: 2134 },
        state: 'worked',
        observed: '0 blocked',
        at: AT,
        appliedAt: AT,
      },
    ],
    ...fields,
  };
}

export function sampleNotification(id: string, fields: Partial<Notification> = {}): Notification {
  return {
    id,
    kind: 'trigger',
    key: `runbookd:prod:${id}`,
    incident: `incident-${id}`,
    at: AT,
    severity: 'critical',
    summary: 'main-db: 14 sessions blocked for 2 min by pid 2134 · 94 % lock contention',
    target: 'main-db',
    detector: 'lock-contention',
    cause: 'lock-contention',
    reason: 'opened',
    sections: [
      { heading: 'WHAT', lines: ['14 of 40 client sessions of main-db wait for locks.'], value: 99 },
      { heading: 'RULED OUT', lines: ['connection pool (40 of 97 slots)'], value: 60 },
      { heading: 'OWNER', lines: ['@dba · runbook: Database / Lock Contention'], value: 50 },
    ],
    links: [{ href: 'https://runbookd.example/incidents/1', text: 'incident' }],
    ...fields,
  };
}

export function sampleChange(id: string, fields: Partial<Change> = {}): Change {
  return {
    id,
    target: 'main-db',
    kind: 'setting',
    summary: 'max_connections 100 → 40',
    at: { earliest: AT, latest: AT + 15_000 },
    source: 'main-db: pg_settings',
    links: ['https://runbookd.example/changes/1'],
    ...fields,
  };
}
