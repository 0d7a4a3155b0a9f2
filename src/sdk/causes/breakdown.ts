/** Lines of WHAT that say where the errors are: only those that say something. */

import type { Interval, Reading } from '../../model/index.ts';
import { count, percent, plural, safeName } from '../format.ts';
import type { LabelPart, Points } from './service-questions.ts';
import { isServerError, partsBy } from './service-questions.ts';

/** A part is told when it has most of the errors and clearly more of them than of the traffic. */
const MOST = 0.5;
const MORE_THAN_TRAFFIC = 1.5;

function pointsOf(readings: readonly Reading[]): Points {
  return readings.flatMap(({ labels, samples }) =>
    samples.map(({ at, value }) => ({ labels, at, value, expected: null, lower: null, upper: null })),
  );
}

/** `us-east-1b has 96 % of the errors and 33 % of the traffic`; null when errors are where the traffic is. */
function partText(parts: readonly LabelPart[]): string | null {
  const [top] = parts;
  if (top === undefined || parts.length < 2 || top.errors === 0) return null;
  if (top.errorShare < MOST || top.errorShare < top.trafficShare * MORE_THAN_TRAFFIC) return null;
  return `${safeName(top.name, 60)} has ${percent(top.errorShare)} of the errors and ${percent(top.trafficShare)} of the traffic`;
}

/** Signals whose readings may be there: by endpoint and status, by zone, of the load balancer by status. */
export interface BreakdownReadings {
  readonly endpoints: readonly Reading[];
  readonly zoneErrors: readonly Reading[];
  readonly zoneRequests: readonly Reading[];
}

/** Since the onset: the endpoint and the zone that have most of the errors, and which statuses they are. */
export function errorBreakdown(readings: BreakdownReadings, onset: Interval): readonly string[] {
  const all = pointsOf(readings.endpoints);
  const errors = all.filter((point) => isServerError(point.labels['status']));
  const endpoint = partText(partsBy('endpoint', errors, all, { onset }));
  const statuses = partsBy('status', errors, [], { onset }).filter((part) => part.errors > 0);
  const statusText = statuses
    .slice(0, 3)
    .map((part) => `${safeName(part.name)} ${count(part.errors)}`)
    .join(', ');
  const total = statuses.reduce((sum, part) => sum + part.errors, 0);
  const byStatus = statuses.length < 2 ? null : `${plural(total, 'error')} by status: ${statusText}`;
  const zone = partText(partsBy('zone', pointsOf(readings.zoneErrors), pointsOf(readings.zoneRequests), { onset }));
  return [endpoint, zone, byStatus].filter((line) => line !== null);
}
