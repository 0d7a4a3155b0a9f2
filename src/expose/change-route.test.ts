import { afterEach, describe, expect, test } from 'vitest';
import { type Change, RunbookdError } from '../model/index.ts';
import { SECURITY_HEADERS } from './guard.ts';
import { createMetrics } from './metrics.ts';
import { createServer, type HttpServer, type ServerOptions } from './server.ts';

const NOW = Date.UTC(2026, 10, 23, 14, 5, 0);
const READ = 'canary-hunter2-reads';
const WRITE = 'canary-hunter2-writes';
const GOOD = { authorization: `Bearer ${WRITE}` };
const URL_PATH = '/api/v1/changes';
const BODY = {
  id: 'deploy-512',
  target: 'api',
  kind: 'deployment',
  summary: 'deploy 512',
  at: NOW,
  version: 'api:512',
};

const opened: HttpServer[] = [];
afterEach(async () => {
  for (const server of opened.splice(0)) await server.close();
});

interface Setup {
  readonly server: HttpServer;
  readonly accepted: Change[];
  readonly clock: { now: number };
}

function setUp(config: Partial<ServerOptions['config']> = {}, accept?: ServerOptions['acceptChange']): Setup {
  const accepted: Change[] = [];
  const clock = { now: NOW };
  const acceptChange: ServerOptions['acceptChange'] = async (change) => {
    if (accepted.some(({ id }) => id === change.id)) return 'known';
    accepted.push(change);
    return 'new';
  };
  const server = createServer({
    config: {
      listen: { host: '127.0.0.1', port: 0 },
      token: { read: () => READ },
      writeToken: { read: () => WRITE },
      metricsListen: { host: '127.0.0.1', port: 0 },
      ...config,
    },
    acceptChange: accept ?? acceptChange,
    targets: ['api', 'main-db'],
    now: () => clock.now,
    view: {
      incidents: async () => [],
      incident: async () => null,
      findings: async () => [],
      series: () => [],
    },
    metrics: createMetrics({ version: '0.1.0', processMetrics: false }),
    detectors: [],
    log: { error: () => {}, warn: () => {} },
    version: '0.1.0',
    health: { live: () => true, notReady: () => [] },
  });
  opened.push(server);
  return { server, accepted, clock };
}

function post(server: HttpServer, payload: unknown, headers: Readonly<Record<string, string>> = GOOD) {
  return server.inject({ method: 'POST', url: URL_PATH, headers, payload: payload as object });
}

test('a change is taken, and the same id again changes nothing', async () => {
  const { server, accepted } = setUp();
  const first = await post(server, BODY);
  expect([first.statusCode, first.json()]).toEqual([201, { id: 'deploy-512', state: 'new' }]);
  expect(first.headers).toMatchObject(SECURITY_HEADERS);
  const again = await post(server, { ...BODY, summary: 'other words' });
  expect([again.statusCode, again.json()]).toEqual([200, { id: 'deploy-512', state: 'known' }]);
  expect(accepted).toEqual([
    {
      id: 'told:deploy-512',
      target: 'api',
      kind: 'deployment',
      summary: 'deploy 512',
      at: { earliest: NOW, latest: NOW },
      source: 'POST /api/v1/changes',
      deployment: { version: 'api:512', previous: null, state: 'completed' },
    },
  ]);
});

test('a number that CI sends for a version or an id is taken as text', async () => {
  const { server, accepted } = setUp();
  expect((await post(server, { ...BODY, id: 7, version: 512 })).statusCode).toBe(201);
  expect(accepted[0]).toMatchObject({ id: 'told:7', deployment: { version: '512' } });
});

describe('who may write', () => {
  test.each([
    ['the write token', GOOD, 201],
    ['the token for reading', { authorization: `Bearer ${READ}` }, 401],
    ['another token', { authorization: 'Bearer canary-hunter2-writex' }, 401],
    ['the token of another scheme', { authorization: `Basic ${WRITE}` }, 401],
    ['no token', {}, 401],
  ])('with %s', async (_, headers, status) => {
    const { server, accepted } = setUp();
    const answer = await post(server, BODY, headers as Readonly<Record<string, string>>);
    expect(answer.statusCode).toBe(status);
    expect(accepted).toHaveLength(status === 201 ? 1 : 0);
    if (status !== 401) return;
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(answer.json()).toEqual({
      error: 'unauthorized',
      message: 'expected Authorization: Bearer with the token of http.writeToken',
    });
  });

  test.each([GOOD, {}, { authorization: `Bearer ${READ}` }])('nobody, without a write token (%o)', async (headers) => {
    const { server, accepted } = setUp({ writeToken: null, token: null });
    const answer = await post(server, BODY, headers as Readonly<Record<string, string>>);
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toEqual({
      error: 'forbidden',
      message: 'nobody may write: http.writeToken is not configured',
    });
    expect(accepted).toEqual([]);
  });

  test('the write token does not read', async () => {
    const answer = await setUp().server.inject({ url: '/api/v1/findings', headers: GOOD });
    expect(answer.statusCode).toBe(401);
  });

  test('a page whose name was rebound to this machine does not', async () => {
    const answer = await post(setUp().server, BODY, { ...GOOD, host: 'evil.example' });
    expect(answer.statusCode).toBe(421);
  });

  test('a write token that cannot be read lets nobody in', async () => {
    const read = (): string => {
      throw new RunbookdError('SECRET_MISSING', ['file:write-token', 'there is no file']);
    };
    expect((await post(setUp({ writeToken: { read } }).server, BODY)).statusCode).toBe(401);
  });
});

