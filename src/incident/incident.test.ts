import { describe, expect, test } from 'vitest';
import type { Diagnosis, Finding, Incident, Severity, Target } from '../model/index.ts';
import { correlate } from './correlate.ts';
import { judged, watched } from './effects.ts';
import { dedupKey, notificationsFor } from './notifications.ts';
import { recordOf, shouldNotify } from './should-notify.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const TARGETS: readonly Target[] = [
  { name: 'main-db', kind: 'database', dependsOn: [], slots: {} },
  { name: 'main-db/replica-1', kind: 'database', dependsOn: [], replicaOf: 'main-db', slots: {} },
  { name: 'other-db', kind: 'database', dependsOn: [], slots: {} },
  { name: 'api', kind: 'service', dependsOn: ['main-db'], slots: {} },
];

interface Parts {
  readonly detector?: string;
  readonly target?: string;
  readonly cause?: string;
  readonly variant?: string;
  readonly on?: string;
  readonly confidence?: number;
  readonly severity?: Severity;
  readonly state?: Finding['state'];
  readonly onset?: number;
  readonly value?: number;
}

function finding(id: string, parts: Parts = {}): Finding {
  const onset = parts.onset ?? T0;
  const target = parts.target ?? 'main-db';
  const detector = parts.detector ?? 'lock-contention';
  const symptom = {
    detector,
    target,
    subject: '',
    severity: parts.severity ?? 'error',
    headline: `${detector} on ${target}`,
    summary: '',
    onset: { earliest: onset, latest: onset },
    readings: [
      {
        signal: 's',
        labels: {},
        unit: 'count',
        at: T0,
        value: parts.value ?? 3,
        expected: null,
        lower: null,
        upper: null,
      },
    ],
  } as const;
  const confidence = parts.confidence ?? 0.9;
  const diagnosis: Diagnosis = {
    verdict: confidence >= 0.5 ? 'cause' : 'unclear',
    target,
    at: T0,
    symptom,
    causes: [
      {
        cause: parts.cause ?? 'lock-contention',
        on: parts.on ?? target,
        variant: parts.variant ?? null,
        title: 't',
        confidence,
        prior: 0,
        evidence: [],
        mitigations: [],
      },
    ],
    ruledOut: [],
    gaps: [],
    unexplained: 0.1,
    changes: null,
    runbook: 'Database',
    wouldSeparate: null,
  };
  return {
    id,
    detector,
    target,
    subject: '',
    state: parts.state ?? 'firing',
    noData: false,
    noDataSince: null,
    symptom,
    firstSeenAt: T0,
    firedAt: T0,
    resolvedAt: parts.state === 'resolved' ? T0 : null,
    judgedAt: T0,
    cleanPolls: 0,
    cleanSince: null,
    turns: [],
    diagnosis,
    diagnosedAt: T0,
  };
}

function run(findings: readonly Finding[], incidents: readonly Incident[] = [], now = T0): readonly Incident[] {
  let next = 0;
  return correlate({ findings, incidents, targets: TARGETS, now, newId: () => `i${++next}` });
}

