/** Signals that people bind or read themselves: where each comes from, and whether its unit is the one that is expected. */

import { invalid, nearest, type Path } from './problems.ts';
import { mapRecord, type Report, type ResolveContext } from './resolve-parts.ts';
import type { RawConfig, RawTarget } from './schema.ts';
import { TARGET_KINDS } from './target-names.ts';
import type { CloudWatchBinding, QueryConfig, SignalBinding } from './types.ts';

type RawSignals = RawConfig['services'][string]['signals'];
type RawCloudWatch = NonNullable<RawSignals[string]['cloudwatch']>;

/** Stands for a binding that was refused. */
const NOTHING: SignalBinding = { prometheus: { query: '', unit: null, scale: 1 } };

export function resolveSignals(
  signals: RawSignals,
  path: Path,
  context: ResolveContext,
  report: Report,
): Readonly<Record<string, SignalBinding>> {
  return mapRecord(signals, (signal, { cloudwatch, prometheus, unit, scale }): SignalBinding => {
    const here = [...path, signal];
    const given = [cloudwatch, prometheus].filter((one) => one !== undefined).length;
    if (given !== 1 && !context.refused(here)) {
      const found = given === 0 ? 'neither' : 'both';
      report(invalid(here, `has ${found}, expected exactly one of cloudwatch and prometheus`));
    }
    if (prometheus !== undefined) {
      checkUnit(signal, unit, true, here, context, report);
      return { prometheus: { query: prometheus, unit: unit ?? null, scale: scale ?? 1 } };
    }
    if (cloudwatch === undefined) return NOTHING;
    if (unit !== undefined) report(invalid([...here, 'unit'], 'is for prometheus only; expected it to be left out'));
    if (scale !== undefined) report(invalid([...here, 'scale'], 'is for prometheus; expected it inside cloudwatch'));
    return { cloudwatch: resolveCloudWatch(cloudwatch, [...here, 'cloudwatch'], report) };
  });
}

function resolveCloudWatch(cloudwatch: RawCloudWatch, path: Path, report: Report): CloudWatchBinding {
  const { namespace, metric, stat, scale, sparse } = cloudwatch;
  for (const dimension of Object.keys(cloudwatch.labels)) {
    if (cloudwatch.dimensions[dimension] === '*') continue;
    report(invalid([...path, 'labels', dimension], 'is not one of the dimensions with "*": only those become labels'));
  }
  const copy = (record: Readonly<Record<string, string>>) => mapRecord(record, (_, value) => value);
  const dimensions = copy(cloudwatch.dimensions);
  return { namespace, metric, stat, dimensions, labels: copy(cloudwatch.labels), scale, sparse };
}

/** Detectors read numbers in the unit of the signal: another one under its name would be wrong by its factor. */
function checkUnit(
  signal: string,
  unit: string | undefined,
  scales: boolean,
  path: Path,
  { signals, refused }: ResolveContext,
  report: Report,
): void {
  if (signals === null || refused([...path, 'unit'])) return;
  const known = signals.all.find((one) => one.signal === signal);
  if (known === undefined && unit === undefined) {
    const near = nearest(
      signal,
      signals.all.map((one) => one.signal),
    );
    const else_ = near === null ? '' : `; or did you mean "${near}"?`;
    report(invalid(path, `is no signal of ours, so it needs a unit: s, ms, bytes, ratio, count, per_second…${else_}`));
  }
  if (known !== undefined && unit !== undefined && unit !== known.unit) {
    const how = scales ? '; leave it out, and set scale where the values are in another one' : '';
    report(invalid([...path, 'unit'], `found ${unit}, but ${signal} is in ${known.unit}${how}`));
  }
}

export function resolveQueries(
  { queries, signals }: Pick<RawConfig['databases'][string], 'queries' | 'signals'>,
  path: Path,
  context: ResolveContext,
  report: Report,
): Readonly<Record<string, QueryConfig>> {
  return mapRecord(queries, (signal, { sql, unit, periodSeconds, column = null, labels }) => {
    const here = [...path, signal];
    if (context.signals?.ofDatabases.includes(signal) === true) {
      report(invalid(here, 'is a signal that every database has; expected another name'));
    } else if (Object.hasOwn(signals, signal)) {
      report(invalid(here, 'is bound under signals too; expected it in one place'));
    } else checkUnit(signal, unit, false, here, context, report);
    const wrong = context.checkQuery?.(sql) ?? null;
    if (wrong !== null) report(invalid([...here, 'sql'], wrong));
    for (const [index, label] of labels.entries()) {
      if (label === column) report(invalid([...here, 'labels'], `found "${label}", which is the column of the number`));
      else if (labels.indexOf(label) !== index) report(invalid([...here, 'labels'], `found "${label}" twice`));
    }
    return { sql, unit, periodSeconds, column, labels };
  });
}

/** What is bound must have where it comes from: one problem for all, at the first. */
export function checkBackends(raw: RawConfig, context: ResolveContext, report: Report): void {
  const bound = TARGET_KINDS.flatMap((kind) =>
    Object.entries<RawTarget>(raw[kind]).flatMap(([name, { signals }]) =>
      Object.entries(signals).flatMap(([signal, { prometheus }]) =>
        prometheus === undefined ? [] : [[kind, name, 'signals', signal, 'prometheus']],
      ),
    ),
  );
  const services = (key: 'sentry' | 'datadog'): readonly Path[] =>
    Object.entries(raw.services).flatMap(([name, one]) => (one[key] === undefined ? [] : [['services', name, key]]));
  const needs = (path: Path | undefined, section: string, message: string): void => {
    if (path !== undefined && !context.written([section])) report(invalid(path, message));
  };
  needs(bound[0], 'prometheus', 'is asked of Prometheus, but no server is known; add prometheus: { url: … }');
  needs(services('sentry')[0], 'sentry', 'names a project, but there is no sentry: { organization: …, token: … }');
  needs(services('datadog')[0], 'datadog', 'has tags, but there is no datadog: { apiKey: …, appKey: … }');
}
