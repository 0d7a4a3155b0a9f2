/**
 * Sentry, asked in a diagnosis and never polled: which issues are new, are back, or have grown since an onset.
 *
 * The list of an organization's issues is asked for and not that of a project, which Sentry has marked as deprecated and
 * which knows no time range: only its fixed last 24 hours, by the hour.
 */

import type { Logger } from 'pino';
import type { EpochMs } from '../../model/glossary.ts';
import type { Answer, Question, UnknownBecause } from '../../model/question.ts';
import type { Source } from '../../model/source.ts';
import type { TrackedErrorsAnswer } from '../../model/systems.ts';
import { type GetResult, get, wordsOf } from '../http/get.ts';
import { firstReleaseOf, issuesOf, mostTelling, nextCursor, type Range, type TrackedIssue } from './issues.ts';

export interface SentrySourceOptions {
  readonly name: string;
  /** Default `https://sentry.io`; that of a region (`https://de.sentry.io`) or one's own. */
  readonly url?: string;
  /** Slug. */
  readonly organization: string;
  /** Read anew for each question. A failure reads as not configured. */
  readonly token: () => string;
  /** Slugs of projects. */
  readonly services: readonly { readonly target: string; readonly project: string }[];
  readonly log: Logger;
  readonly monotonic?: () => number;
  /** Of all requests of a question together. */
  readonly deadlineMs?: number;
}

/** A walk waits 5 s for an answer. */
const DEADLINE_MS = 4_500;
const MAX_BYTES = 4_194_304;
/** Sentry's most. */
const PER_PAGE = 100;
const MAX_PAGES = 3;
const MINUTE_MS = 60_000;
/** As long before the onset as after it is what growth is told from. */
const SHORTEST_MS = 15 * MINUTE_MS;
const LONGEST_MS = 6 * 60 * MINUTE_MS;

interface Unknown {
  readonly because: UnknownBecause;
  readonly detail: string;
  readonly grant?: string;
}

type Got = { readonly result: GetResult } | Unknown;

