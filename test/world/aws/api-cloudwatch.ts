/**
 * CloudWatch: GetMetricData and ListMetrics. Limits and rounding from the API reference of both; timestamps are aligned
 * to the period in UTC.
 */

import { type Catalogue, isActive } from './catalogue.ts';
import type { Fleet } from './fleet.ts';
import { type Dimensions, type Metric, pointOf, type Statistic, statisticOf } from './metric.ts';
import { page, positionOf, tokenFor } from './paging.ts';
import { ApiError, type Call } from './protocol.ts';
import { hashText } from './random.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MOST_QUERIES = 500;
const MOST_POINTS = 100_800;

export interface CloudWatchOptions {
  readonly fleet: Fleet;
  readonly catalogue: Catalogue;
  /** How long after the end of a slot its value is there, by namespace. */
  delayMs(namespace: string): number;
  /** Share of series that are answered in part. */
  partial(): number;
  forgotten(namespace: string, name: string): boolean;
}

interface Query {
  readonly id: string;
  readonly label: string;
  readonly key: string;
  readonly namespace: string;
  readonly metric: Metric | null;
  readonly statistic: Statistic;
  readonly periodMs: number;
  readonly returns: boolean;
}

/** The query API's code is ValidationError; the SDK's exception has the shape's name. */
const invalid = (message: string): ApiError => new ApiError('ValidationError', message, 400, 'ValidationException');

export function getMetricData(options: CloudWatchOptions, { input }: Call, now: number): unknown {
  const start = timeOf(input['StartTime'], 'StartTime');
  const end = timeOf(input['EndTime'], 'EndTime');
  if (start >= end) throw invalid('The parameter StartTime must be less than the parameter EndTime.');
  const list = input['MetricDataQueries'];
  if (!Array.isArray(list) || list.length === 0) throw invalid('The parameter MetricDataQueries is required.');
  if (list.length > MOST_QUERIES)
    throw invalid(`The collection MetricDataQueries must not have a size greater than ${MOST_QUERIES}.`);
  const most = input['MaxDatapoints'] ?? MOST_POINTS;
  if (typeof most !== 'number' || most < 1 || most > MOST_POINTS) {
    throw invalid(`The value ${String(most)} for parameter MaxDatapoints is invalid: expected 1 to ${MOST_POINTS}.`);
  }
  const queries = list.map((query) => readQuery(options, query as Readonly<Record<string, unknown>>));
  const ids = new Set(queries.map(({ id }) => id));
  if (ids.size !== queries.length) throw invalid('The values for parameter id in MetricDataQueries are not unique.');
  const ascending = input['ScanBy'] === 'TimestampAscending';

  const { NextToken: token, ...request } = input;
  let skip = 0;
  if (typeof token === 'string') {
    const position = positionOf(request, token);
    if (typeof position !== 'number')
      throw new ApiError('InvalidNextToken', 'The value for parameter NextToken is invalid.', 400);
    skip = position;
  }
  const results: unknown[] = [];
  let passed = 0;
  let given = 0;
  let next: string | undefined;
  for (const query of queries) {
    if (!query.returns) continue;
    const series = pointsOf(options, query, start, end, now, ascending);
    const from = Math.max(0, skip - passed);
    passed += series.times.length;
    if (from > 0 && from >= series.times.length) continue;
    const room = most - given;
    if (room <= 0) {
      next = tokenFor(request, skip + given);
      break;
    }
    const times = series.times.slice(from, from + room);
    given += times.length;
    const cut = from + room < series.times.length;
    results.push({
      Id: query.id,
      Label: query.label,
      Timestamps: times,
      Values: series.values.slice(from, from + room),
      StatusCode: cut || series.partial ? 'PartialData' : 'Complete',
    });
    if (cut) {
      next = tokenFor(request, skip + given);
      break;
    }
  }
  return { MetricDataResults: results, Messages: [], ...(next === undefined ? {} : { NextToken: next }) };
}

