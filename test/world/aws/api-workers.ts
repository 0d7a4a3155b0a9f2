/** SQS and Lambda: the queue's attributes, the consumer's concurrency and its event source. */

import { ACCOUNT, type Fleet } from './fleet.ts';
import { ApiError, type Call } from './protocol.ts';
import type { QueueModel } from './queue-model.ts';

const ACCOUNT_CONCURRENCY = 1_000;

export function sqsApi(
  fleet: Fleet,
  endpoint: () => string,
): Readonly<Record<string, (call: Call, now: number) => unknown>> {
  const missing = (): ApiError =>
    new ApiError(
      'AWS.SimpleQueueService.NonExistentQueue',
      'The specified queue does not exist.',
      400,
      'QueueDoesNotExist',
    );
  const lookUp = (name: string): { readonly model: QueueModel; readonly dead: boolean } => {
    const model = fleet.queues.get(name);
    if (model !== undefined) return { model, dead: false };
    const owner = [...fleet.queues.values()].find(({ facts }) => facts.deadLetter === name);
    if (owner === undefined) throw missing();
    return { model: owner, dead: true };
  };
  return {
    GetQueueUrl: ({ input }) => {
      const name = String(input['QueueName'] ?? '');
      lookUp(name);
      // Some SDKs send further calls to this very address, so it must be ours.
      return { QueueUrl: `${endpoint()}/${ACCOUNT}/${name}` };
    },
    GetQueueAttributes: ({ input, region }, now) => {
      const url = String(input['QueueUrl'] ?? '');
      const name = url.slice(url.lastIndexOf('/') + 1);
      const { model, dead } = lookUp(name);
      const { facts } = model;
      const slot = model.slot(Math.floor(now / 1_000) * 1_000, 1_000);
      const all: Record<string, string> = {
        ApproximateNumberOfMessages: String(dead ? slot.dead : slot.visible),
        ApproximateNumberOfMessagesNotVisible: String(dead ? 0 : slot.inFlight),
        ApproximateNumberOfMessagesDelayed: '0',
        CreatedTimestamp: String(Math.floor(fleet.startedAt / 1_000)),
        LastModifiedTimestamp: String(Math.floor(fleet.startedAt / 1_000)),
        DelaySeconds: '0',
        MaximumMessageSize: '262144',
        MessageRetentionPeriod: '345600',
        QueueArn: `arn:aws:sqs:${region}:${ACCOUNT}:${name}`,
        ReceiveMessageWaitTimeSeconds: '0',
        VisibilityTimeout: String(facts.visibilityTimeoutSeconds),
        SqsManagedSseEnabled: 'true',
      };
      if (!dead && facts.deadLetter !== null) {
        all['RedrivePolicy'] = JSON.stringify({
          deadLetterTargetArn: `arn:aws:sqs:${region}:${ACCOUNT}:${facts.deadLetter}`,
          maxReceiveCount: facts.maxReceives,
        });
      }
      const wanted = (input['AttributeNames'] ?? []) as readonly string[];
      const known = new Set([
        ...Object.keys(all),
        'All',
        'Policy',
        'RedrivePolicy',
        'RedriveAllowPolicy',
        'KmsMasterKeyId',
        'FifoQueue',
      ]);
      for (const attribute of wanted) {
        if (!known.has(attribute)) throw new ApiError('InvalidAttributeName', `Unknown Attribute ${attribute}.`);
      }
      const given = Object.entries(all).filter(([key]) => wanted.includes('All') || wanted.includes(key));
      return given.length === 0 ? {} : { Attributes: Object.fromEntries(given) };
    },
  };
}

export function lambdaApi(fleet: Fleet): Readonly<Record<string, (call: Call, now: number) => unknown>> {
  const nameOf = (given: string): string =>
    given.startsWith('arn:') ? given.slice(given.lastIndexOf(':') + 1) : given;
  return {
    ListEventSourceMappings: ({ input, region }, now) => {
      const wanted = input['FunctionName'] === undefined ? null : nameOf(String(input['FunctionName']));
      const source = input['EventSourceArn'];
      const most = Math.min(100, Number(input['MaxItems'] ?? 100));
      const from = Number(input['Marker'] ?? 0);
      if (!(most >= 1) || !(from >= 0))
        throw new ApiError('InvalidParameterValueException', 'MaxItems or Marker is invalid');
      const all = [...fleet.queues.values()].flatMap(({ facts, consumer }) => {
        const arn = `arn:aws:sqs:${region}:${ACCOUNT}:${facts.queue}`;
        if (facts.lambda === null || (wanted !== null && facts.lambda !== wanted)) return [];
        if (source !== undefined && source !== arn) return [];
        const { state, maximumConcurrency, changedAt } = consumer(now).eventSource;
        return [
          {
            UUID: facts.eventSourceId,
            BatchSize: facts.batchSize,
            MaximumBatchingWindowInSeconds: 0,
            EventSourceArn: arn,
            FunctionArn: `arn:aws:lambda:${region}:${ACCOUNT}:function:${facts.lambda}`,
            // REST JSON gives times as seconds.
            LastModified: changedAt / 1_000,
            State: state,
            StateTransitionReason: 'USER_INITIATED',
            FunctionResponseTypes: ['ReportBatchItemFailures'],
            ...(maximumConcurrency === null ? {} : { ScalingConfig: { MaximumConcurrency: maximumConcurrency } }),
            EventSourceMappingArn: `arn:aws:lambda:${region}:${ACCOUNT}:event-source-mapping:${facts.eventSourceId}`,
          },
        ];
      });
      return {
        EventSourceMappings: all.slice(from, from + most),
        ...(all.length > from + most ? { NextMarker: String(from + most) } : {}),
      };
    },
    GetFunctionConcurrency: ({ input, region }, now) => {
      const given = String(input['FunctionName']);
      const name = nameOf(given);
      const model = [...fleet.queues.values()].find(({ facts }) => facts.lambda === name);
      if (model === undefined) {
        const arn = `arn:aws:lambda:${region}:${ACCOUNT}:function:${name}`;
        throw new ApiError('ResourceNotFoundException', `Function not found: ${arn}`, 404);
      }
      const { reservedConcurrency } = model.consumer(now);
      return reservedConcurrency === null ? {} : { ReservedConcurrentExecutions: reservedConcurrency };
    },
    GetAccountSettings: (_call, now) => {
      const reserved = [...fleet.queues.values()].reduce(
        (sum, { consumer }) => sum + (consumer(now).reservedConcurrency ?? 0),
        0,
      );
      return {
        AccountLimit: {
          TotalCodeSize: 80_530_636_800,
          CodeSizeUnzipped: 262_144_000,
          CodeSizeZipped: 52_428_800,
          ConcurrentExecutions: ACCOUNT_CONCURRENCY,
          UnreservedConcurrentExecutions: ACCOUNT_CONCURRENCY - reserved,
        },
        AccountUsage: { TotalCodeSize: 9_000_000, FunctionCount: fleet.queues.size },
      };
    },
  };
}
