import { describe, expect, test } from 'vitest';
import { createMetrics, type Metrics } from './metrics.ts';
import { AT, FINDING, reading } from './testdata.ts';

interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ParsedSample[];
}

/**
 * A strict reader of the text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): HELP and TYPE before
 * the samples, families whole, no line twice, only the three escapes in label values, one line break at the end.
 */
function parse(text: string): ReadonlyMap<string, ParsedFamily> {
  expect(text.endsWith('\n')).toBe(true);
  const families = new Map<string, ParsedFamily & { samples: ParsedSample[] }>();
  const seen = new Set<string>();
  let help: readonly [string, string] | null = null;
  let family: (ParsedFamily & { samples: ParsedSample[] }) | null = null;
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue;
    const helpLine = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    const typeLine = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (helpLine !== null) {
      help = [helpLine[1]!, helpLine[2]!];
    } else if (typeLine !== null) {
      const name = typeLine[1]!;
      expect(help?.[0], `HELP before TYPE of ${name}`).toBe(name);
      expect(families.has(name), `${name} twice`).toBe(false);
      family = { name, type: typeLine[2]!, help: help![1], samples: [] };
      families.set(name, family);
    } else {
      const sample = parseSample(line);
      const suffixes = family?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (!suffixes.some((suffix) => sample.name === `${family?.name}${suffix}`)) throw new Error(`stray ${line}`);
      if (seen.has(key)) throw new Error(`${line} twice`);
      seen.add(key);
      family!.samples.push(sample);
    }
  }
  return families;
}

