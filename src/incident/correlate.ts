/**
 * Correlation: findings that share one cause are one incident. Pure; ids are minted at opening and kept.
 *
 * A finding joins the open incident that it already belongs to; else one whose cause is among its own causes
 * (confidence ≥ 0.5); else, when it is of a service and its own causes lie on that itself, an open critical one of
 * the same service that began before; else, while its own cause is unclear, an open incident on the same target or on one that it
 * depends on whose onset is near. Otherwise it opens one. `info` findings explain and never open an incident.
 */

import type { CauseRef, EpochMs, Finding, Incident, Severity, Target } from '../model/index.ts';
import { SEVERITIES } from '../model/index.ts';

export interface CorrelateInput {
  /** Every finding that is firing or has resolved since its incident was last correlated. */
  readonly findings: readonly Finding[];
  readonly incidents: readonly Incident[];
  readonly targets: readonly Target[];
  readonly now: EpochMs;
  readonly newId: () => string;
}

const NEAR_MS = 5 * 60_000;
const CAUSE_FROM = 0.5;

export function correlate(input: CorrelateInput): readonly Incident[] {
  const byId = new Map(input.findings.map((finding) => [finding.id, finding]));
  const open = input.incidents.filter((incident) => incident.state === 'open').map((one) => ({ ...one }));
  const belongs = new Set(open.flatMap((incident) => incident.findings));
  const order = [...input.findings].sort((a, b) => (a.firedAt ?? 0) - (b.firedAt ?? 0) || (a.id < b.id ? -1 : 1));
  for (const finding of order) {
    if (belongs.has(finding.id) || finding.state !== 'firing' || finding.symptom.severity === 'info') continue;
    const home = open.findIndex((incident) => fits(finding, incident, input.targets));
    if (home >= 0) open[home] = { ...open[home]!, findings: [...open[home]!.findings, finding.id] };
    else open.push(opened(finding, input));
  }
  return open.map((incident) => refreshed(incident, byId, input.now));
}

/** The most confident cause from 50 % on, else null. */
export function leadingCause(finding: Finding): CauseRef | null {
  const first = finding.diagnosis?.causes[0];
  return first !== undefined && first.confidence >= CAUSE_FROM ? { cause: first.cause, on: first.on } : null;
}

export function worst(severities: readonly Severity[]): Severity {
  return SEVERITIES.find((severity) => severities.includes(severity)) ?? 'info';
}

function fits(finding: Finding, incident: Incident, targets: readonly Target[]): boolean {
  const own = (finding.diagnosis?.causes ?? []).filter((cause) => cause.confidence >= CAUSE_FROM);
  const shared = incident.cause;
  const near = Math.abs(finding.symptom.onset.latest - incident.lead.symptom.onset.latest) <= NEAR_MS;
  if (shared !== null && own.some((cause) => isSame(cause, shared, near ? targets : []))) return true;
  if (isDown(incident, finding, targets) && own.every((cause) => cause.on === finding.target)) return true;
  if (own.length > 0 && shared !== null) return false;
  return near && related(finding.target, incident.lead.target, targets);
}

/**
 * What departs on a service while it is critical is a consequence until shown otherwise: the tasks that are left are busy,
 * those that start are slow. A second page with another cure would only be in the way. A cause elsewhere is its own.
 */
function isDown(incident: Incident, finding: Finding, targets: readonly Target[]): boolean {
  const { lead } = incident;
  const within = finding.symptom.onset.latest >= lead.symptom.onset.earliest;
  if (targets.find((one) => one.name === finding.target)?.kind !== 'service') return false;
  return lead.target === finding.target && lead.symptom.severity === 'critical' && lead.state === 'firing' && within;
}

/** One cause on one thing; what begins on a primary and its replica together is one thing too. */
function isSame(a: CauseRef, b: CauseRef, targets: readonly Target[]): boolean {
  const familyOf = (name: string): string => targets.find((one) => one.name === name)?.replicaOf ?? name;
  return a.cause === b.cause && familyOf(a.on) === familyOf(b.on);
}

function related(a: string, b: string, targets: readonly Target[]): boolean {
  const touches = (from: string, to: string): boolean => {
    const target = targets.find((one) => one.name === from);
    return target !== undefined && (target.dependsOn.includes(to) || target.replicaOf === to);
  };
  return a === b || touches(a, b) || touches(b, a);
}

function opened(finding: Finding, input: CorrelateInput): Incident {
  return {
    id: input.newId(),
    state: 'open',
    openedAt: input.now,
    resolvedAt: null,
    severity: finding.symptom.severity,
    cause: leadingCause(finding),
    findings: [finding.id],
    lead: finding,
    log: [],
    pagedSeverities: [],
    effects: [],
  };
}

/** The incident with its findings as they stand now; a finding that is not given any more counts as resolved. */
function refreshed(incident: Incident, byId: ReadonlyMap<string, Finding>, now: EpochMs): Incident {
  const members = incident.findings.flatMap((id) => byId.get(id) ?? []);
  const firing = members.filter((finding) => finding.state === 'firing');
  if (firing.length === 0) {
    const lead = byId.get(incident.lead.id) ?? incident.lead;
    return { ...incident, lead, state: 'resolved', resolvedAt: now };
  }
  const lead = leadOf(firing, incident);
  // A cause that was found stays until another one leads: an unclear moment does not take it back.
  const cause = leadingCause(lead) ?? incident.cause;
  return { ...incident, lead, cause, severity: worst(firing.map((finding) => finding.symptom.severity)) };
}

/** Whoever led goes on leading, unless another raises the severity, or another finding knows the same cause more precisely: which kind of it. */
function leadOf(firing: readonly Finding[], incident: Incident): Finding {
  const top = worst(firing.map((finding) => finding.symptom.severity));
  const lead = firing.find((finding) => finding.id === incident.lead.id);
  if (lead === undefined) return best(firing);
  // What raises the severity is what the page that goes out for it is about.
  if (lead.symptom.severity !== top && top !== incident.severity) {
    return best(firing.filter((finding) => finding.symptom.severity === top));
  }
  const known = leadingCause(lead);
  if (known === null || variantOf(lead) !== null) return lead;
  const precise = firing.filter((one) => {
    const own = leadingCause(one);
    return own !== null && own.cause === known.cause && own.on === known.on && variantOf(one) !== null;
  });
  return precise.length === 0 ? lead : best(precise);
}

/** Which kind of the leading cause; null when none leads or it has none. */
export function variantOf(finding: Finding): string | null {
  return leadingCause(finding) === null ? null : (finding.diagnosis?.causes[0]?.variant ?? null);
}

function best(firing: readonly Finding[]): Finding {
  const confidence = (finding: Finding): number => finding.diagnosis?.causes[0]?.confidence ?? 0;
  return firing.reduce((a, b) => (confidence(b) > confidence(a) ? b : a));
}
