/** Vendors' status pages, polled. Support and never proof: a page that cannot be read is a gap and nothing else. */

import type { Logger } from 'pino';
import type { EpochMs } from '../../model/glossary.ts';
import type { VendorStatusAnswer } from '../../model/health.ts';
import type { Answer, UnknownBecause } from '../../model/question.ts';
import type { Series } from '../../model/series.ts';
import type { Blindness, PollResult, SignalInfo, Source } from '../../model/source.ts';
import { get, wordsOf } from './get.ts';
import { indicatorValue, summaryOf } from './statuspage.ts';

export const STATUS_SIGNALS: readonly SignalInfo[] = [
  {
    signal: 'vendor_indicator',
    unit: 'count',
    group: 'status',
    description: "what the vendor's status page says: 0 none, 1 minor or maintenance, 2 major, 3 critical",
  },
];

export interface StatusPageSourceOptions {
  readonly dependencies: readonly {
    readonly target: string;
    /** Root of the page: `https://status.example.com`. */
    readonly url: string;
  }[];
  /** Of the poll group `status`. */
  readonly periodMs: number;
  readonly log: Logger;
  readonly monotonic?: () => number;
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 5_000;
/** A walk waits 5 s for an answer. */
const ANSWER_MS = 4_500;
/** Of somebody's clock, and of somebody's time zone. */
const AHEAD_MS = 24 * 60 * 60_000;
const MAX_BYTES = 524_288;

type Dependency = StatusPageSourceOptions['dependencies'][number];
type Look =
  | { readonly answer: VendorStatusAnswer }
  | { readonly because: UnknownBecause; readonly detail: string; readonly grant: string | null };

export function createStatusPageSource(options: StatusPageSourceOptions): Source {
  const { dependencies, periodMs, log, monotonic = () => performance.now(), deadlineMs = DEADLINE_MS } = options;
  const byTarget = new Map(dependencies.map((dependency) => [dependency.target, dependency]));
  const latest = new Map<string, VendorStatusAnswer>();

  const look = async (
    { target, url }: Dependency,
    now: EpochMs,
    deadline: number,
    signal: AbortSignal,
  ): Promise<Look> => {
    const limits = { deadlineMs: deadline, maxBytes: MAX_BYTES };
    const page = URL.parse(url)?.host ?? '(not a URL)';
    const key = `dependencies.${target}.statusPage`;
    const got = await get(`${url.replace(/\/+$/, '')}/api/v2/summary.json`, { ...limits, monotonic }, signal);
    if (got.failure !== null) {
      const detail = `${page}: ${wordsOf(got, limits)}`;
      if (got.failure === 'redirect') {
        const where = got.redirectHost === null ? 'the address that it redirects to' : `https://${got.redirectHost}`;
        return { because: 'not_configured', detail, grant: `set ${key} to ${where}` };
      }
      return { because: got.failure === 'timeout' ? 'timeout' : 'error', detail, grant: null };
    }
    const grant = `set ${key} to the root of an Atlassian Statuspage, or leave it out`;
    if (got.status !== 200) {
      return { because: 'error', detail: `${page}: answered ${got.status} to /api/v2/summary.json`, grant };
    }
    const summary = summaryOf(got.body ?? '');
    if (summary === null) {
      return { because: 'error', detail: `${page}: the answer is not the summary of a Statuspage`, grant };
    }
    const incidents = summary.incidents.map((one) => ({
      ...one,
      startedAt: one.startedAt !== null && one.startedAt > now + AHEAD_MS ? null : one.startedAt,
    }));
    const answer = { at: now, page, ...summary, incidents };
    latest.set(target, answer);
    return { answer };
  };

  const seriesOf = (target: string, { at, indicator }: VendorStatusAnswer): readonly Series[] => {
    const value = indicatorValue(indicator);
    if (value === null) return [];
    const times = Float64Array.of(at);
    const values = Float64Array.of(value);
    return [{ target, signal: 'vendor_indicator', labels: {}, unit: 'count', periodMs, times, values }];
  };

  const blindnessOf = (target: string, seen: Look): readonly Blindness[] => {
    if (!('answer' in seen)) return [{ target, check: 'vendor.status', ...seen }];
    if (seen.answer.indicator !== 'unknown') return [];
    const detail = `${seen.answer.page}: an indicator that is not known`;
    return [{ target, check: 'vendor.status', because: 'unsupported', detail, grant: null }];
  };

  return {
    name: 'status',
    groups: ['status'],
    async poll(_group, now, signal): Promise<PollResult> {
      const seen = await Promise.all(
        dependencies.map(async (one) => ({ target: one.target, look: await look(one, now, deadlineMs, signal) })),
      );
      if (signal.aborted) return { series: [], changes: [], blind: [] };
      log.trace({ source: 'status', pages: seen.length }, 'poll');
      return {
        series: seen.flatMap(({ target, look: one }) => ('answer' in one ? seriesOf(target, one.answer) : [])),
        changes: [],
        blind: seen.flatMap(({ target, look: one }) => blindnessOf(target, one)),
      };
    },
    answers: ({ kind, target }) => kind === 'vendor.status' && byTarget.has(target),
    async answer(question, now, signal): Promise<Answer> {
      const { kind, target } = question;
      const dependency = byTarget.get(target);
      if (kind !== 'vendor.status' || dependency === undefined) {
        return {
          state: 'unknown',
          kind,
          because: 'unsupported',
          detail: `status does not answer ${kind} of ${target}`,
        };
      }
      const known = latest.get(target);
      // Of this period: the page would not say anything newer.
      const fresh = known !== undefined && known.at <= now && now - known.at <= periodMs ? known : null;
      const seen =
        fresh === null ? await look(dependency, now, Math.min(ANSWER_MS, deadlineMs), signal) : { answer: fresh };
      if ('answer' in seen) {
        const { answer: value } = seen;
        return { state: 'answered', kind, value, at: value.at, source: `${value.page}/api/v2/summary.json` };
      }
      const { because, detail, grant } = seen;
      return { state: 'unknown', kind, because, detail, ...(grant === null ? {} : { grant }) };
    },
    snapshot: () => null,
    restore: () => undefined,
    close: async () => undefined,
  };
}
