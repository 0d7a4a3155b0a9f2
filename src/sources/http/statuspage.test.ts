import { expect, test } from 'vitest';
import { indicatorValue, summaryOf } from './statuspage.ts';

test('the summary of a vendor in trouble, in the form that Atlassian documents', () => {
  const body = {
    page: { id: 'x', name: 'Stripe', url: 'https://status.stripe.com', time_zone: 'Etc/UTC' },
    status: { indicator: 'major', description: 'Partial System Outage' },
    components: [
      { id: 'a', name: 'API', status: 'partial_outage', group: false },
      { id: 'b', name: 'Dashboard', status: 'operational', group: false },
      { id: 'c', name: 'All', status: 'partial_outage', group: true },
    ],
    incidents: [
      { name: 'Old', status: 'resolved', impact: 'minor', started_at: '2026-11-20T00:00:00Z' },
      { name: 'Errors', status: 'investigating', impact: 'major', started_at: '2026-11-23T14:01:00Z' },
      { name: 'Delays', status: 'monitoring', impact: 'minor', created_at: '2026-11-23T15:00:00Z', started_at: null },
    ],
    scheduled_maintenances: [],
  };
  expect(summaryOf(JSON.stringify(body))).toEqual({
    indicator: 'major',
    description: 'Partial System Outage',
    incidents: [
      { name: 'Delays', status: 'monitoring', impact: 'minor', startedAt: Date.parse('2026-11-23T15:00:00Z') },
      { name: 'Errors', status: 'investigating', impact: 'major', startedAt: Date.parse('2026-11-23T14:01:00Z') },
    ],
    components: [{ name: 'API', status: 'partial_outage' }],
  });
});

test.each([
  '',
  '<html>',
  'null',
  '[]',
  '{}',
  '{"status":"ok"}',
  '{"status":{}}',
  '{"status":{"indicator":3}}',
  '{"status":{"indicator"',
])('%j is no summary', (body) => {
  expect(summaryOf(body)).toBeNull();
});

test('parts that are not what they should be are left out, and lists are bounded', () => {
  const body = {
    status: { indicator: 'constructor', description: 7 },
    incidents: [...Array.from({ length: 30 }, (_, n) => ({ name: `i${n}`, started_at: 'soon' })), null, 'x'],
    components: Array.from({ length: 90 }, (_, n) => ({ name: `c${n}\u202e`, status: 'down' })),
  };
  const summary = summaryOf(JSON.stringify(body));
  expect(summary).toMatchObject({ indicator: 'unknown', description: '' });
  expect(summary?.incidents).toHaveLength(10);
  expect(summary?.incidents[0]).toEqual({ name: 'i0', status: '', impact: '', startedAt: null });
  expect(summary?.components).toHaveLength(20);
  expect(summary?.components[0]?.name).toBe('c0');
});

test.each([
  ['none', 0],
  ['maintenance', 1],
  ['minor', 1],
  ['major', 2],
  ['critical', 3],
  ['unknown', null],
] as const)('%s is %s', (indicator, value) => {
  expect(indicatorValue(indicator)).toBe(value);
});
