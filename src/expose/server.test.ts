import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Incident } from '../model/index.ts';
import { RunbookdError } from '../model/index.ts';
import {
  detectorSchema,
  errorSchema,
  findingSchema,
  incidentSchema,
  type JsonSchema,
  seriesSchema,
} from './api-schemas.ts';
import { SECURITY_HEADERS } from './guard.ts';
import { createMetrics } from './metrics.ts';
import type { View } from './routes.ts';
import { createServer, type HttpServer, type ServerOptions } from './server.ts';
import { FINDING, INCIDENT, reading } from './testdata.ts';

const TOKEN = 'canary-hunter2-canary';
const GOOD = { authorization: `Bearer ${TOKEN}` };
const LOOPBACK = { host: '127.0.0.1', port: 0 };

const VIEW: View = {
  incidents: async () => [INCIDENT],
  incident: async (id) => (id === INCIDENT.id ? INCIDENT : null),
  findings: async () => [FINDING],
  series: () => [reading('main-db', 'blocked_sessions'), reading('main-db', 'plain', { ready: false })],
};

const DETECTOR = {
  id: 'lock-contention',
  title: 'Lock contention',
  why: 'requests queue behind one session until the pool is empty',
  runbook: 'Database / Lock Contention',
  target: 'database',
  options: {
    holdSeconds: { type: 'number', default: 30, description: 'hold', unit: 's', minimum: 0, maximum: 86_400 },
    mode: { type: 'string', default: 'a', description: 'mode', choices: ['a', 'b'] },
  },
  hypotheses: [
    { cause: 'lock-contention', variant: 'ddl', title: 'A DDL statement', prior: 0.2 },
    { cause: 'slow-query', title: 'A slow query', prior: 0.1 },
  ],
};

interface Logged {
  readonly level: 'error' | 'warn';
  readonly fields: unknown;
  readonly message: string;
}

interface Setup {
  readonly server: HttpServer;
  readonly log: Logged[];
}

const opened: HttpServer[] = [];

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

function setUp(options: {
  readonly config?: Partial<ServerOptions['config']>;
  readonly view?: Partial<View>;
  readonly live?: boolean;
  readonly notReady?: readonly string[];
}): Setup {
  const log: Logged[] = [];
  const write = (level: Logged['level']) => (fields: unknown, message?: string) =>
    void log.push({ level, fields, message: message ?? '' });
  const server = createServer({
    config: {
      listen: LOOPBACK,
      token: { read: () => TOKEN },
      writeToken: null,
      metricsListen: LOOPBACK,
      ...options.config,
    },
    acceptChange: async () => 'new',
    targets: [],
    now: () => 0,
    view: { ...VIEW, ...options.view },
    metrics: createMetrics({ version: '0.1.0', processMetrics: false }),
    detectors: [DETECTOR],
    log: { error: write('error'), warn: write('warn') },
    version: '0.1.0',
    health: { live: () => options.live ?? true, notReady: () => options.notReady ?? [] },
  });
  opened.push(server);
  return { server, log };
}

const ROUTES = [
  '/livez',
  '/readyz',
  '/metrics',
  '/api/v1/incidents',
  `/api/v1/incidents/${INCIDENT.id}`,
  '/api/v1/incidents/none',
  '/api/v1/findings',
  '/api/v1/series',
  '/api/v1/detectors',
  '/api/v1/none',
  '/',
];
const OPEN = ['/livez', '/readyz'];
const MISSING = ['/api/v1/incidents/none', '/api/v1/none', '/'];

describe('on the main address', () => {
  const { server } = setUp({});
  opened.pop();

  describe.each(ROUTES)('%s', (url) => {
    const found = MISSING.includes(url) ? 404 : 200;
    test.each([
      ['no token', {}, OPEN.includes(url) ? 200 : 401],
      ['a bad token', { authorization: 'Bearer canary-hunter2-canarx' }, OPEN.includes(url) ? 200 : 401],
      ['a token of another scheme', { authorization: `Basic ${TOKEN}` }, OPEN.includes(url) ? 200 : 401],
      ['the token', GOOD, found],
    ])('with %s', async (_, headers, expected) => {
      const get = await server.inject({ url, headers });
      expect(get.statusCode).toBe(expected);
      expect(get.headers).toMatchObject(SECURITY_HEADERS);
      if (expected >= 400) expect(get.json()).toMatchObject({ error: expect.any(String), message: expect.any(String) });
      if (expected === 401) expect(get.headers['www-authenticate']).toBe('Bearer');
      const head = await server.inject({ method: 'HEAD', url, headers });
      expect(head.statusCode).toBe(expected);
      expect(head.body).toBe('');
    });

    test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const)('answers no %s', async (method) => {
      const answer = await server.inject({ method, url, headers: GOOD });
      expect(answer.statusCode).toBe(405);
      expect(answer.headers).toMatchObject({ ...SECURITY_HEADERS, allow: 'GET, HEAD' });
    });
  });
});

