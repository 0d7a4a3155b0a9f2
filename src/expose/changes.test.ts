import { describe, expect, test } from 'vitest';
import { readChange, type ToldChange } from './changes.ts';

const NOW = Date.UTC(2026, 10, 23, 14, 5, 0);
const TARGETS = ['api', 'main-db', 'main-db/replica-1'];
const DEPLOYMENT: ToldChange = {
  id: 'deploy-512',
  target: 'api',
  kind: 'deployment',
  summary: 'deploy 512: checkout rewrite',
  at: '2026-11-23T14:00:51Z',
  version: 'api:512',
  previous: 'api:511',
  state: 'completed',
  links: ['https://ci.example/runs/512'],
};

function read(body: Partial<ToldChange>) {
  return readChange({ target: 'api', kind: 'other', summary: 'x', ...body }, { now: NOW, targets: TARGETS });
}

test('a deployment is read whole', () => {
  expect(read(DEPLOYMENT)).toEqual({
    ok: true,
    id: 'deploy-512',
    change: {
      id: 'told:deploy-512',
      target: 'api',
      kind: 'deployment',
      summary: 'deploy 512: checkout rewrite',
      at: { earliest: Date.UTC(2026, 10, 23, 14, 0, 51), latest: Date.UTC(2026, 10, 23, 14, 0, 51) },
      source: 'POST /api/v1/changes',
      links: ['https://ci.example/runs/512'],
      deployment: { version: 'api:512', previous: 'api:511', state: 'completed' },
    },
  });
});

test('a version alone is a deployment that is through, in place of nobody knows what', () => {
  const told = read({ kind: 'deployment', version: 'v7' });
  expect(told.ok && told.change.deployment).toEqual({ version: 'v7', previous: null, state: 'completed' });
});

test('credentials and personal data are not kept, in none of its texts', () => {
  const told = read({
    id: 'jane.doe@example.com/7',
    kind: 'deployment',
    summary: 'rotated DATABASE_URL=postgres://admin:hunter2@db/x by jane.doe@example.com password=hunter2',
    version: 'v7-jane.doe@example.com',
    previous: 'token=hunter2',
    links: ['https://ci.example/runs/512?token=hunter2'],
  });
  expect(JSON.stringify(told)).not.toMatch(/hunter2|jane/);
  expect(told).toMatchObject({
    ok: true,
    change: {
      id: expect.stringMatching(/^told:[0-9a-f]{32}$/),
      summary: 'rotated DATABASE_URL=postgres://[redacted]@db/x by [e-mail] password=[redacted]',
    },
  });
  const again = read({ id: 'jane.doe@example.com/7' });
  expect(again.ok && told.ok && again.id === told.id).toBe(true);
});

describe('times', () => {
  test.each([
    ['nothing', {}, 0, 0],
    ['at in UTC', { at: '2026-11-23T14:00:00Z' }, -300, -300],
    ['at with an offset', { at: '2026-11-23T06:00:00-08:00' }, -300, -300],
    ['at to the nanosecond', { at: '2026-11-23T14:05:00.123456789Z' }, 0.123, 0.123],
    ['epoch milliseconds', { at: NOW - 60_000 }, -60, -60],
    ['epoch milliseconds as text', { at: String(NOW - 60_000) }, -60, -60],
    ['from and to', { from: '2026-11-23T14:00Z', to: NOW }, -300, 0],
    ['from alone', { from: '2026-11-23T14:00Z' }, -300, 0],
    ['7 days ago', { at: NOW - 7 * 86_400_000 }, -604_800, -604_800],
    ['5 minutes ahead', { at: NOW + 300_000 }, 300, 300],
  ])('%s', (_, times, earliest, latest) => {
    const told = read(times);
    const at = { earliest: NOW + earliest * 1000, latest: NOW + latest * 1000 };
    expect(told.ok && told.change.at).toEqual(at);
  });
});

describe('without an id', () => {
  test('the same words about the same time are the same change', () => {
    const at = NOW - 60_000;
    const ids = [{ at }, { at: new Date(at).toISOString() }, { at: at + 1 }, { at, summary: 'y' }].map((body) => {
      const told = read(body);
      return told.ok ? told.id : null;
    });
    expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(3);
  });
});

describe('is refused:', () => {
  const plain = 'has control or invisible characters, expected one line of plain text';
  const form = 'expected times as 2026-11-23T14:00:51Z, with Z or an offset, or as epoch milliseconds';
  test.each<[string, Partial<ToldChange>, number, string]>([
    ['a target that is not one', { target: 'ap' }, 404, 'no target is named "ap"; nearest: api'],
    ['a replica that is not one', { target: 'main-db/r' }, 404, 'no target is named "main-db/r"; nearest: main-db'],
    ['two lines', { summary: 'a\nb' }, 400, `summary ${plain}`],
    ['an escape', { summary: 'a\u001b[31mb' }, 400, `summary ${plain}`],
    ['a text that runs backwards', { version: 'v\u202e1', kind: 'deployment' }, 400, `version ${plain}`],
    ['a hidden character', { target: 'a\u200bpi' }, 400, `target ${plain}`],
    ['half a character', { summary: '\ud800' }, 400, `summary ${plain}`],
    ['a control character in a link', { links: ['https://a/\u0007'] }, 400, `links ${plain}`],
    [
      'a script for a link',
      { links: ['javascript:alert(1)'] },
      400,
      'links has "javascript:alert(1)", expected http:// or https:// URLs',
    ],
    [
      'a link with a password',
      { links: ['https://u:p@a/'] },
      400,
      'links has "https://u:p@a/", expected http:// or https:// URLs',
    ],
    ['an id with blanks', { id: 'a b' }, 400, 'id has characters other than letters, digits and . _ : / @ + # -'],
    [
      'a version of a flag',
      { kind: 'flag', version: '1' },
      400,
      'version, previous and state belong to the kind deployment, found the kind flag',
    ],
    ['a state of nothing', { kind: 'deployment', state: 'failed' }, 400, 'previous and state need version too'],
    ['at beside from', { at: NOW, from: NOW }, 400, 'found at beside from or to, expected one of the two'],
    ['to alone', { to: NOW }, 400, 'found to without from, expected both, or at alone'],
    ['from after to', { from: NOW, to: NOW - 1 }, 400, 'from is later than to'],
    ['a local time', { at: '2026-11-23T14:00:00' }, 400, form],
    ['a date', { at: '2026-11-23' }, 400, form],
    ['no time at all', { at: 'yesterday' }, 400, form],
    ['a day that is not one', { at: '2026-13-45T14:00:00Z' }, 400, form],
    ['an empty time', { at: '' }, 400, form],
    [
      'seconds',
      { at: NOW / 1000 },
      400,
      '1970-01-21T18:44:02Z is more than 7 days ago (seconds? expected milliseconds)',
    ],
    ['last year', { at: '2025-11-23T14:00:00Z' }, 400, '2025-11-23T14:00:00Z is more than 7 days ago'],
    [
      'tomorrow',
      { at: '2026-11-24T14:05:00Z' },
      400,
      '2026-11-24T14:05:00Z is more than 5 minutes ahead of the clock here (2026-11-23T14:05:00Z)',
    ],
  ])('%s', (_, body, status, message) => {
    expect(read(body)).toEqual({ ok: false, status, message });
  });
});
