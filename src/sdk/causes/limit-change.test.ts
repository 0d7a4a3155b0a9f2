import { expect, test } from 'vitest';
import type { Change } from '../../model/index.ts';
import { limitChange } from './limit-change.ts';

const change = (summary: string): Change => ({
  id: 'c',
  target: 'main-db',
  kind: 'setting',
  summary,
  at: { earliest: 0, latest: 1 },
  source: 'main-db',
});

test.each([
  ['max_connections 100 → 40', { lowered: true, before: 100 }],
  ['max_connections 100 -> 200', { lowered: false, before: 100 }],
  ['restart with max_connections 100 → 40', { lowered: true, before: 100 }],
  ['reserved_connections 0 → 20', { lowered: true, before: null }],
  ['superuser_reserved_connections 10 → 3', { lowered: false, before: null }],
  ['max_connections changed', { lowered: null, before: null }],
])('reads "%s"', (summary, expected) => {
  expect(limitChange(change(summary))).toMatchObject(expected);
});

test.each([
  'max_connections was changed in the configuration and waits for a restart',
  'work_mem 4MB → 8MB',
  'deploy 512',
  'max_connections_per_hour 1 → 2',
])('leaves "%s" alone', (summary) => {
  expect(limitChange(change(summary))).toBeNull();
});
