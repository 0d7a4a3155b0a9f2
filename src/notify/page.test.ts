import { describe, expect, test } from 'vitest';
import type { Diagnosis, Evidence, Incident, RankedCause, RenderedMitigation } from '../model/index.ts';
import { buildPage, type PageContext, pageText, summaryLine } from './page.ts';

const NOW = Date.UTC(2026, 10, 23, 14, 5, 0);
const WATCHING: PageContext = { now: NOW, contact: '@dba', url: null, news: null };

const EVIDENCE: Evidence = {
  probe: 'reachability',
  factor: 'way',
  state: 'supports',
  weight: 6.5,
  observed: 'db:5432: connection refused',
  headline: 'connection refused',
  counted: true,
  source: 'main-db',
  at: NOW,
};

type Shown = Extract<RenderedMitigation, { readonly command: string }>;

const look = (id: string): Shown => ({
  id,
  title: id,
  risk: 'read-only',
  riskText: 'reads only',
  precheck: null,
  command: `run ${id}`,
  alternative: null,
  verify: null,
  undo: null,
  effect: null,
  slots: {},
});

const CAUSE: RankedCause = {
  cause: 'database-unreachable',
  on: 'main-db',
  variant: 'stopped',
  title: 'Database unreachable: the server does not run',
  confidence: 0.98,
  prior: -1.4,
  evidence: [EVIDENCE],
  mitigations: [look('status'), look('events'), look('test'), look('more')],
};

const DIAGNOSIS: Diagnosis = {
  verdict: 'cause',
  target: 'main-db',
  at: NOW,
  symptom: null,
  causes: [CAUSE],
  ruledOut: [],
  gaps: [],
  unexplained: 0.02,
  changes: { lookbackMs: 7_200_000, seen: [] },
  runbook: 'Database / Unreachable',
  wouldSeparate: null,
};

function incident(diagnosis: Partial<Diagnosis>, latest = NOW - 30_000): Incident {
  return {
    id: 'i',
    state: 'open',
    openedAt: NOW,
    resolvedAt: null,
    severity: 'critical',
    cause: null,
    findings: ['f'],
    log: [],
    pagedSeverities: [],
    effects: [],
    lead: {
      id: 'f',
      detector: 'database-unreachable',
      target: 'main-db',
      subject: '',
      state: 'firing',
      noData: false,
      noDataSince: null,
      symptom: {
        detector: 'database-unreachable',
        target: 'main-db',
        subject: '',
        severity: 'critical',
        headline: 'unreachable for 30 s',
        summary: 'main-db could not be reached.',
        onset: { earliest: latest - 15_000, latest },
        readings: [],
      },
      firstSeenAt: NOW,
      firedAt: NOW,
      resolvedAt: null,
      judgedAt: NOW,
      cleanPolls: 0,
      cleanSince: null,
      turns: [],
      diagnosis: { ...DIAGNOSIS, ...diagnosis },
      diagnosedAt: NOW,
    },
  };
}

const lines = (diagnosis: Partial<Diagnosis>, context: Partial<PageContext> = {}, latest?: number): string =>
  pageText(buildPage(incident(diagnosis, latest), { ...WATCHING, ...context }));

test.each([
  ['connection refused', 'main-db: unreachable for 30 s, connection refused · 98 % database unreachable'],
  ['by pid 2134', 'main-db: unreachable for 30 s by pid 2134 · 98 % database unreachable'],
  [
    'since max_connections 100 → 40',
    'main-db: unreachable for 30 s since max_connections 100 → 40 · 98 % database unreachable',
  ],
])('the summary reads as a sentence with the fact "%s"', (headline, expected) => {
  const causes = [{ ...CAUSE, evidence: [{ ...EVIDENCE, headline }] }];
  expect(summaryLine(incident({ causes }), WATCHING)).toBe(expected);
});

test('variants that the same fact rules out are one item, others stay apart', () => {
  const out = (cause: string, variant: string | null, because: string) =>
    ({ cause, on: 'main-db', variant, title: '', confidence: 0.01, because }) as const;
  const ruledOut = [
    out('database-unreachable', 'tls', 'connection refused'),
    out('database-unreachable', 'dns', 'the name resolves'),
    out('database-unreachable', 'starting-up', 'connection refused'),
    out('connection-pool', null, '4 of 97 slots'),
  ];
  expect(lines({ ruledOut })).toContain(
    'RULED OUT   database unreachable: tls, starting up (connection refused) · ' +
      'database unreachable, dns (the name resolves) · connection pool (4 of 97 slots)\n',
  );
});

test('where nothing can be done but look, the first three looks are shown', () => {
  expect(lines({})).toContain(
    'DO FIRST    look:    run status\n            and:     run events\n            and:     run test\nRULED OUT',
  );
});

describe('a single look', () => {
  const since = (latest: number): string =>
    /^SINCE +(.*)$/m.exec(lines({}, { lookedSince: NOW - 30_000 }, latest))?.[1] ?? '';

  test('does not claim to know when that began which it found there', () => {
    expect(since(NOW - 29_000)).toBe(
      'before 14:04:31 UTC, when this look began; how long before is not known. ' +
        'No change is known in the 2 h before; a single look knows of restarts only.',
    );
  });

  test('knows what the server itself says of the time before', () => {
    expect(since(NOW - 300_000)).toMatch(/^between 13:59:45 and 14:00:00 UTC \(5 min ago\)\./);
  });

  test('does not promise to come back', () => {
    const act: Shown = { ...look('end'), risk: 'reversible', effect: 'blocked sessions 0 within 10 s' };
    const causes = [{ ...CAUSE, mitigations: [act] }];
    expect(lines({ causes })).toContain('expect:  blocked sessions 0 within 10 s; runbookd checks and reports here\n');
    expect(lines({ causes }, { lookedSince: NOW })).toContain('expect:  blocked sessions 0 within 10 s\n');
  });
});
