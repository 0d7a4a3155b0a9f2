import type { SourceFailureAnswer, Target } from 'runbookd/sdk';
import { describeDetector, NOW, reading } from 'runbookd/testing';
import { detector } from './source-unreadable.ts';

const target: Target = { name: 'cloudwatch', kind: 'source', dependsOn: [], slots: {} };
const polls = (values: readonly number[], group = 'cloudwatch') =>
  reading('failed_polls', values, { target: 'cloudwatch', labels: { group }, periodSeconds: 60 });
const FAILING = [polls([0, 0, 1, 2, 3])];

const failure = (code: string, detail: string, grant: string | null = null): SourceFailureAnswer => ({
  at: NOW,
  source: 'cloudwatch',
  targets: ['api', 'search'],
  failures: [{ group: 'cloudwatch', polls: 3, since: NOW - 120_000, code, because: 'error', detail, grant }],
});

const cause = (
  variant: string,
  code: string,
  detail: string,
  grant: string | null = null,
  command = /^runbookd check$/,
) => ({
  name: `${variant} by ${code}`,
  readings: FAILING,
  answers: { 'source.failure': failure(code, detail, grant), changes: { changes: [] } },
  first: { cause: 'source-unreadable', variant },
  atLeast: 0.8,
  commands: [command],
  verdict: 'cause' as const,
});

describeDetector(detector, {
  target,
  silent: [
    { name: 'all polls go through', readings: [polls([0, 0, 0])] },
    { name: 'two polls failed', readings: [polls([0, 1, 2])] },
    { name: 'it is read again', readings: [polls([3, 4, 0])], active: [''] },
  ],
  firing: [
    {
      name: 'three polls in a row',
      readings: FAILING,
      severity: 'error',
      headline: /^nothing could be read for 2 min$/,
    },
    { name: 'one group of two', readings: [polls([0, 0, 0], 'ecs'), polls([1, 2, 3])] },
  ],
  missing: [{ name: 'never polled', readings: [] }],
  causes: [
    cause(
      'denied',
      'AWS_DENIED',
      'default (us-east-1): cloudwatch:GetMetricData is denied',
      'iam: allow cloudwatch:GetMetricData',
    ),
    cause(
      'credentials',
      'AWS_CREDENTIALS',
      'default (us-east-1): no valid AWS credentials',
      null,
      /get-caller-identity/,
    ),
    cause('throttled', 'AWS_THROTTLED', 'default (us-east-1): cloudwatch:GetMetricData is throttled'),
    cause('unreachable', 'AWS_TIMEOUT', 'default (us-east-1): no answer to cloudwatch:GetMetricData within 8500 ms'),
    cause('not-found', 'AWS_NOT_FOUND', 'default (us-east-1): ecs:DescribeServices found nothing'),
  ],
});