function parseSample(line: string): ParsedSample {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)$/.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  let rest = match[2] ?? '';
  while (rest !== '') {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/.exec(rest);
    if (label === null) throw new Error(`not labels: ${rest}`);
    labels[label[1]!] = label[2]!.replace(/\\(["\\n])/g, (_, char: string) => (char === 'n' ? '\n' : char));
    rest = rest.slice(label[0].length);
  }
  const value = match[3]!;
  if (!/^([+-]?Inf|nan|[+-]?[0-9.]+(e[+-]?[0-9]+)?)$/i.test(value)) throw new Error(`not a value: ${line}`);
  return { name: match[1]!, labels, value: Number(value) };
}

async function families(metrics: Metrics): Promise<ReadonlyMap<string, ParsedFamily>> {
  return parse(await metrics.text());
}

async function samples(metrics: Metrics, name: string): Promise<readonly (readonly [string, number])[]> {
  const family = (await families(metrics)).get(name);
  return (family?.samples ?? []).map(({ labels, value }) => [Object.values(labels).join(' '), value]);
}

function quiet(): Metrics {
  return createMetrics({ version: '0.1.0', processMetrics: false });
}

function exercise(metrics: Metrics): Metrics {
  metrics.setFindings([FINDING]);
  metrics.setCauses([{ target: 'main-db', detector: 'lock-contention', cause: 'lock-contention', confidence: 0.94 }]);
  metrics.setReadings([reading('main-db', 'blocked_sessions')]);
  metrics.blind([{ target: 'main-db', check: 'statements', because: 'denied', detail: 'x', grant: null }]);
  metrics.pollDuration('main-db', 0.2);
  metrics.missed('late');
  metrics.sourceError('main-db', 'POSTGRES_TIMEOUT');
  metrics.notification('pagerduty', 'delivered');
  metrics.outboxPending(3);
  metrics.cycle(AT);
  return metrics;
}

test('every promised name is there, with its labels and values', async () => {
  const text = await exercise(createMetrics({ version: '0.1.0' })).text();
  const lines = text.split('\n').filter((line) => line.startsWith('runbookd_') && !line.includes('_bucket'));
  expect(lines).toEqual([
    'runbookd_finding_active{target="main-db",detector="lock-contention",severity="critical"} 1',
    'runbookd_cause_confidence{target="main-db",detector="lock-contention",cause="lock-contention"} 0.94',
    'runbookd_signal_value{target="main-db",signal="blocked_sessions"} 7',
    'runbookd_signal_expected{target="main-db",signal="blocked_sessions"} 2',
    'runbookd_signal_lower{target="main-db",signal="blocked_sessions"} 1',
    'runbookd_signal_upper{target="main-db",signal="blocked_sessions"} 3',
    'runbookd_blind{target="main-db",source="statements"} 1',
    'runbookd_poll_duration_seconds_sum{source="main-db"} 0.2',
    'runbookd_poll_duration_seconds_count{source="main-db"} 1',
    'runbookd_polls_missed_total{reason="late"} 1',
    'runbookd_source_errors_total{source="main-db",code="POSTGRES_TIMEOUT"} 1',
    'runbookd_notifications_total{channel="pagerduty",outcome="delivered"} 1',
    'runbookd_outbox_pending 3',
    `runbookd_last_cycle_timestamp_seconds ${AT / 1000}`,
    'runbookd_series_dropped_total 0',
    `runbookd_build_info{version="0.1.0",node="${process.version}"} 1`,
  ]);
  expect(text).toContain('process_resident_memory_bytes');
});

// The rules of `promtool check metrics` (prometheus/client_golang, prometheus/testutil/promlint/validations).
test('what promtool lints is in order, the process metrics included', async () => {
  const wrong: string[] = [];
  for (const { name, type, help } of (await families(exercise(createMetrics({ version: '0.1.0' })))).values()) {
    const rule = (broken: boolean, words: string) => broken && wrong.push(`${name}: ${words}`);
    rule(help.trim() === '', 'no help text');
    rule(type === 'counter' && !name.endsWith('_total'), 'counter metrics should have "_total" suffix');
    rule(type !== 'counter' && name.endsWith('_total'), 'non-counter metrics should not have "_total" suffix');
    rule(type !== 'histogram' && /_(bucket|sum|count)$/.test(name), 'reserved suffix');
    rule(/[A-Z]/.test(name), 'names should be written in snake_case');
    rule(name.includes(':'), 'names should not contain ":"');
    rule(/_(milliseconds|ms|minutes|hours|days|kilobytes|megabytes|bits|percent)(_|$)/.test(name), 'base units');
    rule(/(^|_)(gauge|counter|histogram|summary|untyped)(_|$)/.test(name), 'type in the name');
    rule(/_(s|sec|secs|b|kb|mb|gb)(_|$)/.test(name), 'abbreviated unit');
  }
  expect(wrong).toEqual([]);
});

test.each(['a"b', 'a\\b', 'a\nb', 'a\\nb', '"} 1\nevil 1', '\u0000\u001b[31m', '你好 😀', ''])(
  'a label value %j comes back as it was',
  async (hostile) => {
    const metrics = quiet();
    metrics.setReadings([reading(hostile, 'blocked_sessions')]);
    const family = (await families(metrics)).get('runbookd_signal_value');
    expect(family?.samples.map(({ labels }) => labels.target)).toEqual([hostile]);
  },
);

describe('what is gone vanishes', () => {
  test('a finding that resolved, and one that only pends, are not shown', async () => {
    const metrics = quiet();
    metrics.setFindings([FINDING, { ...FINDING, id: '2', subject: 'replica-1' }]);
    expect(await samples(metrics, 'runbookd_finding_active')).toEqual([['main-db lock-contention critical', 2]]);
    metrics.setFindings([
      { ...FINDING, state: 'resolved' },
      { ...FINDING, state: 'pending' },
    ]);
    expect(await samples(metrics, 'runbookd_finding_active')).toEqual([]);
  });

  test('so do blindness, causes and readings', async () => {
    const metrics = exercise(quiet());
    metrics.blind([]);
    metrics.setCauses([]);
    metrics.setReadings([]);
    for (const name of ['blind', 'cause_confidence', 'signal_value', 'signal_expected', 'signal_upper']) {
      expect(await samples(metrics, `runbookd_${name}`)).toEqual([]);
    }
  });
});

test('a reading is shown only when it is current and has no labels of its own, its band only when it is ready', async () => {
  const metrics = quiet();
  metrics.setReadings([
    reading('main-db', 'plain', { ready: false }),
    reading('main-db', 'late', { freshness: 'late' }),
    reading('main-db', 'missing', { freshness: 'missing' }),
    reading('main-db', 'absent', { freshness: 'absent', samples: [] }),
    reading('main-db', 'labelled', { labels: { queryid: '42' } }),
  ]);
  expect(await samples(metrics, 'runbookd_signal_value')).toEqual([
    ['main-db plain', 7],
    ['main-db late', 7],
  ]);
  expect(await samples(metrics, 'runbookd_signal_expected')).toEqual([['main-db late', 2]]);
});

test('the first five causes are shown, each once', async () => {
  const metrics = quiet();
  const confidences = [0.1, 0.9, 0.3, 0.5, 0.7, 0.2, 0.4];
  const causes = confidences.map((confidence) => ({
    target: 'main-db',
    detector: 'slow-queries',
    cause: `c${confidence * 10}`,
    confidence,
  }));
  metrics.setCauses([...causes, { ...causes[0]!, confidence: 0.05 }, { ...causes[0]!, detector: 'other' }]);
  const shown = await samples(metrics, 'runbookd_cause_confidence');
  expect(shown.map(([labels]) => labels)).toEqual([
    'main-db slow-queries c9',
    'main-db slow-queries c7',
    'main-db slow-queries c5',
    'main-db slow-queries c4',
    'main-db slow-queries c3',
    'main-db other c1',
  ]);
});

describe('a flood', () => {
  test('of 100,000 names stays below the caps, is counted, and does not push findings out', async () => {
    const metrics = quiet();
    metrics.setReadings(
      Array.from({ length: 100_000 }, (_, index) => reading(`t${index % 1000}`, `s${index}`, { ready: false })),
    );
    metrics.setFindings([FINDING]);
    const all = [...(await families(metrics)).values()].flatMap((family) => family.samples);
    expect(all.length).toBeLessThanOrEqual(10_000 + 20);
    expect(await samples(metrics, 'runbookd_finding_active')).toHaveLength(1);
    expect(await samples(metrics, 'runbookd_series_dropped_total')).toEqual([['', 100_000 + 1 - 10_000]]);
  });

  test('of one target leaves room for the others', async () => {
    const metrics = quiet();
    const flood = Array.from({ length: 1000 }, (_, index) => reading('loud', `s${index}`));
    metrics.setReadings([...flood, reading('quiet', 'blocked_sessions')]);
    const shown = await samples(metrics, 'runbookd_signal_value');
    expect(shown.filter(([labels]) => labels.startsWith('loud'))).toHaveLength(125);
    expect(shown.filter(([labels]) => labels.startsWith('quiet'))).toHaveLength(1);
  });

  test('of error codes ends as other', async () => {
    const metrics = quiet();
    for (let index = 0; index < 1000; index++) metrics.sourceError('main-db', `CODE_${index}`);
    const shown = await samples(metrics, 'runbookd_source_errors_total');
    expect(shown).toHaveLength(101);
    expect(shown.at(-1)).toEqual(['main-db other', 900]);
  });
});