describe('findings become incidents', () => {
  test.each<readonly [string, readonly Finding[], readonly (readonly string[])[]]>([
    ['one finding is one incident', [finding('a')], [['a']]],
    [
      'two findings of one cause are one incident',
      [finding('a'), finding('b', { detector: 'connection-pool-exhausted' })],
      [['a', 'b']],
    ],
    [
      'the same cause on another target is another incident',
      [finding('a'), finding('b', { target: 'other-db' })],
      [['a'], ['b']],
    ],
    [
      'two causes at once are two incidents',
      [finding('a'), finding('b', { detector: 'x', cause: 'replication-lag' })],
      [['a'], ['b']],
    ],
    [
      'an unclear finding joins what began at the same time on the same target',
      [finding('a'), finding('b', { detector: 'x', cause: 'slow-query', confidence: 0.2 })],
      [['a', 'b']],
    ],
    [
      'an unclear finding of another time stands alone',
      [finding('a'), finding('b', { detector: 'x', confidence: 0.2, onset: T0 - 3_600_000 })],
      [['a'], ['b']],
    ],
    [
      'a primary and its replica that begin together with one cause are one incident',
      [finding('a'), finding('b', { target: 'main-db/replica-1' })],
      [['a', 'b']],
    ],
    ['what only informs opens nothing', [finding('a', { severity: 'info' })], []],
  ])('%s', (_name, findings, expected) => {
    expect(run(findings).map((incident) => incident.findings)).toEqual(expected);
  });

  test('the id stays when the cause changes, and an unclear moment does not take the cause back', () => {
    const [first] = run([finding('a')]);
    const [changed] = run([finding('a', { cause: 'slow-query' })], [first!]);
    expect(changed).toMatchObject({ id: 'i1', cause: { cause: 'slow-query' } });
    const [unclear] = run([finding('a', { cause: 'slow-query', confidence: 0.2 })], [changed!]);
    expect(unclear?.cause).toEqual({ cause: 'slow-query', on: 'main-db' });
  });

  const down = finding('a', { target: 'api', cause: 'service-crashed', on: 'api', severity: 'critical' });
  test.each([
    ['busy tasks of a service that is down', { cause: 'service-saturated', on: 'api' }, 1],
    ['errors of it whose cause is not clear', { confidence: 0.2 }, 1],
    ['a cause elsewhere', { cause: 'lock-contention', on: 'main-db' }, 2],
    ['what began before it was down', { cause: 'memory-leak', on: 'api', onset: T0 - 3_600_000 }, 2],
  ])('%s: %#', (_name, parts, incidents) => {
    const other = finding('b', { target: 'api', onset: T0 + 600_000, detector: 'high-latency', ...parts });
    let ids = 0;
    const input = { targets: TARGETS, now: T0 + 700_000, newId: () => `i${ids++}` };
    const first = correlate({ ...input, findings: [down], incidents: [] });
    expect(correlate({ ...input, findings: [down, other], incidents: first })).toHaveLength(incidents);
  });

  const backlog = finding('a', { detector: 'outbox-backlog', cause: 'consumer-stopped' });
  const empty = (seenBy: readonly string[]): Finding => {
    const made = finding('b', { detector: 'search-no-results', target: 'api', cause: 'indexer-behind', on: 'main-db' });
    const causes = made.diagnosis!.causes.map((one) => ({ ...one, seenBy }));
    return { ...made, diagnosis: { ...made.diagnosis!, causes } };
  };
  test.each([
    ['a cause and the finding that sees it as a symptom are one incident', [backlog, empty(['outbox-backlog'])], 1],
    ['in whichever order they come', [empty(['outbox-backlog']), { ...backlog, id: 'c' }], 1],
    ['another finding on the same target is not', [backlog, empty(['replication-lag'])], 2],
  ])('%s', (_name, [first, second], incidents) => {
    let ids = 0;
    const input = { targets: TARGETS, now: T0, newId: () => `i${ids++}` };
    const opened = correlate({ ...input, findings: [first!], incidents: [] });
    const both = correlate({ ...input, findings: [first!, second!], incidents: opened });
    expect(both).toHaveLength(incidents);
    // Nor does it leave again.
    expect(correlate({ ...input, findings: [first!, second!], incidents: both })).toHaveLength(incidents);
  });

  const way = (id: string, target: string, parts: Parts = {}): Finding => {
    const made = finding(id, { detector: 'dependency-trouble', target, cause: 'our-side', ...parts });
    const causes = made.diagnosis!.causes.map((one) => ({ ...one, anywhere: true as const }));
    return { ...made, diagnosis: { ...made.diagnosis!, causes } };
  };
  test.each([
    ['our way out, on two vendors at once, is one incident', way('b', 'twilio'), 1],
    ['an hour later it is another one', way('b', 'twilio', { onset: T0 + 3_600_000 }), 2],
    ['on a target of another kind it is another one', way('b', 'main-db'), 2],
    ['another cause on the other vendor is another one', way('b', 'twilio', { cause: 'rate-limited' }), 2],
    [
      'what is of the vendor itself is two on two vendors',
      finding('b', { detector: 'dependency-trouble', target: 'twilio', cause: 'our-side' }),
      2,
    ],
  ])('%s', (_name, other, incidents) => {
    let ids = 0;
    const vendors = ['stripe', 'twilio'].map(
      (name): Target => ({ name, kind: 'dependency', dependsOn: [], slots: {} }),
    );
    const input = { targets: [...TARGETS, ...vendors], now: T0, newId: () => `i${ids++}` };
    const open = correlate({ ...input, findings: [way('a', 'stripe')], incidents: [] });
    expect(correlate({ ...input, findings: [way('a', 'stripe'), other], incidents: open })).toHaveLength(incidents);
  });

  test('what shared the cause stays when it is told another one, as a backlog is that is worked off', () => {
    let ids = 0;
    const input = { targets: TARGETS, now: T0, newId: () => `i${ids++}` };
    const both = [finding('a'), finding('b', { detector: 'x', target: 'api', on: 'main-db' })];
    const open = correlate({ ...input, findings: both, incidents: [] });
    const told = [both[0]!, finding('b', { detector: 'x', target: 'api', cause: 'service-saturated', on: 'api' })];
    expect(correlate({ ...input, findings: told, incidents: open }).map((one) => one.findings)).toEqual([['a', 'b']]);
  });

  test('where the lead knows no cause, a finding of the same trouble that knows one leads', () => {
    let ids = 0;
    const input = { targets: TARGETS, now: T0, newId: () => `i${ids++}` };
    const unclear = finding('a', { detector: 'high-error-rate', target: 'api', confidence: 0.3 });
    const knowing = finding('b', { detector: 'health-check-failing', target: 'api', on: 'main-db' });
    const open = correlate({ ...input, findings: [unclear], incidents: [] });
    expect(open).toMatchObject([{ cause: null, lead: { id: 'a' } }]);
    const told = correlate({ ...input, findings: [unclear, knowing], incidents: open });
    expect(told).toMatchObject([{ cause: { cause: 'lock-contention', on: 'main-db' }, lead: { id: 'b' } }]);
  });

  test('another trouble of a database that has a critical one is an incident of its own', () => {
    const locked = finding('a', { severity: 'critical' });
    const lagging = finding('b', { detector: 'replication-lag', cause: 'replication-lag', onset: T0 + 60_000 });
    let ids = 0;
    const input = { targets: TARGETS, now: T0 + 90_000, newId: () => `i${ids++}` };
    const first = correlate({ ...input, findings: [locked], incidents: [] });
    expect(correlate({ ...input, findings: [locked, lagging], incidents: first })).toHaveLength(2);
  });

  test('it resolves when the last of its findings does', () => {
    const [open] = run([finding('a'), finding('b', { detector: 'x' })]);
    const [still] = run([finding('a', { state: 'resolved' }), finding('b', { detector: 'x' })], [open!]);
    expect(still).toMatchObject({ state: 'open', lead: { id: 'b' } });
    const [done] = run(
      [finding('a', { state: 'resolved' }), finding('b', { detector: 'x', state: 'resolved' })],
      [still!],
      T0 + 1,
    );
    expect(done).toMatchObject({ state: 'resolved', resolvedAt: T0 + 1 });
  });
});

