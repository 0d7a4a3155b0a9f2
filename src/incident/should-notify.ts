/** Whether an incident has something new to say, and why. Pure; the reason travels into logs and payloads. */

import type { EffectState, EpochMs, Incident, NotificationKind, NotifyRecord, Severity } from '../model/index.ts';
import { SEVERITIES } from '../model/index.ts';
import { variantOf } from './correlate.ts';

export interface Notify {
  readonly kind: Exclude<NotificationKind, 'change'>;
  readonly reason: string;
}

/** A page's figure must at least double before it is said again, and not sooner than this. */
const WORSE_RATIO = 2;
const WORSE_AFTER_MS = 60_000;
/** Looking for causes goes on while an incident is open; a change of mind is told at most this often. */
const CAUSE_AFTER_MS = 60_000;

export function shouldNotify(incident: Incident, now: EpochMs): Notify | null {
  const last = incident.log.at(-1);
  if (incident.state === 'resolved') return last === undefined ? null : { kind: 'resolve', reason: 'resolved' };
  if (last === undefined) return { kind: 'trigger', reason: 'first notification' };
  if (rank(incident.severity) < Math.min(...incident.pagedSeverities.map(rank))) {
    return { kind: 'trigger', reason: `severity raised to ${incident.severity}` };
  }
  const effect = newEffect(incident, last);
  if (effect !== null) return { kind: 'update', reason: `mitigation ${effect}` };
  const cause = incident.cause;
  if (cause !== null && (last.cause?.cause !== cause.cause || last.cause.on !== cause.on)) {
    if (last.cause === null || now - last.at >= CAUSE_AFTER_MS) return { kind: 'update', reason: 'diagnosis changed' };
  }
  if (cause !== null && last.cause !== null && last.variant === null && variantOf(incident.lead) !== null) {
    return { kind: 'update', reason: 'diagnosis more precise' };
  }
  const told = new Set(last.findings ?? incident.findings);
  if (incident.findings.some((id) => !told.has(id))) return { kind: 'update', reason: 'another finding' };
  if (incident.lead.noData && last.reason !== 'cannot see any more') {
    return { kind: 'update', reason: 'cannot see any more' };
  }
  const measure = measureOf(incident);
  if (measure !== null && last.measure !== null && last.measure > 0 && now - last.at >= WORSE_AFTER_MS) {
    if (measure >= WORSE_RATIO * last.measure) return { kind: 'update', reason: 'worse' };
  }
  return null;
}

/** The record of what is said now. */
export function recordOf(incident: Incident, notify: Notify, now: EpochMs): NotifyRecord {
  return {
    at: now,
    reason: notify.reason,
    severity: incident.severity,
    cause: incident.cause,
    variant: variantOf(incident.lead),
    effect: effectOf(incident),
    findings: incident.findings,
    headline: incident.lead.symptom.headline,
    measure: measureOf(incident),
  };
}

/** The lead symptom's first figure: blocked sessions, share of slots, seconds of lag. */
function measureOf(incident: Incident): number | null {
  return incident.lead.symptom.readings[0]?.value ?? null;
}

const EFFECT_ORDER: readonly EffectState[] = ['worked', 'partly', 'not_yet', 'not_applied'];

/** The furthest that any mitigation has come; null before any was looked at. */
export function effectOf(incident: Incident): EffectState | null {
  return EFFECT_ORDER.find((state) => incident.effects.some((effect) => effect.state === state)) ?? null;
}

function newEffect(incident: Incident, last: NotifyRecord): string | null {
  const effect = effectOf(incident);
  if (effect === null || effect === 'not_applied' || effect === last.effect) return null;
  return effect === 'not_yet' ? 'has not worked yet' : `${effect === 'partly' ? 'partly ' : ''}worked`;
}

function rank(severity: Severity): number {
  return SEVERITIES.indexOf(severity);
}
