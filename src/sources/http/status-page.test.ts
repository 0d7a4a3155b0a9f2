import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import type { Source } from '../../model/source.ts';
import { createStatusPageSource } from './status-page.ts';

const { signal } = new AbortController();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const QUESTION = { kind: 'vendor.status', target: 'stripe', window: { from: 0, to: 1 }, params: {} } as const;
const page = (indicator: string): string => JSON.stringify({ status: { indicator, description: 'x' }, incidents: [] });

async function open(handler: RequestListener) {
  const paths: (string | undefined)[] = [];
  let handle = handler;
  const server = createServer((request, response) => {
    paths.push(request.url);
    handle(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const host = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const dependencies = [{ target: 'stripe', url: `http://${host}/` }];
  const source: Source = createStatusPageSource({
    dependencies,
    periodMs: 60_000,
    deadlineMs: 150,
    log: pino({ level: 'silent' }),
  });
  const set = (next: RequestListener): void => {
    handle = next;
  };
  return { host, source, paths, set };
}

const send =
  (body: string, status = 200): RequestListener =>
  (_, response) => {
    response.writeHead(status).end(body);
  };

test('what the page says becomes a figure, and the answer of the period', async () => {
  const { source, host, paths } = await open(send(page('major')));
  const { series, blind } = await source.poll('status', 1_000, signal);
  expect(series).toMatchObject([
    { target: 'stripe', signal: 'vendor_indicator', unit: 'count', labels: {}, periodMs: 60_000 },
  ]);
  expect([...series[0]!.times, ...series[0]!.values]).toEqual([1_000, 2]);
  expect(blind).toEqual([]);
  const answer = {
    state: 'answered',
    at: 1_000,
    source: `${host}/api/v2/summary.json`,
    value: { at: 1_000, page: host, indicator: 'major' },
  };
  expect(await source.answer(QUESTION, 50_000, signal)).toMatchObject(answer);
  expect(paths).toEqual(['/api/v2/summary.json']);
  expect(await source.answer(QUESTION, 70_000, signal)).toMatchObject({ state: 'answered', at: 70_000 });
  expect(paths).toHaveLength(2);
});

test.each<readonly [string, RequestListener, string, string]>([
  ['hangs', () => undefined, 'timeout', 'no whole answer within 150 ms'],
  [
    'drips',
    (_, response) => {
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    },
    'timeout',
    'no whole answer within 150 ms',
  ],
  ['is huge', send(' '.repeat(600_000)), 'error', 'the answer is larger than 512 KB'],
  ['is no JSON', send('<html>blocked</html>'), 'error', 'the answer is not the summary of a Statuspage'],
  ['is other JSON', send('{"ok":true}'), 'error', 'the answer is not the summary of a Statuspage'],
  ['is not there', send('nothing', 404), 'error', 'answered 404 to /api/v2/summary.json'],
  [
    'breaks off',
    (request) => request.socket.resetAndDestroy(),
    'error',
    'the connection was closed before the answer (ECONNRESET)',
  ],
  [
    'has moved',
    (_, response) => {
      response.writeHead(301, { location: 'https://www.stripestatus.com/api/v2/summary.json' }).end();
    },
    'not_configured',
    'redirects to www.stripestatus.com, which is not followed',
  ],
])('a page that %s is one blindness and no figure', async (_, handler, because, detail) => {
  const { source, host } = await open(handler);
  expect(await source.poll('status', 1_000, signal)).toMatchObject({
    series: [],
    changes: [],
    blind: [{ target: 'stripe', check: 'vendor.status', because, detail: `${host}: ${detail}` }],
  });
  expect(await source.answer(QUESTION, 2_000, signal)).toMatchObject({
    state: 'unknown',
    kind: 'vendor.status',
    because,
  });
});

test('a page that has moved says where to', async () => {
  const { source } = await open((_, response) => {
    response.writeHead(302, { location: 'https://www.stripestatus.com/' }).end();
  });
  const { blind } = await source.poll('status', 1_000, signal);
  expect(blind[0]?.grant).toBe('set dependencies.stripe.statusPage to https://www.stripestatus.com');
});

test('an indicator that is not known is no figure', async () => {
  const { source } = await open(send(page('purple')));
  expect(await source.poll('status', 1_000, signal)).toMatchObject({ series: [], blind: [{ because: 'unsupported' }] });
});

test('a page that was read before and fails now does not answer with what it said', async () => {
  const { source, set } = await open(send(page('none')));
  await source.poll('status', 1_000, signal);
  set(send('x', 500));
  expect(await source.answer(QUESTION, 100_000, signal)).toMatchObject({ state: 'unknown', because: 'error' });
});