/** Says what there is to say and keeps the record, as the pipeline does. */
function tell(
  incident: Incident,
  now: number,
): { readonly incident: Incident; readonly reason: string | null; readonly keys: readonly string[] } {
  const notify = shouldNotify(incident, now);
  if (notify === null) return { incident, reason: null, keys: [] };
  const paged: Incident =
    notify.kind === 'trigger'
      ? { ...incident, pagedSeverities: [...incident.pagedSeverities, incident.severity] }
      : incident;
  const notifications = notificationsFor('prod', paged, notify, { summary: 's', sections: [] }, now, null);
  return {
    incident: { ...paged, log: [...paged.log, recordOf(paged, notify, now)] },
    reason: `${notify.kind}: ${notify.reason}`,
    keys: notifications.map((one) => one.key),
  };
}

describe('what is said of an incident', () => {
  const opened = (parts: Parts = {}): Incident => run([finding('a', parts)])[0]!;

  test('first once, then nothing while nothing changes', () => {
    const first = tell(opened(), T0);
    expect(first).toMatchObject({ reason: 'trigger: first notification', keys: ['runbookd:prod:i1'] });
    expect(tell(first.incident, T0 + 60_000).reason).toBeNull();
  });

  test('a raised severity has a key of its own, and the resolve goes to both', () => {
    const first = tell(opened({ severity: 'warning' }), T0);
    const raised = tell({ ...first.incident, severity: 'critical' }, T0 + 1000);
    expect(raised).toMatchObject({
      reason: 'trigger: severity raised to critical',
      keys: ['runbookd:prod:i1:critical'],
    });
    const resolved = tell({ ...raised.incident, state: 'resolved', resolvedAt: T0 }, T0 + 2000);
    expect(resolved.keys).toEqual(['runbookd:prod:i1', 'runbookd:prod:i1:critical']);
    expect(dedupKey('prod', raised.incident, 'warning')).toBe('runbookd:prod:i1');
  });

  test('a cause found later is an update', () => {
    const first = tell(opened({ confidence: 0.2 }), T0);
    const [found] = run([finding('a')], [first.incident]);
    expect(tell(found!, T0 + 1000).reason).toBe('update: diagnosis changed');
  });

  test('twice as bad is said, a little worse is not', () => {
    const first = tell(opened({ value: 3 }), T0).incident;
    expect(tell(run([finding('a', { value: 5 })], [first])[0]!, T0 + 90_000).reason).toBeNull();
    expect(tell(run([finding('a', { value: 6 })], [first])[0]!, T0 + 90_000).reason).toBe('update: worse');
  });

  test('a finding that knows the kind of the same cause takes the lead, and says so once', () => {
    const first = tell(opened({ cause: 'database-unreachable' }), T0);
    const precise = finding('b', {
      detector: 'database-unreachable',
      cause: 'database-unreachable',
      variant: 'stopped',
    });
    const [joined] = run([finding('a', { cause: 'database-unreachable' }), precise], [first.incident]);
    expect(joined).toMatchObject({ id: 'i1', lead: { id: 'b' } });
    const told = tell(joined!, T0 + 1000);
    expect(told.reason).toBe('update: diagnosis more precise');
    expect(tell(told.incident, T0 + 2000).reason).toBeNull();
  });

  test('what raises the severity leads the page that goes out for it', () => {
    const first = tell(opened({ severity: 'warning', confidence: 0.2 }), T0);
    const worse = finding('b', { detector: 'connection-pool-exhausted', severity: 'critical', confidence: 0.3 });
    const [joined] = run([finding('a', { severity: 'warning', confidence: 0.2 }), worse], [first.incident]);
    expect(joined).toMatchObject({ severity: 'critical', lead: { id: 'b' } });
    expect(tell(joined!, T0 + 1000).reason).toBe('trigger: severity raised to critical');
  });

  test('a finding that joins is told of once', () => {
    const first = tell(opened(), T0);
    const [joined] = run([finding('a'), finding('b', { detector: 'x' })], [first.incident]);
    const told = tell(joined!, T0 + 1000);
    expect(told.reason).toBe('update: another finding');
    expect(tell(told.incident, T0 + 2000).reason).toBeNull();
  });

  test('an incident that was never told of is not resolved aloud', () => {
    expect(shouldNotify({ ...opened(), state: 'resolved' }, T0)).toBeNull();
  });
});

