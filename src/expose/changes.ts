/**
 * A change that somebody tells us of: a deployment by CI, a flag by its tool, anything by hand. Pure. Its texts are kept,
 * logged and shown: credentials and personal data are taken out of them here.
 */

import { createHash } from 'node:crypto';
import { closest } from 'fastest-levenshtein';
import type { Change, ChangeKind, EpochMs, Interval } from '../model/index.ts';
import { redact } from '../model/redact.ts';
import { type JsonSchema, list, oneOf, text } from './api-schemas.ts';

type DeploymentState = NonNullable<Change['deployment']>['state'];
type When = string | number;

/** The body, as its schema lets it through. */
export interface ToldChange {
  readonly id?: string;
  readonly target: string;
  readonly kind: ChangeKind;
  readonly summary: string;
  readonly at?: When;
  readonly from?: When;
  readonly to?: When;
  readonly version?: string;
  readonly previous?: string;
  readonly state?: DeploymentState;
  readonly links?: readonly string[];
}

const KINDS: readonly ChangeKind[] = [
  'deployment',
  'flag',
  'setting',
  'restart',
  'failover',
  'stats_reset',
  'index',
  'other',
];
const STATES: readonly DeploymentState[] = ['started', 'completed', 'failed', 'rolled_back'];

const word = (maxLength: number): JsonSchema => ({ type: 'string', minLength: 1, maxLength });
// Numbers become text before they are checked: here, and where CI sends the number of a build for its version.
const when: JsonSchema = { ...word(40), description: 'ISO 8601 with its offset, or epoch milliseconds' };

export const toldChangeSchema: JsonSchema = {
  type: 'object',
  properties: {
    id: { ...word(128), description: 'the same id again is the same change, and is not taken twice' },
    target: word(127),
    kind: oneOf(...KINDS),
    summary: { ...word(300), description: 'one line for people' },
    at: when,
    from: when,
    to: when,
    version: { ...word(255), description: 'of a deployment: what was brought out' },
    previous: { ...word(255), description: 'of a deployment: what was there before' },
    state: oneOf(...STATES),
    links: { ...list(word(500)), maxItems: 5 },
  },
  required: ['target', 'kind', 'summary'],
  additionalProperties: false,
};

export const acceptedSchema: JsonSchema = {
  type: 'object',
  properties: { id: text, state: oneOf('new', 'known') },
  required: ['id', 'state'],
  additionalProperties: true,
};

export type ReadChange =
  | { readonly ok: true; readonly id: string; readonly change: Change }
  | { readonly ok: false; readonly status: 400 | 404; readonly message: string };

/** Older ones explain nothing that happens now: walks look two hours back, baselines some days. */
const OLDEST_MS = 7 * 86_400_000;
/** Clocks of others may be ahead. */
const NEWEST_MS = 5 * 60_000;

/** Controls, and the invisible characters that reorder or hide what stands beside them in a page or a terminal. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

export function readChange(
  body: ToldChange,
  { now, targets }: { readonly now: EpochMs; readonly targets: readonly string[] },
): ReadChange {
  const bad = (message: string): ReadChange => ({ ok: false, status: 400, message });
  for (const [key, value] of Object.entries(body)) {
    if ([value].flat().some((one) => typeof one === 'string' && (UNSAFE.test(one) || !one.isWellFormed()))) {
      return bad(`${key} has control or invisible characters, expected one line of plain text`);
    }
  }
  if (body.id !== undefined && !/^[A-Za-z0-9][A-Za-z0-9._:/@+#-]*$/.test(body.id)) {
    return bad('id has characters other than letters, digits and . _ : / @ + # -');
  }
  const badLink = body.links?.find((link) => !isWebLink(link));
  if (badLink !== undefined) return bad(`links has ${JSON.stringify(badLink)}, expected http:// or https:// URLs`);
  const { kind, state } = body;
  const version = without(body.version);
  const previous = without(body.previous);
  if (kind !== 'deployment' && (version ?? previous ?? state) !== undefined) {
    return bad(`version, previous and state belong to the kind deployment, found the kind ${kind}`);
  }
  if (version === undefined && (previous ?? state) !== undefined) return bad('previous and state need version too');
  const at = readTime(body, now);
  if (typeof at === 'string') return bad(at);
  if (!targets.includes(body.target)) {
    const near = targets.length === 0 ? '' : `; nearest: ${closest(body.target, [...targets])}`;
    return { ok: false, status: 404, message: `no target is named ${JSON.stringify(body.target)}${near}` };
  }
  const { target } = body;
  const summary = redact(body.summary);
  const links = body.links?.map(redact);
  const id = body.id === undefined ? idOf({ ...body, summary }, at) : safeId(body.id);
  const change: Change = {
    // Ids of sources have other beginnings: nobody from outside can take the place of what a source will see.
    id: `told:${id}`,
    target,
    kind,
    summary,
    at,
    source: 'POST /api/v1/changes',
    ...(links === undefined ? {} : { links }),
    ...(version === undefined
      ? {}
      : { deployment: { version, previous: previous ?? null, state: state ?? 'completed' } }),
  };
  return { ok: true, id, change };
}

const without = (text: string | undefined): string | undefined => (text === undefined ? undefined : redact(text));

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

/** An id that holds what must not be kept is still the same for the same change. */
const safeId = (id: string): string => (redact(id) === id ? id : digest(id));

/** Without an id, the same words about the same time are the same change: whoever tries again does no harm. */
function idOf({ target, kind, summary, version }: ToldChange, { earliest, latest }: Interval): string {
  const parts = [target, kind, summary, version ?? null, earliest, latest];
  return digest(JSON.stringify(parts));
}

function isWebLink(link: string): boolean {
  const url = /^https?:\/\/\S+$/i.test(link) ? URL.parse(link) : null;
  return url !== null && url.username === '' && url.password === '';
}

/** The interval, or what is wrong with it. Nothing said means now. */
function readTime({ at, from, to }: ToldChange, now: EpochMs): Interval | string {
  if (at !== undefined && (from ?? to) !== undefined) return 'found at beside from or to, expected one of the two';
  if (to !== undefined && from === undefined) return 'found to without from, expected both, or at alone';
  const earliest = timeOf(at ?? from, now);
  const latest = timeOf(at ?? to, now);
  if (earliest === null || latest === null) {
    return 'expected times as 2026-11-23T14:00:51Z, with Z or an offset, or as epoch milliseconds';
  }
  if (earliest > latest) return 'from is later than to';
  if (latest > now + NEWEST_MS)
    return `${shown(latest)} is more than 5 minutes ahead of the clock here (${shown(now)})`;
  if (earliest < now - OLDEST_MS) {
    return `${shown(earliest)} is more than 7 days ago${earliest > 0 && earliest < 1e11 ? ' (seconds? expected milliseconds)' : ''}`;
  }
  return { earliest, latest };
}

/** Without an offset, nobody knows whose clock it was. */
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/;

function timeOf(value: When | undefined, now: EpochMs): EpochMs | null {
  if (value === undefined) return now;
  const text = String(value);
  // A number in a query of a shell script easily becomes text.
  const ms = /^-?\d{1,15}$/.test(text) ? Number(text) : ISO.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(ms) ? ms : null;
}

function shown(at: EpochMs): string {
  return new Date(at).toISOString().slice(0, 19).concat('Z');
}
