/** Effects of mitigations: which to watch, and how far they have come. Pure. */

import type { EffectReport, EffectState, EpochMs, Incident } from '../model/index.ts';

/** A mitigation of the leading cause that the page shows and that declares an effect. */
export interface Watchable {
  readonly mitigation: string;
  readonly on: string;
  readonly slots: EffectReport['slots'];
}

/**
 * The reports to keep: one per mitigation. One that nobody has applied takes the newest values (the root may have
 * changed by itself); one that worked or partly worked gives way when the page shows other values.
 */
export function watched(incident: Incident, shown: readonly Watchable[], now: EpochMs): readonly EffectReport[] {
  const detector = incident.lead.detector;
  const mine = incident.effects.filter((report) => report.detector === detector);
  const kept = new Map(mine.map((report) => [report.mitigation, report]));
  for (const { mitigation, on, slots } of shown) {
    const report = kept.get(mitigation);
    if (report !== undefined && (report.appliedAt !== null || same(report.slots, slots))) {
      if (same(report.slots, slots) || report.state === 'not_applied' || report.state === 'not_yet') continue;
    }
    kept.set(mitigation, {
      detector,
      mitigation,
      on,
      slots,
      state: 'not_applied',
      observed: '',
      at: now,
      appliedAt: null,
    });
  }
  return [...kept.values()];
}

/** The report after a look. What was applied has `withinMs` before it is said that it has not worked. */
export function judged(
  report: EffectReport,
  look: { readonly state: EffectState; readonly observed: string },
  withinMs: number,
  now: EpochMs,
): EffectReport {
  if (report.state === 'worked' || look.state === 'not_applied') return report;
  const appliedAt = report.appliedAt ?? now;
  const early = look.state !== 'worked' && now - appliedAt < withinMs;
  return { ...report, appliedAt, at: now, state: early ? report.state : look.state, observed: look.observed };
}

function same(a: EffectReport['slots'], b: EffectReport['slots']): boolean {
  const identity = (slots: EffectReport['slots']): string =>
    JSON.stringify([slots.pid, slots.backendStart, slots.gid, slots.slotName, slots.appName, slots.table, slots.task]);
  return identity(a) === identity(b);
}
