/**
 * What a Prometheus answers to a range query, read strictly: https://prometheus.io/docs/prometheus/latest/querying/api/
 * (format overview, range vectors). An answer of another form gives no figure at all; NaN and ±Inf, which are how
 * Prometheus writes staleness and division by zero, are samples that are not there.
 */

import type { EpochMs } from '../../model/glossary.ts';
import type { Labels } from '../../model/series.ts';
import { outside } from '../aws/logs/redact.ts';

/** Both ends included and multiples of the step. */
export interface RangeWindow {
  readonly from: EpochMs;
  readonly to: EpochMs;
  readonly stepMs: number;
}

export interface MatrixSeries {
  /** Sorted by name, without `__name__`. */
  readonly labels: Labels;
  /** The labels as one text: series with the same one are the same. */
  readonly key: string;
  readonly times: readonly EpochMs[];
  /** Finite. */
  readonly values: readonly number[];
}

export type RangeAnswer =
  | {
      readonly state: 'matrix';
      readonly series: readonly MatrixSeries[];
      /** Series with too many labels, or with a label that is too long or cannot be printed. */
      readonly dropped: number;
      /** Series of native histograms, which are no numbers. */
      readonly histograms: number;
      /** What the query language warns of, redacted: the data is whole. */
      readonly remarks: readonly string[];
      /** What the storage warns of, redacted: a part of the data is not there. */
      readonly partial: readonly string[];
    }
  /** The documented form of an error. */
  | { readonly state: 'error'; readonly type: string; readonly words: string }
  | { readonly state: 'malformed'; readonly why: string };

const MAX_LABELS = 10;
const MAX_LABEL_LENGTH = 100;
/** Names that begin with two underscores are the server's own: https://prometheus.io/docs/concepts/data_model/ */
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,99}$/;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;
/** As Go's FormatFloat and its kin write a number. */
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const NOT_A_SAMPLE = /^(?:NaN|[+-]?Inf)$/;
const WORDS_LENGTH = 160;
const MAX_WARNINGS = 5;

type Fields = Readonly<Record<string, unknown>>;

export function readRange(body: string, window: RangeWindow): RangeAnswer {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { state: 'malformed', why: 'the answer is not JSON' };
  }
  if (!isFields(parsed)) return { state: 'malformed', why: 'the answer is not an object' };
  if (parsed['status'] === 'error') {
    const { errorType, error } = parsed;
    const type = typeof errorType === 'string' && /^[a-z_]{1,40}$/.test(errorType) ? errorType : 'unknown';
    return { state: 'error', type, words: typeof error === 'string' ? outside(error, WORDS_LENGTH) : '' };
  }
  const { status, data, warnings } = parsed;
  if (status !== 'success' || !isFields(data)) return { state: 'malformed', why: 'there is no status and no data' };
  if (data['resultType'] !== 'matrix') return { state: 'malformed', why: 'the result is not a matrix' };
  return readResult(data['result'], textsOf(warnings), window);
}

function readResult(result: unknown, warnings: readonly string[] | null, window: RangeWindow): RangeAnswer {
  if (warnings === null) return { state: 'malformed', why: 'the warnings are not a list of texts' };
  if (!Array.isArray(result)) return { state: 'malformed', why: 'the result is not a list' };
  const found = new Map<string, MatrixSeries>();
  let dropped = 0;
  let histograms = 0;
  for (const each of result as readonly unknown[]) {
    if (!isFields(each) || !isFields(each['metric'])) return { state: 'malformed', why: 'a series has no metric' };
    const { metric, values } = each;
    if (Object.values(metric).some((value) => typeof value !== 'string')) {
      return { state: 'malformed', why: 'a label is not a text' };
    }
    const holdsHistograms = Array.isArray(each['histograms']) && each['histograms'].length > 0;
    if (holdsHistograms) histograms += 1;
    if (values === undefined && holdsHistograms) continue;
    const points = pointsOf(values, window);
    if (typeof points === 'string') return { state: 'malformed', why: points };
    const labels = labelsOf(metric as Labels);
    if (labels === null) {
      dropped += 1;
      continue;
    }
    const key = JSON.stringify(labels);
    // They differ by their name only, which is no label here: adding them up or choosing one would be a wrong figure.
    if (found.has(key))
      return { state: 'malformed', why: 'two series have the same labels (expected one metric name)' };
    found.set(key, { labels, key, ...points });
  }
  // Annotations of the language begin so (promql/annotations of Prometheus), all others are the storage's.
  const isRemark = (text: string): boolean => text.startsWith('PromQL ');
  const words = (texts: readonly string[]) => texts.slice(0, MAX_WARNINGS).map((text) => outside(text, WORDS_LENGTH));
  return {
    state: 'matrix',
    series: [...found.values()],
    dropped,
    histograms,
    remarks: words(warnings.filter(isRemark)),
    partial: words(warnings.filter((text) => !isRemark(text))),
  };
}

/** Why not, when they are not samples on the grid that was asked for, oldest first. */
function pointsOf(
  values: unknown,
  { from, to, stepMs }: RangeWindow,
): { readonly times: readonly EpochMs[]; readonly values: readonly number[] } | string {
  if (!Array.isArray(values)) return 'a series has no list of values';
  const times: EpochMs[] = [];
  const numbers: number[] = [];
  let before = Number.NEGATIVE_INFINITY;
  for (const pair of values as readonly unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return 'a sample is not a pair';
    const [seconds, text] = pair as readonly unknown[];
    if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return 'the time of a sample is not a number';
    const at = Math.round(seconds * 1000);
    if (at < from || at > to) return 'a sample lies outside the range that was asked for';
    if ((at - from) % stepMs !== 0) return 'a sample lies between the steps that were asked for';
    if (at <= before) return 'samples are not in the order of time';
    before = at;
    if (typeof text !== 'string') return 'the value of a sample is not a text';
    if (NOT_A_SAMPLE.test(text)) continue;
    if (text.length > 400 || !NUMBER.test(text)) return 'the value of a sample is not a number';
    const value = Number(text);
    if (!Number.isFinite(value)) continue;
    times.push(at);
    numbers.push(value);
  }
  return { times, values: numbers };
}

/** Null when they are more than fits, or not fit to be shown. Never cut: two series could become one. */
function labelsOf(metric: Labels): Labels | null {
  const entries = Object.entries(metric).filter(([name]) => name !== '__name__');
  const fit = entries.every(
    ([name, value]) =>
      LABEL_NAME.test(name) && Array.from(value).length <= MAX_LABEL_LENGTH && !UNPRINTABLE.test(value),
  );
  if (!fit || entries.length > MAX_LABELS) return null;
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Null when it is there and not a list of texts. */
function textsOf(value: unknown): readonly string[] | null {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : null;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
