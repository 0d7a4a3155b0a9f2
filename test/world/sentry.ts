/**
 * Sentry on loopback: the issues of an organization and the details of one, as https://docs.sentry.io/api/events/ has
 * them. With a time range `count` and `firstSeen` are of the range, `lifetime` is of the issue; a substatus of `new` or
 * `regressed` stays for a week.
 */

import { createServer } from 'node:http';
import { answerTrouble, closing, json, listening, type VendorTrouble } from './vendor-troubles.ts';

export interface FakeIssue {
  readonly id: string;
  readonly project: string;
  /** `TypeError`, and what it says. */
  readonly type: string;
  readonly value: string;
  readonly culprit?: string;
  readonly substatus?: 'new' | 'regressed' | 'ongoing' | 'escalating';
  readonly status?: 'unresolved' | 'resolved' | 'ignored';
  readonly users?: number;
  /** Version of the release that it was first seen in. */
  readonly release?: string;
  /** Events: from when on, until when, how many a minute. */
  readonly bursts: readonly { readonly from: number; readonly to: number; readonly perMinute: number }[];
}

export interface FakeSentry extends AsyncDisposable {
  readonly url: string;
  /** The issues from now on. */
  set(issues: readonly FakeIssue[]): void;
  /** Null ends it. */
  trouble(trouble: VendorTrouble | null): void;
  /** Changes every answer of 200 on its way out; null ends it. */
  mutate(change: ((body: string) => string) | null): void;
  /** Path and query of each request, oldest first. */
  readonly requests: readonly string[];
}

export interface FakeSentryOptions {
  readonly organization: string;
  readonly token: string;
  /** Projects that the token may see. */
  readonly projects: readonly string[];
}

/** Sentry cuts a range of less than a day into 29 intervals. */
const SEGMENTS = 29;

function eventsIn(issue: FakeIssue, from: number, to: number): number {
  return issue.bursts.reduce((sum, burst) => {
    const ms = Math.min(to, burst.to) - Math.max(from, burst.from);
    return sum + (ms <= 0 ? 0 : Math.round((ms / 60_000) * burst.perMinute));
  }, 0);
}

function seenOf(issue: FakeIssue, from: number, to: number) {
  const within = issue.bursts.filter((burst) => burst.to > from && burst.from < to);
  const iso = (at: number): string => new Date(at).toISOString();
  return {
    count: String(eventsIn(issue, from, to)),
    userCount: issue.users ?? 0,
    firstSeen: within.length === 0 ? null : iso(Math.max(from, Math.min(...within.map((one) => one.from)))),
    lastSeen: within.length === 0 ? null : iso(Math.min(to, Math.max(...within.map((one) => one.to)))),
  };
}

function listed(issue: FakeIssue, from: number, to: number) {
  const width = Math.max(1, Math.floor((to - from) / 1000 / SEGMENTS));
  const first = Math.floor(from / 1000 / width) * width;
  const starts = Array.from({ length: SEGMENTS + 1 }, (_, index) => first + index * width);
  return {
    id: issue.id,
    shareId: null,
    shortId: `${issue.project.toUpperCase()}-${issue.id}`,
    title: `${issue.type}: ${issue.value}`,
    culprit: issue.culprit ?? '',
    permalink: `https://acme.sentry.io/issues/${issue.id}/`,
    logger: null,
    level: 'error',
    status: issue.status ?? 'unresolved',
    statusDetails: {},
    substatus: issue.substatus ?? 'ongoing',
    isPublic: false,
    platform: 'node',
    project: { id: '2', name: issue.project, slug: issue.project, platform: 'node' },
    type: 'error',
    metadata: { type: issue.type, value: issue.value, filename: 'src/app.js', function: 'run' },
    numComments: 0,
    assignedTo: null,
    isBookmarked: false,
    isSubscribed: false,
    hasSeen: false,
    annotations: [],
    issueType: 'error',
    issueCategory: 'error',
    isUnhandled: true,
    ...seenOf(issue, from, to),
    stats: { auto: starts.map((at) => [at, eventsIn(issue, at * 1000, (at + width) * 1000)]) },
    lifetime: { ...seenOf(issue, 0, Number.MAX_SAFE_INTEGER / 1e3), stats: null },
    filtered: null,
  };
}

