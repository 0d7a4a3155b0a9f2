/** One range query and what came of it. A POST, because a query may be longer than an address, and it only reads. */

import type { UnknownBecause } from '../../model/question.ts';
import { get, wordsOf } from '../http/get.ts';
import { type RangeAnswer, type RangeWindow, readRange } from './matrix.ts';
import type { Server } from './server.ts';

/**
 * How far a failure reaches: the `server` would fail every query alike; `invalid` is a query that the server cannot
 * read, and asking again changes nothing; `much` is one that asked for too much; `query` is this one, this time.
 */
export interface QueryFailure {
  readonly reach: 'server' | 'invalid' | 'much' | 'query';
  readonly because: UnknownBecause;
  /** For people, redacted; without naming the query. */
  readonly words: string;
  readonly grant: string | null;
}

export type RangeResult =
  | { readonly state: 'seen'; readonly answer: Extract<RangeAnswer, { readonly state: 'matrix' }> }
  | { readonly state: 'unseen'; readonly failure: QueryFailure };

const MAX_BYTES = 8 * 1024 * 1024;
/** The server gives up a little before we do, and then says so. */
const SERVER_SHARE = 0.9;

/** Never throws. `what` names the query in what is proposed: the signal that it is bound to. */
export async function rangeQuery(
  server: Server,
  query: string,
  what: string,
  window: RangeWindow,
  signal: AbortSignal,
): Promise<RangeResult> {
  const { address, headers, monotonic, deadlineMs } = server;
  const limits = { deadlineMs, maxBytes: MAX_BYTES };
  const seconds = (ms: number): string => String(ms / 1000);
  const form = {
    query,
    start: seconds(window.from),
    end: seconds(window.to),
    step: seconds(window.stepMs),
    timeout: seconds(Math.ceil(deadlineMs * SERVER_SHARE)),
  };
  const got = await get(address, { ...limits, monotonic, headers, form }, signal);
  const unseen = (reach: QueryFailure['reach'], because: UnknownBecause, words: string, grant: string | null = null) =>
    ({ state: 'unseen', failure: { reach, because, words, grant } }) as const;

  switch (got.failure) {
    case null:
      break;
    case 'timeout':
      // With a code it is the way there that failed, not this query that took long.
      return unseen(got.code === '' ? 'much' : 'server', 'timeout', wordsOf(got, limits));
    case 'too-large':
      return unseen(
        'much',
        'error',
        wordsOf(got, limits),
        `aggregate the query of ${what}: sum by (…) of fewer labels`,
      );
    case 'redirect': {
      const where =
        got.redirectHost === null ? 'the address that it redirects to' : `the address at ${got.redirectHost}`;
      return unseen('server', 'not_configured', wordsOf(got, limits), `set prometheus.url to ${where}`);
    }
    case 'reset':
      return unseen('query', 'error', wordsOf(got, limits));
    default:
      return unseen('server', 'error', wordsOf(got, limits));
  }

  const { status } = got;
  const answer = readRange(got.body ?? '', window);
  if (status === 200 && answer.state === 'matrix') return { state: 'seen', answer };
  const said = answer.state === 'error' && answer.words !== '' ? `: ${answer.words}` : '';
  const elsewhere = 'set prometheus.url to the root of a Prometheus, with its path prefix if it has one';
  if (status === 401 || status === 403) {
    const grant = `set prometheus.headers.Authorization to what may query ${server.host}`;
    return unseen('server', 'denied', `answered ${status}`, grant);
  }
  if (status === 404 || status === 405) {
    return unseen('server', 'not_configured', `answered ${status} to /api/v1/query_range`, elsewhere);
  }
  if (answer.state === 'error') {
    if (answer.type === 'bad_data') {
      return unseen('invalid', 'not_configured', `the query is not valid${said}`, `correct the query of ${what}`);
    }
    if (answer.type === 'timeout' || answer.type === 'canceled') {
      return unseen('much', 'timeout', `the server gave the query up${said}`);
    }
    if (answer.type === 'execution') return unseen('query', 'error', `the query cannot be executed${said}`);
  }
  if (status === 429 || status === 502 || status === 503 || status === 504) {
    return unseen('server', 'error', `answered ${status}, is busy or away${said}`);
  }
  if (status === 200) {
    const why = answer.state === 'malformed' ? answer.why : 'it is an error';
    return unseen('query', 'error', `not the documented answer: ${why}${said}`, elsewhere);
  }
  return unseen('query', 'error', `answered ${status}${said}`);
}
