import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import type { PollResult, Source } from '../../model/source.ts';
import { createHealthSource, HEALTH_SIGNALS } from './health.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const { signal } = new AbortController();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const DEADLINE_MS = 150;
const READY = JSON.stringify({ checks: { database: { status: 'down', error: 'timeout' } } });

const answer =
  (status: number, body: string): Handler =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  };

/** What a server can do to us, and what we make of it. */
const BAD: Readonly<Record<string, Handler>> = {
  hang: () => undefined,
  drip: (_, response) => {
    const timer = setInterval(() => response.write('{'), 20);
    response.on('close', () => clearInterval(timer));
  },
  huge: (_, response) => {
    const more = (): void => {
      while (response.write('x'.repeat(65_536)));
    };
    response.on('drain', more).on('error', () => undefined);
    more();
  },
  redirect: (_, response) => {
    response.writeHead(302, { location: 'https://login.example.com/?next=secret' }).end();
  },
  garbage: (request) => {
    request.socket.end('220 mail.example.com ESMTP\r\n');
  },
  reset: (request) => {
    request.socket.resetAndDestroy();
  },
  cut: (request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{"checks"', () => request.socket.destroy());
  },
};

async function serve(first: Handler) {
  let handler = first;
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    handler(request, response);
  });
  server.on('clientError', (_, socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  closers.push(stop);
  const set = (next: Handler): void => {
    handler = next;
  };
  return { seen, set, stop, host: `127.0.0.1:${port}` };
}

function open(live: string | null, ready: string | null): Source {
  const services = [{ target: 'api', live, ready }];
  const source = createHealthSource({
    services,
    periodMs: 15_000,
    deadlineMs: DEADLINE_MS,
    log: pino({ level: 'silent' }),
  });
  closers.push(() => source.close());
  return source;
}

const valuesOf = ({ series }: PollResult): Readonly<Record<string, number>> =>
  Object.fromEntries(series.map(({ signal: name, values }) => [name, values[0] ?? Number.NaN]));

const QUESTION = { kind: 'service.health', target: 'api', window: { from: 0, to: 1_000_000 }, params: {} } as const;

test('a service that is well: both endpoints, one GET each, no cookies, nothing blind', async () => {
  const { host, seen } = await serve(answer(200, '{"status":"ok"}'));
  const source = open(`http://${host}/health`, `http://${host}/ready?deep=1`);
  const result = await source.poll('health', 1_000, signal);
  expect(valuesOf(result)).toMatchObject({ health_live: 1, health_ready: 1 });
  expect(result.series.map(({ signal: name, unit, periodMs }) => [name, unit, periodMs])).toEqual([
    ['health_live', 'bool', 15_000],
    ['health_ready', 'bool', 15_000],
    ['health_milliseconds', 'ms', 15_000],
  ]);
  expect(result.blind).toEqual([]);
  expect(seen.map(({ method, url }) => `${method} ${url}`).sort()).toEqual(['GET /health', 'GET /ready?deep=1']);
  expect(seen[0]?.headers).toMatchObject({ 'user-agent': 'runbookd', 'accept-encoding': 'identity' });
  expect(seen[0]?.headers['cookie']).toBeUndefined();
});

test('a service that says it is not ready is measured, and says which dependency it is', async () => {
  const { host } = await serve(answer(503, READY));
  const source = open(null, `http://${host}/ready?token=secret`);
  expect(valuesOf(await source.poll('health', 1_000, signal))).toMatchObject({ health_ready: 0 });
  const answered = await source.answer(QUESTION, 2_000, signal);
  expect(answered).toMatchObject({
    state: 'answered',
    source: `GET ${host}/ready`,
    value: {
      live: null,
      ready: {
        endpoint: `${host}/ready`,
        status: 503,
        failure: null,
        checks: [{ name: 'database', ok: false, detail: 'timeout' }],
      },
      history: [
        { at: 1_000, live: null, ready: false },
        { at: 2_000, live: null, ready: false },
      ],
    },
  });
  expect(JSON.stringify(answered)).not.toContain('secret');
});

test.each([
  ['hang', 'timeout', 'timeout', 0],
  ['drip', 'timeout', 'timeout', 0],
  ['huge', 'too-large', 'error', 1],
  ['redirect', 'redirect', 'not_configured', undefined],
  ['garbage', 'other', 'error', undefined],
  ['reset', 'reset', 'error', 0],
  ['cut', 'reset', 'error', undefined],
])('%s is the failure %s, one blindness, and the value %s after it was well', async (kind, failure, because, value) => {
  const { host, set } = await serve(answer(200, 'OK'));
  const source = open(null, `http://${host}/ready`);
  await source.poll('health', 1_000, signal);
  set(BAD[kind]!);
  const result = await source.poll('health', 2_000, signal);
  expect(valuesOf(result)['health_ready']).toBe(value);
  expect(result.blind).toMatchObject([{ target: 'api', check: 'health.ready', because }]);
  expect(result.blind[0]?.detail).not.toContain('secret');
  // What is no answer of the service says nothing of it.
  const expected =
    value === undefined
      ? { state: 'unknown', because, detail: result.blind[0]?.detail }
      : { state: 'answered', value: { ready: { failure, checks: [] } } };
  expect(await source.answer(QUESTION, 3_000, signal)).toMatchObject(expected);
});

test('of two endpoints one that redirects is a part that is not seen', async () => {
  const { host: well } = await serve(answer(200, 'OK'));
  const { host: moved } = await serve(BAD['redirect']!);
  const answered = await open(`http://${well}/health`, `http://${moved}/ready`).answer(QUESTION, 1_000, signal);
  expect(answered).toMatchObject({
    state: 'answered',
    value: { live: { status: 200, failure: null }, ready: { failure: 'redirect' } },
    unseen: [{ because: 'not_configured', detail: expect.stringContaining(`${moved}/ready: redirects to`) }],
  });
});

test('what has never answered here is a setting of ours: no value, and what to check', async () => {
  const { host, set } = await serve(BAD['hang']!);
  const source = open(`http://${host}/health`, null);
  expect(await source.poll('health', 1_000, signal)).toMatchObject({
    series: [],
    blind: [{ check: 'health.live', because: 'timeout', grant: expect.stringContaining('services.api.health.live') }],
  });
  set(answer(200, 'OK'));
  expect(valuesOf(await source.poll('health', 2_000, signal))).toMatchObject({ health_live: 1 });
  set(BAD['hang']!);
  expect(valuesOf(await source.poll('health', 3_000, signal))).toEqual({ health_live: 0 });
});

test('a restart of ours remembers what has answered, and the last hour', async () => {
  const { host, stop } = await serve(answer(200, 'OK'));
  const first = open(`http://${host}/health`, null);
  await first.poll('health', 1_000, signal);
  await stop();
  const second = open(`http://${host}/health`, null);
  second.restore(first.snapshot()!);
  const result = await second.poll('health', 2_000, signal);
  expect(valuesOf(result)).toEqual({ health_live: 0 });
  expect(result.blind).toMatchObject([
    { because: 'error', detail: `${host}/health: the connection was refused (ECONNREFUSED)` },
  ]);
  expect(await second.answer(QUESTION, 3_000, signal)).toMatchObject({
    value: { live: { failure: 'refused', status: null }, history: [{ live: true }, { live: false }, { live: false }] },
  });
});

test('a name that is not found and a server without TLS have failures of their own', async () => {
  const plain = createTcpServer((socket) => {
    socket.on('error', () => undefined).end('HTTP/1.1 400 Bad Request\r\n\r\n');
  });
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  closers.push(() => plain.close());
  const address = plain.address();
  const host = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const source = open('http://no-such-host.invalid/health', `https://${host}/ready`);
  const { series, blind } = await source.poll('health', 1_000, signal);
  expect(series).toEqual([]);
  expect(await source.answer(QUESTION, 2_000, signal)).toMatchObject({
    value: { live: { failure: 'dns' }, ready: { failure: 'tls' } },
  });
  expect(blind.map(({ check }) => check)).toEqual(['health.live', 'health.ready']);
});

test('a password in the address is in no text', async () => {
  const source = open('http://me:hunter2@127.0.0.1:9/health', null);
  const { blind } = await source.poll('health', 1_000, signal);
  expect(blind).toHaveLength(1);
  expect(JSON.stringify([blind, await source.answer(QUESTION, 2_000, signal)])).not.toMatch(/hunter2|me:/);
});

test('a poll that is given up says nothing about the service', async () => {
  const { host, set } = await serve(answer(200, 'OK'));
  const source = open(`http://${host}/health`, null);
  await source.poll('health', 1_000, signal);
  set(BAD['hang']!);
  const controller = new AbortController();
  const polling = source.poll('health', 2_000, controller.signal);
  controller.abort();
  expect(await polling).toEqual({ series: [], changes: [], blind: [] });
  expect(await source.answer(QUESTION, 3_000, AbortSignal.abort())).toMatchObject({
    state: 'unknown',
    because: 'timeout',
  });
});

test('the history is an hour long and survives a clock that was set back', async () => {
  const { host } = await serve(answer(200, 'OK'));
  const source = open(`http://${host}/health`, null);
  for (const at of [0, 1_800_000, 3_700_000]) await source.poll('health', at, signal);
  await source.poll('health', 3_600_000, signal);
  const window = { from: 0, to: 10_000_000 };
  const answered = await source.answer({ ...QUESTION, window }, 3_600_001, signal);
  expect(answered).toMatchObject({ value: { history: [{ at: 1_800_000 }, { at: 3_600_000 }, { at: 3_600_001 }] } });
});

test('an unknown or damaged snapshot is ignored', () => {
  const source = open('http://127.0.0.1:9/health', null);
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  for (const damaged of [
    new Uint8Array([0xff]),
    bytes('null'),
    bytes('{"version":1,"services":7}'),
    bytes('{"version":1,"services":[7,["api"],["api",{"answered":[1],"history":[{"at":"x"}]}]]}'),
  ]) {
    expect(() => source.restore(damaged)).not.toThrow();
  }
  expect(source.answers(QUESTION)).toBe(true);
  expect(source.answers({ ...QUESTION, target: 'web' })).toBe(false);
});

test('signals have one name, one unit and a description each', () => {
  expect(HEALTH_SIGNALS.map(({ signal: name, unit, group }) => [name, unit, group])).toEqual([
    ['health_live', 'bool', 'health'],
    ['health_ready', 'bool', 'health'],
    ['health_milliseconds', 'ms', 'health'],
  ]);
});