describe('what is refused', () => {
  const LONG = 'x'.repeat(301);
  test.each([
    ['no target', { ...BODY, target: undefined }, 400, "body must have required property 'target'"],
    ['a target that is not one', { ...BODY, target: 'apj' }, 404, 'no target is named "apj"; nearest: api'],
    [
      'a kind that is not one',
      { ...BODY, kind: 'deploy' },
      400,
      /^body\/kind must be equal to one of .+: deployment, flag, /,
    ],
    ['a key that is not one', { ...BODY, revision: 3 }, 400, 'body must NOT have additional properties: "revision"'],
    ['a long summary', { ...BODY, summary: LONG }, 400, 'body/summary must NOT have more than 300 characters'],
    ['an empty summary', { ...BODY, summary: '' }, 400, 'body/summary must NOT have fewer than 1 characters'],
    ['two lines', { ...BODY, summary: 'a\nb' }, 400, /^summary has control or invisible characters/],
    ['a map for a summary', { ...BODY, summary: { a: 1 } }, 400, 'body/summary must be string'],
    ['a map for a time', { ...BODY, at: { s: 1 } }, 400, 'body/at must be string'],
    ['many links', { ...BODY, links: Array(6).fill('https://a/') }, 400, 'body/links must NOT have more than 5 items'],
    ['an old change', { ...BODY, at: '2026-01-01T00:00:00Z' }, 400, '2026-01-01T00:00:00Z is more than 7 days ago'],
    ['a list', [BODY], 400, 'body must be object'],
    ['17 KB', { ...BODY, links: [`https://a/${'x'.repeat(17_000)}`] }, 413, 'the request is too large'],
  ])('%s', async (_, body, status, message) => {
    const { server, accepted } = setUp();
    const answer = await post(server, body);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers).toMatchObject(SECURITY_HEADERS);
    if (message instanceof RegExp) expect(answer.json().message).toMatch(message);
    else expect(answer.json().message).toBe(message);
    expect(accepted).toEqual([]);
  });

  test.each([
    ['text', 'text/plain', JSON.stringify(BODY), 415],
    ['a form', 'application/x-www-form-urlencoded', 'target=api', 415],
    ['XML', 'application/xml', '<change/>', 415],
    ['half of JSON', 'application/json', '{"target":', 400],
    ['no body', 'application/json', '', 400],
    ['a prototype', 'application/json', '{"__proto__":{"target":"api"}}', 400],
  ])('%s', async (_, type, payload, status) => {
    const { server, accepted } = setUp();
    const answer = await server.inject({
      method: 'POST',
      url: URL_PATH,
      headers: { ...GOOD, 'content-type': type },
      payload,
    });
    expect(answer.statusCode).toBe(status);
    expect(answer.headers).toMatchObject(SECURITY_HEADERS);
    expect(answer.json()).toEqual({ error: expect.any(String), message: expect.any(String) });
    expect(accepted).toEqual([]);
  });

  test.each(['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const)('%s', async (method) => {
    const answer = await setUp().server.inject({
      method,
      url: `${URL_PATH}?x=1`,
      headers: { authorization: `Bearer ${READ}` },
    });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers).toMatchObject({ ...SECURITY_HEADERS, allow: 'POST' });
  });

  test('any change, on the address for metrics', async () => {
    const answer = await setUp().server.injectMetrics!({ method: 'POST', url: URL_PATH, headers: GOOD, payload: BODY });
    expect(answer.statusCode).toBe(405);
  });
});

test('60 in a minute are taken, the next must wait, and who has no token uses none of them up', async () => {
  const { server, accepted, clock } = setUp();
  for (let index = 0; index < 100; index++) await post(server, BODY, {});
  for (let index = 0; index < 60; index++) {
    clock.now = NOW + index * 500;
    expect((await post(server, { ...BODY, id: `d${index}` })).statusCode).toBe(201);
  }
  const refused = await post(server, { ...BODY, id: 'd60' });
  expect([refused.statusCode, refused.headers['retry-after'], refused.json().error]).toEqual([429, '31', 'too_many']);
  clock.now = NOW + 60_000;
  expect((await post(server, { ...BODY, id: 'd60' })).statusCode).toBe(201);
  expect(accepted).toHaveLength(61);
});

test('a store that cannot be written is told as such, so that CI tries again', async () => {
  const { server } = setUp({}, () => Promise.reject(new RunbookdError('STORE_WRITE', ['state.db', 'disk full'])));
  const answer = await post(server, BODY);
  expect([answer.statusCode, answer.headers['retry-after'], answer.json().error]).toEqual([503, '5', 'unavailable']);
  expect(answer.body).not.toContain('disk');
});