function readQuery(options: CloudWatchOptions, query: Readonly<Record<string, unknown>>): Query {
  const id = query['Id'];
  if (typeof id !== 'string' || !/^[a-z][A-Za-z0-9_]{0,254}$/.test(id)) {
    throw invalid(
      `The value '${String(id)}' for parameter MetricDataQueries.member.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$.`,
    );
  }
  const stat = query['MetricStat'] as Readonly<Record<string, unknown>> | undefined;
  if (stat === undefined) throw invalid(`query ${id} has no MetricStat: expressions are not spoken here`);
  const metric = (stat['Metric'] ?? {}) as Readonly<Record<string, unknown>>;
  const { Namespace: namespace, MetricName: name } = metric;
  if (typeof namespace !== 'string' || typeof name !== 'string') {
    throw invalid('The parameters MetricDataQueries.member.MetricStat.Metric.Namespace and MetricName are required.');
  }
  const statistic = statisticOf(String(stat['Stat']));
  if (statistic === null)
    throw invalid(
      `The value ${String(stat['Stat'])} for parameter MetricDataQueries.member.MetricStat.Stat is not supported.`,
    );
  const period = stat['Period'];
  if (typeof period !== 'number' || !([1, 5, 10, 20, 30].includes(period) || (period > 0 && period % 60 === 0))) {
    throw invalid(
      `The parameter MetricDataQueries.member.MetricStat.Period must be 1, 5, 10, 20, 30 or a multiple of 60: ${String(period)}.`,
    );
  }
  if (period > 86_400) throw invalid('The parameter MetricDataQueries.member.MetricStat.Period must be at most 86400.');
  const given = (metric['Dimensions'] ?? []) as readonly { readonly Name?: unknown; readonly Value?: unknown }[];
  if (given.length > 30) throw invalid('The collection Dimensions must not have a size greater than 30.');
  const dimensions: Record<string, string> = {};
  for (const { Name, Value } of given) {
    if (typeof Name !== 'string' || typeof Value !== 'string' || Value === '')
      throw invalid('The parameter Dimensions.member.Value is required.');
    dimensions[Name] = Value;
  }
  const found = options.forgotten(namespace, name) ? null : options.catalogue.find(namespace, name, dimensions);
  return {
    id,
    label: typeof query['Label'] === 'string' ? query['Label'] : name,
    key: `${namespace}/${name}/${JSON.stringify(dimensions)}`,
    namespace,
    metric: found,
    statistic,
    periodMs: period * 1_000,
    returns: query['ReturnData'] !== false,
  };
}

/** Age from which values of a period are gone. */
const retained = (periodMs: number): number =>
  periodMs < MINUTE
    ? 3 * HOUR
    : periodMs % (5 * MINUTE) !== 0
      ? 15 * DAY
      : periodMs % HOUR !== 0
        ? 63 * DAY
        : 455 * DAY;

function pointsOf(
  { fleet, delayMs, partial }: CloudWatchOptions,
  query: Query,
  start: number,
  end: number,
  now: number,
  ascending: boolean,
): { readonly times: number[]; readonly values: number[]; readonly partial: boolean } {
  const times: number[] = [];
  const values: number[] = [];
  const { metric, periodMs, statistic } = query;
  const age = now - start;
  const grain = periodMs < MINUTE ? periodMs : age < 15 * DAY ? MINUTE : age < 63 * DAY ? 5 * MINUTE : HOUR;
  const rounded = Math.floor(start / grain) * grain;
  const until = now - delayMs(query.namespace);
  const oldest = Math.max(now - retained(periodMs), fleet.startedAt);
  if (metric !== null) {
    for (let at = Math.ceil(rounded / periodMs) * periodMs; at < end && at < until; at += periodMs) {
      if (at < oldest) continue;
      const value = remembered(fleet, metric, statistic, at, periodMs, until);
      if (value === null) continue;
      times.push(at / 1_000);
      values.push(value);
    }
  }
  const cut = partial() > 0 && hashText(query.key) / 0x1_0000_0000 < partial();
  if (cut) {
    times.length = Math.floor(times.length / 2);
    values.length = times.length;
  }
  if (!ascending) {
    times.reverse();
    values.reverse();
  }
  return { times, values, partial: cut };
}

