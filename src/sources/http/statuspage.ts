/**
 * The summary of an Atlassian Statuspage (API v2, `/api/v2/summary.json`): `page`, `status { indicator, description }`,
 * `components[] { name, status, group }`, `incidents[]` (unresolved ones). Everything in it was written by people.
 */

import type { EpochMs } from '../../model/glossary.ts';
import type { VendorStatusAnswer } from '../../model/health.ts';
import { outside } from '../aws/logs/redact.ts';

export type Summary = Pick<VendorStatusAnswer, 'indicator' | 'description' | 'incidents' | 'components'>;

const MAX_INCIDENTS = 10;
const MAX_COMPONENTS = 20;
const ENDED = new Set(['resolved', 'completed', 'postmortem']);

type Fields = Readonly<Record<string, unknown>>;

/** Null for a body that is not such a summary. An indicator that is not known is `unknown`. */
export function summaryOf(body: string): Summary | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return null;
  }
  const status = isFields(parsed) ? parsed['status'] : null;
  if (!isFields(parsed) || !isFields(status) || typeof status['indicator'] !== 'string') return null;
  const incidents = listIn(parsed, 'incidents')
    .filter((incident) => !ENDED.has(String(incident['status'])))
    .map((incident) => ({
      name: textIn(incident, 'name', 120),
      status: textIn(incident, 'status', 40),
      impact: textIn(incident, 'impact', 40),
      startedAt: timeIn(incident, 'started_at') ?? timeIn(incident, 'created_at'),
    }))
    .sort((a, b) => (b.startedAt ?? 0) - (a.startedAt ?? 0));
  const components = listIn(parsed, 'components')
    // A group repeats the worst of its members.
    .filter((component) => component['group'] !== true && component['status'] !== 'operational')
    .map((component) => ({ name: textIn(component, 'name', 120), status: textIn(component, 'status', 40) }))
    .filter(({ status: word }) => word !== '');
  return {
    indicator: indicatorOf(status['indicator']),
    description: textIn(status, 'description', 200),
    incidents: incidents.slice(0, MAX_INCIDENTS),
    components: components.slice(0, MAX_COMPONENTS),
  };
}

function indicatorOf(word: string): Summary['indicator'] {
  const known = (['none', 'minor', 'major', 'critical', 'maintenance'] as const).find((each) => each === word);
  return known ?? 'unknown';
}

/** 0 none, 1 minor or maintenance, 2 major, 3 critical; null for unknown, which is not none. */
export function indicatorValue(indicator: Summary['indicator']): number | null {
  return { none: 0, maintenance: 1, minor: 1, major: 2, critical: 3, unknown: null }[indicator];
}

function listIn(fields: Fields, name: string): readonly Fields[] {
  const value = fields[name];
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function textIn(fields: Fields, name: string, limit: number): string {
  const value = fields[name];
  return typeof value === 'string' ? outside(value, limit) : '';
}

function timeIn(fields: Fields, name: string): EpochMs | null {
  const value = fields[name];
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(at) ? at : null;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
