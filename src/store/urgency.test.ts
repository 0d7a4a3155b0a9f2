import { expect, test } from 'vitest';
import type { Severity } from '../model/glossary.ts';
import type { NotificationKind } from '../model/notification.ts';
import { urgencyOf } from './urgency.ts';

test('new pages go by severity, before what follows on a page, before changes', () => {
  const order: readonly (readonly [NotificationKind, Severity])[] = [
    ['trigger', 'critical'],
    ['trigger', 'error'],
    ['trigger', 'warning'],
    ['trigger', 'info'],
    ['update', 'critical'],
    ['change', 'info'],
  ];
  const urgencies = order.map(([kind, severity]) => urgencyOf({ kind, severity }));
  expect(urgencies).toStrictEqual(urgencies.toSorted((a, b) => a - b));
  expect(new Set(urgencies).size).toBe(order.length);
  expect(urgencyOf({ kind: 'resolve', severity: 'critical' })).toBe(urgencyOf({ kind: 'update', severity: 'warning' }));
});