describe('on the address for metrics', () => {
  test.each(ROUTES)('%s needs no token, and only probes and metrics are there', async (url) => {
    const answer = await setUp({}).server.injectMetrics!({ url });
    expect(answer.statusCode).toBe([...OPEN, '/metrics'].includes(url) ? 200 : 404);
    expect(answer.headers).toMatchObject(SECURITY_HEADERS);
  });

  test('it is not there unless it is configured', () => {
    expect(setUp({ config: { metricsListen: null } }).server.injectMetrics).toBeNull();
  });
});

describe('without a configured token, on loopback', () => {
  test.each(ROUTES)('%s answers this machine', async (url) => {
    const answer = await setUp({ config: { token: null } }).server.inject({ url });
    expect(answer.statusCode).toBe(MISSING.includes(url) ? 404 : 200);
  });

  test.each(ROUTES)('%s does not answer a page whose name was rebound to 127.0.0.1', async (url) => {
    const { server } = setUp({ config: { token: null } });
    const answer = await server.inject({ url, headers: { host: 'evil.example:9470' } });
    expect(answer.statusCode).toBe(421);
    expect(answer.json().error).toBe('misdirected');
  });

  test('the host of publicUrl is let through, for a proxy on this machine', async () => {
    const { server } = setUp({ config: { token: null, publicUrl: 'https://runbookd.example/ops' } });
    const answer = await server.inject({ url: '/metrics', headers: { host: 'runbookd.example' } });
    expect(answer.statusCode).toBe(200);
  });
});

test('on another address any host name may be used, with the token', async () => {
  const { server } = setUp({ config: { listen: { host: '0.0.0.0', port: 0 } } });
  const headers = { ...GOOD, host: 'runbookd.ops.svc' };
  expect((await server.inject({ url: '/api/v1/findings', headers })).statusCode).toBe(200);
});

test('a token that cannot be read lets nobody in, says so in the log, and keeps the probes up', async () => {
  const read = (): string => {
    throw new RunbookdError('SECRET_MISSING', ['file:token', 'there is no file /run/token']);
  };
  const { server, log } = setUp({ config: { token: { read } } });
  expect((await server.inject({ url: '/metrics', headers: GOOD })).statusCode).toBe(401);
  expect((await server.inject({ url: '/livez' })).statusCode).toBe(200);
  expect(log).toEqual([
    {
      level: 'warn',
      fields: { error: 'file:token: there is no file /run/token' },
      message: 'http token cannot be read',
    },
  ]);
});

describe('probes', () => {
  test.each([
    ['/livez', {}, 200, { status: 'live', reasons: [] }],
    ['/livez', { live: false }, 503, { status: 'not live', reasons: ['the scheduler does not run on time'] }],
    ['/livez', { notReady: ['x'] }, 200, { status: 'live', reasons: [] }],
    ['/readyz', {}, 200, { status: 'ready', reasons: [] }],
    ['/readyz', { notReady: ['no poll yet'] }, 503, { status: 'not ready', reasons: ['no poll yet'] }],
  ])('%s with %j answers %i', async (url, options, status, body) => {
    const answer = await setUp(options).server.inject({ url });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toEqual(body);
  });
});

/** The answer as sent against its schema, by another reader of JSON Schema than the server's. */
function expectToFit(schema: JsonSchema, value: unknown): void {
  const result = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).safeParse(value);
  expect(result.error?.issues ?? []).toEqual([]);
}

