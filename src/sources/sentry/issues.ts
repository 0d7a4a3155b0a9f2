/**
 * Issues as Sentry lists them (`GET /api/0/organizations/{organization}/issues/`, `groupStatsPeriod=auto`), told apart by
 * what they did since an onset. https://docs.sentry.io/api/events/list-an-organizations-issues/
 *
 * Three of its fields are not what their names say: with a time range `firstSeen` and `count` are of the range and only
 * `lifetime` is of the issue; a substatus of `new` or `regressed` stays for seven days, so it tells nothing of today.
 */

import type { EpochMs } from '../../model/glossary.ts';
import type { TrackedErrorsAnswer } from '../../model/systems.ts';
import { outside } from '../aws/logs/redact.ts';

export type TrackedIssue = TrackedErrorsAnswer['issues'][number];

export interface Range {
  readonly from: EpochMs;
  readonly since: EpochMs;
  readonly to: EpochMs;
}

export const MAX_ISSUES = 10;
const TITLE_CHARS = 160;
const CULPRIT_CHARS = 120;
/** The onset is known to a sample. */
const SLACK_MS = 60_000;
/** Clocks of two companies agree better than that. */
const AHEAD_MS = 15 * 60_000;
/** An issue has grown from this ratio of rates and this many events on. */
const GROWN_RATIO = 2;
const GROWN_EVENTS = 5;
/** More events than anybody sends are a lie. */
const MOST_EVENTS = 1e12;

type Fields = Readonly<Record<string, unknown>>;

/**
 * One page of issues of that project; null for a body that is no list. Issues that are not whole are left out: a count
 * that is not there is not zero.
 */
export function issuesOf(body: string, project: string, range: Range): readonly TrackedIssue[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return null;
  }
  if (!Array.isArray(parsed)) return null;
  return parsed.filter(isFields).flatMap((one) => {
    const owner = one['project'];
    // A server that does not know the filter answers with everybody's.
    if (!isFields(owner) || owner['slug'] !== project) return [];
    return issueOf(one, range) ?? [];
  });
}

function issueOf(one: Fields, range: Range): TrackedIssue | null {
  const { id, title } = one;
  const lifetime = isFields(one['lifetime']) ? one['lifetime'] : null;
  const firstSeenAt = timeIn(lifetime ?? {}, 'firstSeen');
  const lastSeenAt = timeIn(one, 'lastSeen') ?? timeIn(lifetime ?? {}, 'lastSeen');
  const events = eventsOf(one['stats'], range);
  if (typeof id !== 'string' || !/^[0-9]{1,20}$/.test(id)) return null;
  if (firstSeenAt === null || lastSeenAt === null || events === null) return null;
  if (firstSeenAt > lastSeenAt || lastSeenAt < range.from - SLACK_MS || lastSeenAt > range.to + AHEAD_MS) return null;
  const name = nameOf(one['metadata']) ?? (typeof title === 'string' ? title : null);
  if (name === null || name === '') return null;
  const culprit = one['culprit'];
  return {
    id,
    title: outside(name, TITLE_CHARS),
    culprit: typeof culprit === 'string' && culprit !== '' ? outside(culprit, CULPRIT_CHARS) : null,
    firstSeenAt,
    lastSeenAt,
    events: events.since,
    users: countIn(one['userCount']),
    state: stateOf(firstSeenAt, one['substatus'], events, range),
    release: null,
  };
}

/** `TypeError: Cannot read properties of undefined`. */
function nameOf(metadata: unknown): string | null {
  if (!isFields(metadata)) return null;
  const { type, value } = metadata;
  if (typeof type !== 'string' || type === '') return null;
  return typeof value === 'string' && value !== '' ? `${type}: ${value}` : type;
}

interface Events {
  /** From the onset on, the interval that holds it included. */
  readonly since: number;
  readonly sinceRate: number;
  readonly before: number;
  readonly beforeRate: number;
}