describe('effects of mitigations', () => {
  const incident = run([finding('a')])[0]!;
  const shown = [{ mitigation: 'terminate-root', on: 'main-db', slots: { pid: 2134 } }];
  const [report] = watched(incident, shown, T0);

  test('what nobody applied says nothing', () => {
    expect(judged(report!, { state: 'not_applied', observed: 'pid 2134 is there' }, 10_000, T0)).toEqual(report);
  });

  test('what was applied has its time before it is said not to have worked', () => {
    const early = judged(report!, { state: 'not_yet', observed: '3 blocked' }, 10_000, T0 + 1000);
    expect(early.state).toBe('not_applied');
    expect(judged(early, { state: 'not_yet', observed: '3 blocked' }, 10_000, T0 + 12_000).state).toBe('not_yet');
    expect(judged(early, { state: 'worked', observed: '0 blocked' }, 10_000, T0 + 2000).state).toBe('worked');
  });

  test('the newest root is watched until somebody acts on the one that was shown', () => {
    const moved = watched(
      { ...incident, effects: [report!] },
      [{ mitigation: 'terminate-root', on: 'main-db', slots: { pid: 9 } }],
      T0,
    );
    expect(moved[0]?.slots).toEqual({ pid: 9 });
    const applied = { ...report!, appliedAt: T0, state: 'not_yet' as const };
    const kept = watched(
      { ...incident, effects: [applied] },
      [{ mitigation: 'terminate-root', on: 'main-db', slots: { pid: 9 } }],
      T0,
    );
    expect(kept[0]?.slots).toEqual({ pid: 2134 });
  });
});