describe('the API', () => {
  async function get(url: string, view: Partial<View> = {}) {
    const answer = await setUp({ view }).server.inject({ url, headers: GOOD });
    return { status: answer.statusCode, body: answer.json(), type: answer.headers['content-type'] };
  }

  test('sends an incident whole: every key of the diagnosis arrives', async () => {
    const { body, type } = await get(`/api/v1/incidents/${INCIDENT.id}`);
    expect(type).toContain('application/json');
    expect(body).toEqual({ incident: JSON.parse(JSON.stringify(INCIDENT)) });
    expectToFit(incidentSchema, body.incident);
  });

  test('sends keys that the schema does not know, and null as null', async () => {
    const more = { ...INCIDENT, later: { x: null }, openedAt: Number.NaN } as Incident;
    const { body } = await get('/api/v1/incidents', { incidents: async () => [more] });
    expect(body.incidents[0]).toMatchObject({ later: { x: null }, openedAt: null });
  });

  test('lists findings and detectors as their schemas say', async () => {
    const findings = (await get('/api/v1/findings')).body;
    expect(findings).toEqual({ findings: [JSON.parse(JSON.stringify(FINDING))] });
    expectToFit(findingSchema, findings.findings[0]);
    const { version, detectors } = (await get('/api/v1/detectors')).body;
    expect(version).toBe('0.1.0');
    expectToFit(detectorSchema, detectors[0]);
    expect(detectors[0].options[0]).toEqual({ name: 'holdSeconds', ...DETECTOR.options.holdSeconds });
    expect(detectors[0].causes[1]).toEqual({ cause: 'slow-query', variant: null, title: 'A slow query', prior: 0.1 });
  });

  test('lists series with their last sample, a band that is not ready as null', async () => {
    const { body } = await get('/api/v1/series');
    for (const series of body.series) expectToFit(seriesSchema, series);
    expect(body.truncated).toBe(false);
    expect(body.series.map((series: { samples: unknown }) => series.samples)).toEqual([
      [{ at: expect.any(Number), value: 7, expected: 2, lower: 1, upper: 3 }],
      [{ at: expect.any(Number), value: 7, expected: null, lower: null, upper: null }],
    ]);
  });

  test.each([
    ['?signal=plain', ['plain'], 1, false],
    ['?target=main-db&samples=2&limit=1', ['blocked_sessions'], 2, true],
    ['?target=none', [], 0, false],
  ])('series%s', async (query, signals, samples, truncated) => {
    const { body } = await get(`/api/v1/series${query}`);
    expect(body.series.map((series: { signal: string }) => series.signal)).toEqual(signals);
    expect(body.series[0]?.samples.length ?? 0).toBe(samples);
    expect(body.truncated).toBe(truncated);
  });

  test('hands the query to the view, with the default limit', async () => {
    const asked: unknown[] = [];
    const incidents: View['incidents'] = async (query) => {
      asked.push({ ...query });
      return [];
    };
    await get('/api/v1/incidents', { incidents });
    await get('/api/v1/incidents?state=open&limit=3', { incidents });
    expect(asked).toEqual([{ limit: 100 }, { state: 'open', limit: 3 }]);
  });

  test.each([
    '/api/v1/incidents?state=closed',
    '/api/v1/incidents?limit=0',
    '/api/v1/incidents?limit=501',
    '/api/v1/incidents?limit=many',
    '/api/v1/findings?sort=age',
    '/api/v1/series?samples=1000000',
    `/api/v1/series?target=${'x'.repeat(300)}`,
    '/api/v1/incidents/%zz',
  ])('%s is a bad request', async (url) => {
    const { status, body } = await get(url);
    expect(status).toBe(400);
    expectToFit(errorSchema, body);
    expect(body.error).toBe('bad_request');
  });

  test.each([
    ['a defect', () => new TypeError('canary-hunter2'), 500, 'internal'],
    ['a store that is busy', () => new RunbookdError('STORE_READ', ['state.db', 'canary-hunter2']), 503, 'unavailable'],
  ])('%s is logged here and not told there', async (_, failure, status, error) => {
    const { server, log } = setUp({ view: { incidents: () => Promise.reject(failure()) } });
    const answer = await server.inject({ url: '/api/v1/incidents', headers: GOOD });
    expect(answer.statusCode).toBe(status);
    expect(answer.json().error).toBe(error);
    expect(answer.headers).toMatchObject(SECURITY_HEADERS);
    expect(answer.body).not.toMatch(/canary|TypeError|\.ts|at /);
    expect(log).toMatchObject([{ level: 'error', fields: { route: '/api/v1/incidents' }, message: 'request failed' }]);
  });
});

describe('on real sockets', () => {
  async function raw(port: number, text: string): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    return promise;
  }

  test('both addresses answer, and closing frees them', async () => {
    const { server } = setUp({});
    const bound = await server.listen();
    const api = `http://127.0.0.1:${bound.http.port}`;
    const metrics = `http://127.0.0.1:${bound.metrics?.port}`;
    expect((await fetch(`${api}/api/v1/incidents`, { headers: GOOD })).status).toBe(200);
    expect((await fetch(`${api}/metrics`)).status).toBe(401);
    const scraped = await fetch(`${metrics}/metrics`);
    expect(scraped.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await scraped.text()).toContain('runbookd_build_info{');
    await server.close();
    await expect(fetch(`${api}/livez`)).rejects.toThrow();
    await expect(fetch(`${metrics}/livez`)).rejects.toThrow();
  });

  test.each(['nonsense\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', `GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`])(
    'what is no HTTP (%j) gets a 400 with the same headers',
    async (text) => {
      const { server } = setUp({});
      const answer = await raw((await server.listen()).http.port, text);
      expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) expect(answer).toContain(`${name}: ${value}\r\n`);
      expect(answer).toContain('"error":"bad_request"');
    },
  );

  test('a port in use is HTTP_LISTEN with what to change, and leaves no address open', async () => {
    const taken = (await setUp({ config: { metricsListen: null } }).server.listen()).http;
    const first = setUp({ config: { listen: taken } }).server;
    await expect(first.listen()).rejects.toMatchObject({
      code: 'HTTP_LISTEN',
      message:
        `cannot listen on 127.0.0.1:${taken.port}: the port is in use; ` +
        'stop what uses it, or set http.listen to another port',
    });
    const second = setUp({ config: { metricsListen: taken } }).server;
    await expect(second.listen()).rejects.toThrow('set http.metricsListen to another port');
  });

  test('an address of another machine is HTTP_LISTEN', async () => {
    const { server } = setUp({ config: { listen: { host: '192.0.2.1', port: 0 } } });
    await expect(server.listen()).rejects.toThrow(
      'cannot listen on 192.0.2.1:0: this machine has no such address; set http.listen to 127.0.0.1, 0.0.0.0',
    );
  });
});