/** `{ "auto": [[epoch seconds, count], …] }`, intervals of one length; null where that is not so. */
function eventsOf(stats: unknown, range: Range): Events | null {
  const rows = isFields(stats) ? stats['auto'] : null;
  if (!Array.isArray(rows) || rows.length < 2 || rows.length > 1000) return null;
  const points: { readonly at: EpochMs; readonly count: number }[] = [];
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== 2) return null;
    const count = countIn(row[1]);
    const at = typeof row[0] === 'number' ? row[0] * 1000 : Number.NaN;
    if (!Number.isFinite(at) || count === null || at <= (points.at(-1)?.at ?? 0)) return null;
    points.push({ at, count });
  }
  const width = points[1]!.at - points[0]!.at;
  let since = 0;
  let whole = 0;
  let before = 0;
  let wholeMs = 0;
  let beforeMs = 0;
  for (const { at, count } of points) {
    if (at + width > range.since) since += count;
    if (at >= range.since) {
      whole += count;
      wholeMs += Math.max(0, Math.min(width, range.to - at));
    } else if (at + width <= range.since) {
      before += count;
      beforeMs += width;
    }
  }
  const rate = (count: number, ms: number): number => (ms > 0 ? count / ms : 0);
  return { since, sinceRate: rate(whole, wholeMs), before, beforeRate: rate(before, beforeMs) };
}

function stateOf(firstSeenAt: EpochMs, substatus: unknown, events: Events, range: Range): TrackedIssue['state'] {
  if (firstSeenAt >= range.since - SLACK_MS) return 'new';
  if (substatus === 'regressed' && events.before === 0 && events.since > 0) return 'regressed';
  const grown = events.since >= GROWN_EVENTS && events.sinceRate >= GROWN_RATIO * events.beforeRate;
  return grown ? 'grown' : 'known';
}

/** What changed first, then what is known, at most ten; most events first. */
export function mostTelling(issues: readonly TrackedIssue[]): readonly TrackedIssue[] {
  const byEvents = (a: TrackedIssue, b: TrackedIssue): number => b.events - a.events || (a.id < b.id ? -1 : 1);
  const unique = [...new Map(issues.map((one) => [one.id, one])).values()].sort(byEvents);
  const changed = unique.filter((one) => one.state !== 'known');
  const known = unique.filter((one) => one.state === 'known' && one.events > 0);
  return [...changed, ...known].slice(0, MAX_ISSUES).sort(byEvents);
}

/** The cursor of the next page; null when there is none. The address beside it is not followed. */
export function nextCursor(link: string | null): string | null {
  for (const part of (link ?? '').slice(0, 4000).split(',')) {
    if (!/;\s*rel="next"/.test(part) || !/;\s*results="true"/.test(part)) continue;
    const cursor = /;\s*cursor="([0-9]{1,20}:[0-9]{1,20}:[01])"/.exec(part);
    if (cursor !== null) return cursor[1]!;
  }
  return null;
}

/** `firstRelease.version` of an issue's details; null without one, or where it is no plain name. */
export function firstReleaseOf(body: string): string | null {
  try {
    const parsed: unknown = JSON.parse(body);
    const release = isFields(parsed) ? parsed['firstRelease'] : null;
    const version = isFields(release) ? release['version'] : null;
    return typeof version === 'string' && /^[A-Za-z0-9][A-Za-z0-9@._+:/-]{0,79}$/.test(version) ? version : null;
  } catch {
    return null;
  }
}

/** Counts come as numbers and as decimal texts. */
function countIn(value: unknown): number | null {
  const count = typeof value === 'string' && /^[0-9]{1,12}$/.test(value) ? Number(value) : value;
  return typeof count === 'number' && Number.isSafeInteger(count) && count >= 0 && count <= MOST_EVENTS ? count : null;
}

function timeIn(fields: Fields, name: string): EpochMs | null {
  const value = fields[name];
  const at = typeof value === 'string' && /^\d{4}-\d{2}-\d{2}T/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isFinite(at) && at >= 0 ? at : null;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