export function createSentrySource(options: SentrySourceOptions): Source {
  const { name, organization, services, log } = options;
  const { monotonic = () => performance.now(), deadlineMs = DEADLINE_MS } = options;
  const root = (options.url ?? 'https://sentry.io').replace(/\/+$/, '');
  const host = URL.parse(root)?.host ?? '(not a URL)';
  const projects = new Map(services.map(({ target, project }) => [target, project]));
  const issuesUrl = `${root}/api/0/organizations/${encodeURIComponent(organization)}/issues/`;

  const ask = async (url: string, token: string, started: number, signal: AbortSignal): Promise<Got> => {
    const left = deadlineMs - (monotonic() - started);
    if (left <= 0) return { because: 'timeout', detail: `${host}: no whole answer within ${deadlineMs} ms` };
    const limits = { deadlineMs: left, maxBytes: MAX_BYTES };
    const headers = { authorization: `Bearer ${token}` };
    const result = await get(url, { ...limits, monotonic, headers }, signal);
    if (result.failure === 'timeout') {
      return { because: 'timeout', detail: `${host}: no whole answer within ${deadlineMs} ms` };
    }
    if (result.failure !== null) {
      return {
        because: result.failure === 'redirect' ? 'not_configured' : 'error',
        detail: `${host}: ${wordsOf(result, limits)}`,
      };
    }
    return { result };
  };

  const refusal = (status: number | null, project: string): Unknown => {
    const detail = `${host}: answered ${status} to the issues of ${organization}/${project}`;
    switch (status) {
      case 401:
        return { because: 'denied', detail, grant: 'a valid Sentry token with the scopes event:read and project:read' };
      case 403:
        // Sentry says the same of a project that does not exist.
        return {
          because: 'denied',
          detail,
          grant: `give the Sentry token the scopes event:read and project:read, and access to project ${project}`,
        };
      case 404:
        return {
          because: 'not_configured',
          detail,
          grant: `set the organization and project of ${name} by their slugs`,
        };
      case 429:
        return { because: 'error', detail: `${detail}: too many requests` };
      default:
        return { because: 'error', detail };
    }
  };

  /** All pages, as far as they come: what was read of an answer that broke off is still true. */
  const read = async (
    project: string,
    range: Range,
    token: string,
    started: number,
    signal: AbortSignal,
  ): Promise<readonly TrackedIssue[] | Unknown> => {
    const found: TrackedIssue[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const got = await ask(pageUrl(issuesUrl, project, range, cursor), token, started, signal);
      const issues =
        'result' in got && got.result.status === 200 ? issuesOf(got.result.body ?? '', project, range) : null;
      if (issues === null) {
        if (page > 0) break;
        if (!('result' in got)) return got;
        if (got.result.status !== 200) return refusal(got.result.status, project);
        return { because: 'error', detail: `${host}: the answer is not a list of issues` };
      }
      found.push(...issues);
      cursor = 'result' in got ? nextCursor(got.result.link) : null;
      if (cursor === null) break;
    }
    return mostTelling(found);
  };

  /** Which release brought the most frequent new issue: only its details say. A nicety: without an answer, null. */
  const withRelease = async (
    issues: readonly TrackedIssue[],
    token: string,
    started: number,
    signal: AbortSignal,
  ): Promise<readonly TrackedIssue[]> => {
    const fresh = issues.find((one) => one.state === 'new');
    if (fresh === undefined) return issues;
    const got = await ask(`${issuesUrl}${fresh.id}/`, token, started, signal);
    const release = 'result' in got && got.result.status === 200 ? firstReleaseOf(got.result.body ?? '') : null;
    return release === null ? issues : issues.map((one) => (one === fresh ? { ...one, release } : one));
  };

  const look = async (
    project: string,
    since: EpochMs,
    now: EpochMs,
    signal: AbortSignal,
  ): Promise<TrackedErrorsAnswer | Unknown> => {
    const token = tokenOf(options.token);
    if (token === null) {
      return { because: 'not_configured', detail: `${host}: no usable token`, grant: `set the token of ${name}` };
    }
    const started = monotonic();
    const issues = await read(project, rangeOf(since, now), token, started, signal);
    if ('because' in issues) return issues;
    const told = await withRelease(issues, token, started, signal);
    return { at: now, tracker: 'sentry', project, issues: told };
  };

  return {
    name,
    groups: [],
    poll: async () => ({ series: [], changes: [], blind: [] }),
    answers: ({ kind, target }) => kind === 'errors.tracked' && projects.has(target),
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const project = projects.get(target);
      if (kind !== 'errors.tracked' || project === undefined) {
        return {
          state: 'unknown',
          kind,
          because: 'unsupported',
          detail: `${name} does not answer ${kind} of ${target}`,
        };
      }
      const { since } = (question as Question<'errors.tracked'>).params;
      const seen = await look(project, since, now, signal);
      if ('because' in seen) {
        log.debug({ source: name, target, because: seen.because }, 'no answer');
        return { state: 'unknown', kind, ...seen };
      }
      return { state: 'answered', kind, value: seen, at: now, source: `${host}: issues of ${organization}/${project}` };
    },
    snapshot: () => null,
    restore: () => undefined,
    close: async () => undefined,
  };
}

function rangeOf(since: EpochMs, now: EpochMs): Range {
  const start = Math.min(since, now - MINUTE_MS);
  const span = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, now - start));
  return { from: start - span, since: start, to: now };
}

function pageUrl(issuesUrl: string, project: string, range: Range, cursor: string | null): string {
  const query = new URLSearchParams({
    // Not `project`, which took only numbers until 2026.
    projectSlug: project,
    query: 'is:unresolved',
    start: new Date(range.from).toISOString(),
    end: new Date(range.to).toISOString(),
    groupStatsPeriod: 'auto',
    sort: 'freq',
    limit: String(PER_PAGE),
    shortIdLookup: '0',
    ...(cursor === null ? {} : { cursor }),
  });
  return `${issuesUrl}?${query}`;
}

/** Null for one that could not stand in a header, without saying what it is. */
function tokenOf(token: () => string): string | null {
  try {
    const value = token().trim();
    return /^[\x21-\x7e]{1,1000}$/.test(value) ? value : null;
  } catch {
    return null;
  }
}
