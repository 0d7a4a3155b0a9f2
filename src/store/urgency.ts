import { SEVERITIES, type Severity } from '../model/glossary.ts';
import type { Notification } from '../model/notification.ts';

/** Lower goes first when several keys are due: new pages by severity, then what follows on a page, then changes. */
export function urgencyOf(notification: { readonly kind: Notification['kind']; readonly severity: Severity }): number {
  if (notification.kind === 'trigger') return SEVERITIES.indexOf(notification.severity);
  return notification.kind === 'change' ? SEVERITIES.length + 1 : SEVERITIES.length;
}
