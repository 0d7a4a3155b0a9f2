/**
 * Correlation: findings that share one cause are one incident. Pure; ids are minted at opening and kept.
 *
 * A finding joins the open incident that it already belongs to; else one whose cause is among its own causes
 * (confidence ≥ 0.5), or whose lead sees one of them as its own symptom (or the other way round); else, when it is of a service and its own causes lie on that itself, an open critical one of
 * the same service that began before; else, while its own cause is unclear, an open incident on the same target or on one that it
 * depends on whose onset is near. Otherwise it opens one. What came in while its own cause was unclear leaves again when
 * another cause of its own is settled: two faults at once are two. `info` findings explain and never open an incident.
 */

import type { CauseRef, EpochMs, Finding, Incident, RankedCause, Severity, Target } from '../model/index.ts';
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
  const open = input.incidents
    .filter((incident) => incident.state === 'open')
    .map(
      (one): Incident => ({ ...one, findings: one.findings.filter((id) => !leaves(byId.get(id), one, input.targets)) }),
    );
  const belongs = new Set(open.flatMap((incident) => incident.findings));
  const order = [...input.findings].sort((a, b) => (a.firedAt ?? 0) - (b.firedAt ?? 0) || (a.id < b.id ? -1 : 1));
  for (const finding of order) {
    if (belongs.has(finding.id) || finding.state !== 'firing' || finding.symptom.severity === 'info') continue;
    const home = open.findIndex((incident) => fits(finding, incident, input.targets));
    if (home >= 0) open[home] = { ...open[home]!, findings: [...open[home]!.findings, finding.id] };
    else open.push(opened(finding, input));
  }
  return open.map((incident) => refreshed(incident, byId, input));
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
  const own = ownCauses(finding);
  const near = Math.abs(finding.symptom.onset.latest - incident.lead.symptom.onset.latest) <= NEAR_MS;
  if (shares(finding, incident, targets)) return true;
  if (isDown(incident, finding, targets) && own.every((cause) => cause.on === finding.target)) return true;
  if (own.length > 0 && incident.cause !== null) return false;
  return near && related(finding.target, incident.lead.target, targets);
}

/** Evidence against of this weight: the thing may well be so, and still not be what this finding is about. */
const DOUBT = -2;

/** What may be its cause: the leading one, and others as likely as not that nothing weighty speaks against. */
function ownCauses({ diagnosis }: Finding): readonly RankedCause[] {
  return (diagnosis?.causes ?? []).filter(
    ({ confidence, evidence }, index) =>
      confidence >= CAUSE_FROM && (index === 0 || evidence.every((one) => one.weight > DOUBT)),
  );
}

/** Settled, and not on what the incident is about. The finding that leads is what the page is about, and stays. */
function leaves(finding: Finding | undefined, incident: Incident, targets: readonly Target[]): boolean {
  if (finding === undefined || finding.id === incident.lead.id || finding.state !== 'firing') return false;
  // When a fault ends, what it leaves behind (a backlog that is worked off) has causes of its own for a while.
  if (incident.shared?.includes(finding.id) === true) return false;
  if (finding.diagnosis?.verdict !== 'cause' || incident.cause === null) return false;
  const own = ownCauses(finding);
  if (shares(finding, incident, targets)) return false;
  return !(isDown(incident, finding, targets) && own.every((cause) => cause.on === finding.target));
}

/** One of the two has as its cause what the other one sees as its own symptom, whatever it is called there. */
function isSeenAs(finding: Finding, { lead }: Incident): boolean {
  const names = (by: Finding, seen: Finding): boolean =>
    (by.diagnosis?.causes ?? []).some(
      ({ confidence, on, seenBy = [] }) =>
        confidence >= CAUSE_FROM && on === seen.target && seenBy.includes(seen.detector),
    );
  return names(finding, lead) || names(lead, finding);
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

/** What is not of the thing itself is the same on all of its kind: the way out of ours, seen on each vendor. */
function isAnywhere(own: RankedCause, cause: CauseRef, targets: readonly Target[]): boolean {
  const kindOf = (name: string) => targets.find((one) => one.name === name)?.kind;
  return own.anywhere === true && own.cause === cause.cause && kindOf(own.on) === kindOf(cause.on);
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
function refreshed(incident: Incident, byId: ReadonlyMap<string, Finding>, input: CorrelateInput): Incident {
  const { now, targets } = input;
  const members = incident.findings.flatMap((id) => byId.get(id) ?? []);
  const firing = members.filter((finding) => finding.state === 'firing');
  if (firing.length === 0) {
    const lead = byId.get(incident.lead.id) ?? incident.lead;
    return { ...incident, lead, state: 'resolved', resolvedAt: now };
  }
  const lead = leadOf(firing, incident);
  // A cause that was found stays until another one leads: an unclear moment does not take it back.
  const cause = leadingCause(lead) ?? incident.cause;
  const present = { ...incident, lead, cause, severity: worst(firing.map((finding) => finding.symptom.severity)) };
  const sharing = firing.filter((one) => shares(one, present, targets)).map(({ id }) => id);
  const shared = [...new Set([...(incident.shared ?? []), ...sharing])];
  return shared.length === 0 ? present : { ...present, shared };
}

/** Its cause is that of the incident. */
function shares(finding: Finding, incident: Incident, targets: readonly Target[]): boolean {
  const own = ownCauses(finding);
  const { cause, lead } = incident;
  const near = Math.abs(finding.symptom.onset.latest - lead.symptom.onset.latest) <= NEAR_MS;
  if (cause !== null && own.some((one) => isSame(one, cause, near ? targets : []))) return true;
  if (cause !== null && near && own.some((one) => isAnywhere(one, cause, targets))) return true;
  return isSeenAs(finding, incident);
}

/**
 * Whoever led goes on leading, unless another raises the severity, knows the same cause more precisely (which kind of
 * it), or knows a cause where nobody did.
 */
function leadOf(firing: readonly Finding[], incident: Incident): Finding {
  const top = worst(firing.map((finding) => finding.symptom.severity));
  const lead = firing.find((finding) => finding.id === incident.lead.id);
  if (lead === undefined) return best(firing);
  // What raises the severity is what the page that goes out for it is about.
  if (lead.symptom.severity !== top && top !== incident.severity) {
    return best(firing.filter((finding) => finding.symptom.severity === top));
  }
  const known = leadingCause(lead);
  if (known === null) {
    // Nobody knew, and now one of them does: the page is to say so.
    const knowing = incident.cause === null ? firing.filter((one) => leadingCause(one) !== null) : [];
    return knowing.length === 0 ? lead : best(knowing);
  }
  if (variantOf(lead) !== null) return lead;
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
