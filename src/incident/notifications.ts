/** From a reason to say something to the notifications that say it. Pure. */

import type { Incident, Notification, Severity } from '../model/index.ts';
import type { Notify } from './should-notify.ts';

export interface Told {
  readonly summary: string;
  readonly sections: Notification['sections'];
}

/**
 * The dedup key is derived from the incident's id alone, never from its cause. A severity raised later has a key of its
 * own: while the first page is acknowledged, further triggers on its key would notify nobody.
 */
export function dedupKey(installation: string, incident: Incident, severity: Severity): string {
  const base = `runbookd:${installation}:${incident.id}`;
  const first = incident.pagedSeverities[0];
  return first === undefined || first === severity ? base : `${base}:${severity}`;
}

/** A resolve goes to every key that was paged; everything else to one. Ids are stable: saying it twice is saying it once. */
export function notificationsFor(
  installation: string,
  incident: Incident,
  notify: Notify,
  told: Told,
  at: number,
  url: string | null,
): readonly Notification[] {
  const paged = incident.pagedSeverities;
  const severities =
    notify.kind === 'resolve'
      ? paged
      : notify.kind === 'trigger'
        ? [incident.severity]
        : [paged.at(-1) ?? incident.severity];
  return severities.map((severity) => ({
    id: `${incident.id}:${incident.log.length}:${notify.kind}:${severity}`,
    kind: notify.kind,
    key: dedupKey(installation, incident, severity),
    incident: incident.id,
    at,
    severity,
    summary: told.summary,
    target: incident.lead.target,
    detector: incident.lead.detector,
    cause: incident.cause?.cause ?? null,
    reason: notify.reason,
    sections: told.sections,
    links: url === null ? [] : [{ href: url, text: 'the incident' }],
  }));
}
