import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { mutated, seeded } from '../../../test/world/mutations.ts';
import { type FakeIssue, type FakeSentry, startSentry } from '../../../test/world/sentry.ts';
import type { VendorTrouble } from '../../../test/world/vendor-troubles.ts';
import type { Answer, Question } from '../../model/question.ts';
import { createSentrySource, type SentrySourceOptions } from './source.ts';

const MINUTE = 60_000;
const NOW = Date.UTC(2026, 10, 23, 14, 5, 0);
const SINCE = NOW - 20 * MINUTE;
const TOKEN = 'sntrys_secret-token-of-the-test';
const { signal } = new AbortController();

const opened: FakeSentry[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

async function open(over: Partial<SentrySourceOptions> = {}) {
  const sentry = await startSentry({ organization: 'acme', token: TOKEN, projects: ['api', 'web'] });
  opened.push(sentry);
  const lines: string[] = [];
  const source = createSentrySource({
    name: 'sentry',
    url: sentry.url,
    organization: 'acme',
    token: () => TOKEN,
    services: [{ target: 'api', project: 'api' }],
    log: pino({ level: 'trace' }, { write: (line: string) => lines.push(line) }),
    deadlineMs: 250,
    ...over,
  });
  return { sentry, source, lines };
}

const question: Question<'errors.tracked'> = {
  kind: 'errors.tracked',
  target: 'api',
  window: { from: SINCE - 10 * MINUTE, to: NOW },
  params: { since: SINCE },
};

const told = (answer: Answer) => {
  if (answer.state !== 'answered' || answer.kind !== 'errors.tracked') throw new Error(JSON.stringify(answer));
  return answer.value;
};

const ids = Array.from({ length: 1_000 }, (_, index) => String(100 + index)).values();
const issue = (bursts: FakeIssue['bursts'], over: Partial<FakeIssue> = {}): FakeIssue => ({
  id: ids.next().value ?? '',
  project: 'api',
  type: 'TypeError',
  value: "Cannot read properties of undefined (reading 'total')",
  bursts,
  ...over,
});
const WEEK_AGO = NOW - 7 * 24 * 60 * MINUTE;
const always = (perMinute: number) => ({ from: WEEK_AGO, to: NOW, perMinute });
const sinceOnset = (perMinute: number) => ({ from: SINCE + 30_000, to: NOW, perMinute });

test.each<readonly [string, FakeIssue, string]>([
  ['first seen since the onset', issue([sinceOnset(10)], { substatus: 'new' }), 'new'],
  ['seen steadily, of which Sentry still says that it is new', issue([always(10)], { substatus: 'new' }), 'known'],
  [
    'back after days of silence',
    issue([{ from: WEEK_AGO, to: WEEK_AGO + MINUTE, perMinute: 5 }, sinceOnset(10)], { substatus: 'regressed' }),
    'regressed',
  ],
  ['that regressed days ago and goes on as it did', issue([always(3)], { substatus: 'regressed' }), 'known'],
  ['that grew tenfold', issue([always(2), sinceOnset(20)], { substatus: 'escalating' }), 'grown'],
  ['that grew by a fifth', issue([always(10), sinceOnset(2)]), 'known'],
])('an issue %s', async (_, one, state) => {
  const { sentry, source } = await open();
  sentry.set([one]);
  const { issues } = told(await source.answer(question, NOW, signal));
  expect(issues).toMatchObject([{ id: one.id, state, title: `TypeError: ${one.value}` }]);
});

test('figures are of the time since the onset, and times of the whole life of the issue', async () => {
  const { sentry, source } = await open();
  sentry.set([issue([always(2), sinceOnset(20)], { users: 17, culprit: 'checkout/total' })]);
  const { issues } = told(await source.answer(question, NOW, signal));
  const [one] = issues;
  expect(one).toMatchObject({ firstSeenAt: WEEK_AGO, lastSeenAt: NOW, users: 17, culprit: 'checkout/total' });
  // Twenty minutes of two and nineteen and a half of twenty, but for the roundings of 29 intervals.
  expect(one!.events).toBeGreaterThan(400);
  expect(one!.events).toBeLessThan(480);
});

test('the release that brought the most frequent new issue is told', async () => {
  const { sentry, source } = await open();
  sentry.set([
    issue([sinceOnset(5)], { release: 'api@1.2.3' }),
    issue([sinceOnset(30)], { release: 'api@512' }),
    issue([always(90)], { release: 'api@1' }),
  ]);
  const { issues } = told(await source.answer(question, NOW, signal));
  expect(issues.map(({ release, state }) => [state, release])).toEqual([
    ['known', null],
    ['new', 'api@512'],
    ['new', null],
  ]);
});

test('ten at most, and what changed before what did not', async () => {
  const { sentry, source } = await open();
  sentry.set([...Array.from({ length: 30 }, () => issue([always(50)])), issue([sinceOnset(1)])]);
  const { issues } = told(await source.answer(question, NOW, signal));
  expect(issues).toHaveLength(10);
  expect(issues.at(-1)).toMatchObject({ state: 'new' });
});

test('further pages are read by their cursor', async () => {
  const { sentry, source } = await open({ deadlineMs: 3_000 });
  sentry.set([...Array.from({ length: 230 }, () => issue([always(50)])), issue([sinceOnset(1)])]);
  const { issues } = told(await source.answer(question, NOW, signal));
  expect(issues.some((one) => one.state === 'new')).toBe(true);
  expect(sentry.requests.slice(0, 3).map((url) => new URLSearchParams(url).get('cursor'))).toEqual([
    null,
    '0:100:0',
    '0:200:0',
  ]);
});

test('issues of other projects, and resolved ones, are not told', async () => {
  const { sentry, source } = await open();
  sentry.set([issue([sinceOnset(9)], { project: 'web' }), issue([sinceOnset(9)], { status: 'ignored' })]);
  expect(told(await source.answer(question, NOW, signal)).issues).toEqual([]);
});

test('a server that ignores the filter does not make the issues of others ours', async () => {
  const { sentry, source } = await open();
  sentry.set([issue([sinceOnset(9)])]);
  sentry.mutate((body) => body.replaceAll('"slug":"api"', '"slug":"web"'));
  expect(told(await source.answer(question, NOW, signal)).issues).toEqual([]);
});

test('secrets and personal data in a title are gone', async () => {
  const { sentry, source } = await open();
  const value = 'login of ada@example.com failed: password=hunter2hunter2 for 4242 4242 4242 4242';
  sentry.set([issue([sinceOnset(9)], { value })]);
  const answer = JSON.stringify(await source.answer(question, NOW, signal));
  expect(answer).toMatch(/login of <\*> failed/);
  expect(answer).not.toMatch(/ada@|hunter2|4242/);
});

test.each<readonly [VendorTrouble, string, RegExp, RegExp | null]>([
  ['unauthorized', 'denied', /answered 401 to the issues of acme\/api$/, /event:read/],
  ['forbidden', 'denied', /answered 403/, /scopes event:read and project:read, and access to project api/],
  ['not-found', 'not_configured', /answered 404/, /slugs/],
  ['rate-limited', 'error', /too many requests$/, null],
  ['unavailable', 'error', /answered 503/, null],
  ['hang', 'timeout', /no whole answer within 250 ms$/, null],
  ['drip', 'timeout', /no whole answer within 250 ms$/, null],
  ['huge', 'error', /larger than 4096 KB$/, null],
  ['redirect', 'not_configured', /redirects to login\.example\.com, which is not followed$/, null],
  ['reset', 'error', /closed before the answer/, null],
  ['no-json', 'error', /not a list of issues$/, null],
  ['other-json', 'error', /not a list of issues$/, null],
])('%s is one unknown, with what to do about it', async (trouble, because, detail, grant) => {
  const { sentry, source, lines } = await open(trouble === 'huge' ? { deadlineMs: 3_000 } : {});
  sentry.trouble(trouble);
  const answer = await source.answer(question, NOW, signal);
  expect(answer).toMatchObject({ state: 'unknown', because, detail: expect.stringMatching(detail) });
  if (grant !== null) expect(answer).toMatchObject({ grant: expect.stringMatching(grant) });
  expect(JSON.stringify(answer) + lines.join('')).not.toContain(TOKEN);
});

test('a token that is not the right one is denied, and one that is none is not sent', async () => {
  const wrong = await open({ token: () => 'other' });
  expect(await wrong.source.answer(question, NOW, signal)).toMatchObject({ because: 'denied' });
  for (const token of [() => 'a\nb', () => '', () => ['x'][1]!.trim()]) {
    const { source, sentry } = await open({ token });
    expect(await source.answer(question, NOW, signal)).toMatchObject({ because: 'not_configured' });
    expect(sentry.requests).toEqual([]);
  }
});

test('answers for its services only, and polls nothing', async () => {
  const { source } = await open();
  expect(source.groups).toEqual([]);
  expect(source.answers(question)).toBe(true);
  expect(source.answers({ ...question, target: 'web' })).toBe(false);
  expect(await source.answer({ ...question, target: 'web' }, NOW, signal)).toMatchObject({ because: 'unsupported' });
});

test('2,000 mutated answers: no crash, and no figure that was not sent as one', async () => {
  const { sentry, source } = await open({ deadlineMs: 5_000 });
  sentry.set([
    issue([sinceOnset(10)], { release: 'api@512', users: 3 }),
    issue([always(2), sinceOnset(20)]),
    issue([always(7)]),
  ]);
  const random = seeded(20_261_123);
  let sent = '';
  sentry.mutate((body) => {
    const changed = mutated(body, random);
    if (body.startsWith('[')) sent = changed;
    return changed;
  });
  let answered = 0;
  for (let run = 0; run < 2_000; run += 1) {
    const answer = await source.answer(question, NOW, signal);
    const isList = ((): boolean => {
      try {
        return Array.isArray(JSON.parse(sent));
      } catch {
        return false;
      }
    })();
    expect(answer.state, sent).toBe(isList ? 'answered' : 'unknown');
    if (answer.state !== 'answered') continue;
    answered += 1;
    for (const one of told(answer).issues) {
      expect(one.id).toMatch(/^\d+$/);
      expect(Number.isSafeInteger(one.events) && one.events >= 0 && one.events <= 1e12, sent).toBe(true);
      expect(one.users === null || (Number.isSafeInteger(one.users) && one.users >= 0)).toBe(true);
      expect(one.firstSeenAt).toBeLessThanOrEqual(one.lastSeenAt);
      expect(one.title.length).toBeLessThanOrEqual(160);
      expect(one.title + one.culprit).not.toMatch(/hunter2|sk_live/);
    }
  }
  expect(answered).toBeGreaterThan(1_000);
});
