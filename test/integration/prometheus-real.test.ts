/** Prometheus itself scrapes our own `/metrics`, and is read as a source: what went in comes out. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createMetrics } from '../../src/expose/metrics.ts';
import type { PollResult, Source } from '../../src/model/source.ts';
import { createPrometheusSource, type PrometheusBinding } from '../../src/sources/prometheus/source.ts';
import { findPrometheus, startPrometheusServer } from '../world/prometheus-server.ts';
import { waitUntil } from '../world/wait.ts';

const binary = await findPrometheus();
const why = binary === null ? ' (skipped: there is no prometheus on the PATH)' : '';
const STEP = 1_000;
const { signal } = new AbortController();

async function serveMetrics(text: () => Promise<string>, contentType: string) {
  const server = createServer((request, response) => {
    void text().then((body) => {
      const known = request.url === '/metrics';
      response.writeHead(known ? 200 : 404, { 'content-type': contentType }).end(known ? body : '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

test.skipIf(binary === null)(`Prometheus scrapes /metrics and is a source${why}`, { timeout: 90_000 }, async () => {
  const metrics = createMetrics({ version: '1.2.3', processMetrics: true });
  metrics.outboxPending(7);
  metrics.missed('late');
  metrics.missed('overlap');
  metrics.pollDuration('main-db', 0.2);
  await using page = await serveMetrics(() => metrics.text(), metrics.contentType);
  await using server = await startPrometheusServer(binary ?? '', { runbookd: page.host, gone: '127.0.0.1:1' });

  const bind = (name: string, query: string, scale = 1): PrometheusBinding => ({
    target: 'api',
    signal: name,
    unit: 'count',
    query,
    scale,
  });
  const source: Source = createPrometheusSource({
    name: 'prometheus',
    url: server.url,
    bindings: [
      bind('pending', 'runbookd_outbox_pending'),
      bind('missed', 'sum by (reason) (runbookd_polls_missed_total)'),
      bind(
        'slow_polls',
        '1 - sum(runbookd_poll_duration_seconds_bucket{le="0.1"}) / sum(runbookd_poll_duration_seconds_count)',
        100,
      ),
      bind('nobody', 'no_such_metric'),
      bind('no_number', 'runbookd_outbox_pending * 0 / 0'),
      bind('scalar', 'vector(scalar(runbookd_outbox_pending)) + 1'),
      bind('down', 'up'),
      bind('broken', 'sum(runbookd_outbox_pending'),
      bind('many_to_many', 'runbookd_polls_missed_total + on (job) runbookd_polls_missed_total'),
      bind('two_names', '{__name__=~"runbookd_outbox_pending|runbookd_series_dropped_total"}'),
    ],
    periodMs: STEP,
    settleMs: 2 * STEP,
    log: pino({ level: 'silent' }),
  });

  const last = ({ series }: PollResult, name: string): readonly (readonly [object, number | undefined])[] =>
    series.filter((each) => each.signal === name).map(({ labels, values }) => [labels, values.at(-1)] as const);
  const result = await waitUntil(
    'samples of every query',
    async () => {
      const fresh = createPrometheusSource({
        name: 'prometheus',
        url: server.url,
        bindings: [bind('pending', 'runbookd_outbox_pending')],
        periodMs: STEP,
        settleMs: 2 * STEP,
        log: pino({ level: 'silent' }),
      });
      const { series } = await fresh.poll('prometheus', Date.now(), signal);
      return (series[0]?.values.length ?? 0) >= 2 ? source.poll('prometheus', Date.now(), signal) : null;
    },
    { timeoutMs: 30_000, everyMs: 250 },
  );

  const own = { instance: page.host, job: 'runbookd' };
  expect(last(result, 'pending')).toEqual([[own, 7]]);
  expect(last(result, 'missed')).toEqual([
    [{ reason: 'late' }, 1],
    [{ reason: 'overlap' }, 1],
  ]);
  expect(last(result, 'slow_polls')).toEqual([[{}, 100]]);
  expect(last(result, 'scalar')).toEqual([[{}, 8]]);
  expect(new Set(last(result, 'down').map(([labels, value]) => JSON.stringify([labels, value])))).toEqual(
    new Set([JSON.stringify([own, 1]), JSON.stringify([{ instance: '127.0.0.1:1', job: 'gone' }, 0])]),
  );
  for (const name of ['nobody', 'no_number', 'broken', 'many_to_many', 'two_names'])
    expect(last(result, name)).toEqual([]);
  expect(result.blind).toMatchObject([
    { check: 'broken', because: 'not_configured', detail: expect.stringContaining('the query is not valid') },
    { check: 'many_to_many', because: 'error', detail: expect.stringContaining('cannot be executed') },
    { check: 'two_names', because: 'error', detail: expect.stringContaining('two series have the same labels') },
  ]);
  for (const { times, periodMs } of result.series) {
    expect(periodMs).toBe(STEP);
    expect([...times].every((at) => at % STEP === 0)).toBe(true);
  }

  // A new value arrives with the next polls.
  metrics.outboxPending(9);
  await waitUntil('the new value', async () => {
    const next = await source.poll('prometheus', Date.now(), signal);
    return last(next, 'pending').some(([, value]) => value === 9);
  });

  // As long a history as the daemon asks for is within the server's limits, though it holds none.
  const portions = [];
  for await (const portion of source.history!(Date.now() - 14 * 86_400_000, Date.now(), signal))
    portions.push(...portion);
  expect(portions.every(({ signal: name }) => name !== 'nobody')).toBe(true);
});