export async function startSentry({ organization, token, projects }: FakeSentryOptions): Promise<FakeSentry> {
  let issues: readonly FakeIssue[] = [];
  let trouble: VendorTrouble | null = null;
  let change: ((body: string) => string) | null = null;
  const requests: string[] = [];
  let url = '';
  const refusal = (status: number) => ({
    detail:
      {
        401: 'Invalid token',
        403: 'You do not have permission to perform this action.',
        404: 'The requested resource does not exist',
      }[status] ?? 'You are attempting to use this endpoint too frequently.',
  });
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    if (trouble !== null) return answerTrouble(trouble, request, response, refusal);
    if (request.headers.authorization !== `Bearer ${token}`) return json(response, 401, refusal(401));
    const { pathname, searchParams } = new URL(request.url ?? '', url);
    const list = `/api/0/organizations/${organization}/issues/`;
    if (request.method !== 'GET' || !pathname.startsWith(list)) return json(response, 404, refusal(404));
    const id = pathname.slice(list.length).replace('/', '');
    if (id !== '') {
      const one = issues.find((issue) => issue.id === id);
      if (one === undefined) return json(response, 404, refusal(404));
      const firstRelease = one.release === undefined ? null : { version: one.release, shortVersion: one.release };
      return json(response, 200, { ...listed(one, Date.now() - 3_600_000, Date.now()), firstRelease }, {}, change);
    }
    const slug = searchParams.get('projectSlug');
    if (slug !== null && !projects.includes(slug)) return json(response, 403, refusal(403));
    if (searchParams.has('project') && !/^-?\d+$/.test(searchParams.get('project')!)) {
      return json(response, 400, { detail: 'Invalid project parameter. Values must be numbers.' });
    }
    const from = Date.parse(searchParams.get('start') ?? '');
    const to = Date.parse(searchParams.get('end') ?? '');
    if (!(from < to)) return json(response, 400, { detail: 'start must be before end' });
    const unresolved = (searchParams.get('query') ?? 'is:unresolved').includes('is:unresolved');
    const found = issues
      .filter((issue) => slug === null || issue.project === slug)
      .filter((issue) => !unresolved || (issue.status ?? 'unresolved') === 'unresolved')
      .filter((issue) => eventsIn(issue, from, to) > 0)
      .sort((a, b) => eventsIn(b, from, to) - eventsIn(a, from, to));
    const limit = Math.min(100, Number(searchParams.get('limit') ?? 25));
    const offset = Number(/^0:(\d+):0$/.exec(searchParams.get('cursor') ?? '0:0:0')?.[1] ?? 0);
    const address = (cursor: string): string => {
      const next = new URLSearchParams(searchParams);
      next.set('cursor', cursor);
      return `<${url}${list}?${next}>`;
    };
    const [previous, next] = [`0:${Math.max(0, offset - limit)}:1`, `0:${offset + limit}:0`];
    const link = [
      `${address(previous)}; rel="previous"; results="${offset > 0}"; cursor="${previous}"`,
      `${address(next)}; rel="next"; results="${found.length > offset + limit}"; cursor="${next}"`,
    ].join(', ');
    const page = found.slice(offset, offset + limit).map((issue) => listed(issue, from, to));
    json(response, 200, page, { link, 'x-hits': String(found.length) }, change);
  });
  url = await listening(server);
  return {
    url,
    requests,
    set(next) {
      issues = next;
    },
    trouble(next) {
      trouble = next;
    },
    mutate(next) {
      change = next;
    },
    [Symbol.asyncDispose]: closing(server),
  };
}