/** The last points of a series: who polls reads the same ten or twenty again and again. */
interface Memory {
  version: number;
  readonly starts: Float64Array;
  readonly values: Float64Array;
}
const MEMORY = 32;
const memories = new WeakMap<Metric, Map<string, Memory>>();

function remembered(
  fleet: Fleet,
  metric: Metric,
  statistic: Statistic,
  start: number,
  periodMs: number,
  until: number,
): number | null {
  if (start + periodMs > until) return pointOf(metric, statistic, start, periodMs, until);
  const kinds = memories.get(metric) ?? new Map<string, Memory>();
  if (kinds.size === 0) memories.set(metric, kinds);
  const kind = `${statistic.kind === 'percentile' ? statistic.p : statistic.kind}/${periodMs}`;
  let memory = kinds.get(kind);
  if (memory === undefined || memory.version !== fleet.version()) {
    memory = { version: fleet.version(), starts: new Float64Array(MEMORY), values: new Float64Array(MEMORY) };
    kinds.set(kind, memory);
  }
  const index = (start / periodMs) % MEMORY;
  if (memory.starts[index] !== start) {
    memory.starts[index] = start;
    memory.values[index] = pointOf(metric, statistic, start, periodMs, until) ?? Number.NaN;
  }
  const value = memory.values[index]!;
  return Number.isNaN(value) ? null : value;
}

export function listMetrics(options: CloudWatchOptions, { input }: Call, now: number): unknown {
  const { NextToken: token, ...request } = input;
  const namespace = input['Namespace'] as string | undefined;
  const name = input['MetricName'] as string | undefined;
  const recently = input['RecentlyActive'];
  if (recently !== undefined && recently !== 'PT3H') {
    throw new ApiError(
      'InvalidParameterValue',
      `The value ${String(recently)} for parameter RecentlyActive is invalid: expected PT3H.`,
    );
  }
  const filters = (input['Dimensions'] ?? []) as readonly { readonly Name: string; readonly Value?: string }[];
  if (filters.length > 10)
    throw new ApiError('InvalidParameterValue', 'The collection Dimensions must not have a size greater than 10.');
  // Two weeks after its last point a metric is listed no more.
  const from = now - (recently === undefined ? 14 * DAY : 3 * HOUR);
  const until = (of: string): number => now - options.delayMs(of);
  const fits = (dimensions: Dimensions): boolean =>
    filters.every(
      ({ Name, Value }) => dimensions[Name] !== undefined && (Value === undefined || dimensions[Name] === Value),
    );
  const found = options.catalogue.list(namespace, name, from, now).filter((metric) => {
    if (!fits(metric.dimensions) || options.forgotten(metric.namespace, metric.name)) return false;
    const { find } = options.catalogue;
    const known = find(metric.namespace, metric.name, metric.dimensions);
    if (known === null) return false;
    return recently === undefined || isActive(known, from, until(metric.namespace));
  });
  const { values, next } = page(
    found,
    500,
    request,
    token as string | undefined,
    () => new ApiError('InvalidParameterValue', 'Invalid nextToken'),
  );
  return {
    Metrics: values.map((metric) => ({
      Namespace: metric.namespace,
      MetricName: metric.name,
      Dimensions: Object.entries(metric.dimensions).map(([Name, Value]) => ({ Name, Value })),
    })),
    ...(next === undefined ? {} : { NextToken: next }),
  };
}

function timeOf(value: unknown, name: string): number {
  const time = typeof value === 'number' ? value * 1_000 : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (!Number.isFinite(time)) throw invalid(`The parameter ${name} is required.`);
  return time;
}
