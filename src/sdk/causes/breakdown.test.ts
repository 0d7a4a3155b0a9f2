import { expect, test } from 'vitest';
import type { Reading } from '../../model/index.ts';
import { errorBreakdown } from './breakdown.ts';

const T0 = Date.UTC(2026, 10, 23, 14, 0, 0);
const BAND = { expected: 0, lower: 0, upper: 0, mean: 0, samples: 0, ready: false, profile: 'none' as const };
const reading = (labels: Readonly<Record<string, string>>, after: number): Reading => ({
  target: 'api',
  signal: 's',
  labels,
  unit: 'count',
  periodMs: 60_000,
  samples: [
    { at: T0 - 60_000, value: 1_000_000, band: BAND },
    { at: T0, value: after, band: BAND },
  ],
  freshness: 'present',
});
const onset = { earliest: T0 - 30_000, latest: T0 };
const NONE = { endpoints: [], zoneErrors: [], zoneRequests: [] };

test('it says which endpoint and zone have the errors, and which they are', () => {
  const lines = errorBreakdown(
    {
      endpoints: [
        reading({ endpoint: 'POST /checkout', status: '500' }, 388),
        reading({ endpoint: 'POST /checkout', status: '503' }, 12),
        reading({ endpoint: 'POST /checkout', status: '200' }, 100),
        reading({ endpoint: 'GET /models', status: '200' }, 3_460),
        reading({ endpoint: 'GET /models', status: '500' }, 40),
      ],
      zoneErrors: [reading({ zone: 'us-east-1a' }, 18), reading({ zone: 'us-east-1b' }, 422)],
      zoneRequests: [reading({ zone: 'us-east-1a' }, 2_000), reading({ zone: 'us-east-1b' }, 2_000)],
    },
    onset,
  );
  expect(lines).toEqual([
    'POST /checkout has 91 % of the errors and 13 % of the traffic',
    'us-east-1b has 96 % of the errors and 50 % of the traffic',
    '440 errors by status: 500 428, 503 12',
  ]);
});

test('errors that are where the traffic is say nothing', () => {
  const zoneErrors = [reading({ zone: 'a' }, 60), reading({ zone: 'b' }, 40)];
  const zoneRequests = [reading({ zone: 'a' }, 600), reading({ zone: 'b' }, 400)];
  expect(errorBreakdown({ ...NONE, zoneErrors, zoneRequests }, onset)).toEqual([]);
  expect(errorBreakdown(NONE, onset)).toEqual([]);
});
