/** The event source mappings that hand a queue's messages to a function. */

import type { EventSourceMappingConfiguration } from '@aws-sdk/client-lambda';
import type { EventSourceMapping } from '../../../model/aws.ts';
import { RunbookdError } from '../../../model/errors.ts';
import type { Aws } from '../calls.ts';
import { accountLabel } from '../errors.ts';
import { outside } from '../logs/redact.ts';

/** A page has at most 100; nobody feeds a function from more than a few queues. */
const MOST_PAGES = 5;
const REASON_CHARACTERS = 120;
const UUID_PATTERN = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const STATES: Readonly<Record<string, EventSourceMapping['state']>> = {
  Creating: 'creating',
  Enabling: 'enabling',
  Enabled: 'enabled',
  Disabling: 'disabling',
  Disabled: 'disabled',
  Updating: 'updating',
  Deleting: 'deleting',
};

/** Rejects as `Aws.call` does, and when the list has no end. */
export async function eventSourcesOf(
  aws: Aws,
  functionName: string,
  queue: string,
  signal: AbortSignal,
): Promise<readonly EventSourceMapping[]> {
  const all: EventSourceMappingConfiguration[] = [];
  let marker: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { EventSourceMappings = [], NextMarker }: Page = await aws.call(
      'lambda:ListEventSourceMappings',
      { FunctionName: functionName, ...(marker === undefined ? {} : { Marker: marker }) },
      signal,
    );
    all.push(...EventSourceMappings);
    if (NextMarker === undefined || NextMarker === '') return all.flatMap((one) => mappingOf(one, queue)).sort(byId);
    marker = NextMarker;
  }
  const why = `the list has more than ${MOST_PAGES} pages`;
  throw new RunbookdError('AWS_FAILED', [accountLabel(aws.account), 'lambda:ListEventSourceMappings', why]);
}

interface Page {
  readonly EventSourceMappings?: readonly EventSourceMappingConfiguration[] | undefined;
  readonly NextMarker?: string | undefined;
}

const byId = (a: EventSourceMapping, b: EventSourceMapping): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;

/** Nothing for another queue's. */
function mappingOf(one: EventSourceMappingConfiguration, queue: string): readonly EventSourceMapping[] {
  const { UUID, EventSourceArn, State, StateTransitionReason, LastModified, BatchSize, ScalingConfig } = one;
  // arn:aws:sqs:us-east-1:123456789012:name
  const [, , service, , , name] = (EventSourceArn ?? '').split(':');
  if (UUID === undefined || service !== 'sqs' || name !== queue) return [];
  const changedAt = LastModified instanceof Date ? LastModified.getTime() : Number.NaN;
  return [
    {
      id: UUID_PATTERN.test(UUID) ? UUID : '',
      state: (Object.hasOwn(STATES, State ?? '') ? STATES[State ?? ''] : undefined) ?? 'other',
      reason: StateTransitionReason === undefined ? null : outside(StateTransitionReason, REASON_CHARACTERS),
      changedAt: Number.isFinite(changedAt) ? changedAt : null,
      batchSize: numberOf(BatchSize),
      maximumConcurrency: numberOf(ScalingConfig?.MaximumConcurrency),
    },
  ];
}
