/**
 * What to do about messages that wait. Corrected against the runbook: the age of the oldest message is no attribute of a
 * queue, and reserved concurrency is set by `put-function-concurrency`. Nothing here purges a queue.
 */

import type { Mitigation } from '../detector.ts';
import { ask, effect, rightNow } from '../detector.ts';
import { count } from '../format.ts';
import { deploymentMitigations } from './deployment-mitigations.ts';

const look = (title: string, command: string, alternative?: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
  ...(alternative === undefined ? {} : { alternative }),
});

const FUNCTION = '--region {region} --function-name {functionName}';
const CONCURRENCY = `aws lambda get-function-concurrency ${FUNCTION}`;
const COUNTS =
  'aws sqs get-queue-attributes --region {region} --queue-url {queueUrl} --attribute-names ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible ApproximateNumberOfMessagesDelayed';

const EVENT_SOURCES = `aws lambda list-event-source-mappings ${FUNCTION} --query "EventSourceMappings[].[UUID,State,StateTransitionReason,BatchSize,ScalingConfig]"`;
const EVENT_SOURCE = 'aws lambda get-event-source-mapping --region {region} --uuid {eventSourceId}';

const enabled = effect({
  expect: 'the event source is enabled within 2 min, and less waits with every minute after it',
  withinMs: 120_000,
  ask: (_slots, facts) => ask('lambda.function', facts, {}, rightNow(facts)),
  judge({ eventSources }, slots) {
    const own = eventSources?.find(({ id }) => id === slots['eventSourceId']);
    if (own === undefined) return { state: 'not_yet', observed: 'the event source is not known' };
    const state = own.state === 'enabled' ? 'worked' : own.state === 'enabling' ? 'not_yet' : 'not_applied';
    return { state, observed: `the event source is ${own.state}` };
  },
});

const starts = effect({
  expect:
    'the event source may start {eventSourceConcurrency} runs at once within 2 min, and less waits with every minute after it',
  withinMs: 120_000,
  ask: (_slots, facts) => ask('lambda.function', facts, {}, rightNow(facts)),
  judge({ eventSources }, slots) {
    const own = eventSources?.find(({ id }) => id === slots['eventSourceId']);
    if (own === undefined) return { state: 'not_yet', observed: 'the event source is not known' };
    const most = own.maximumConcurrency;
    const isRaised = most === null || most >= Number(slots['eventSourceConcurrency']);
    const observed = most === null ? 'it has no limit of its own' : `it may start ${count(most)} runs at once`;
    return { state: isRaised ? 'worked' : 'not_applied', observed };
  },
});

const reserved = effect({
  expect: '{concurrency} runs at once are reserved within 1 min, and less waits with every minute after it',
  withinMs: 60_000,
  ask: (_slots, facts) => ask('lambda.function', facts, {}, rightNow(facts)),
  judge({ reservedConcurrency }, slots) {
    const observed =
      reservedConcurrency === null ? 'none is reserved' : `${count(reservedConcurrency)} runs at once are reserved`;
    const isRaised = reservedConcurrency !== null && reservedConcurrency >= Number(slots['concurrency']);
    return { state: isRaised ? 'worked' : 'not_applied', observed };
  },
});

export const queueMitigations: Readonly<Record<string, Mitigation>> = {
  'queue-now': look('Look at how many messages wait and are in flight', COUNTS),
  'queue-age': look(
    'Look at the age of the oldest message, minute by minute',
    'aws cloudwatch get-metric-statistics --region {region} --namespace AWS/SQS --metric-name ApproximateAgeOfOldestMessage --dimensions Name=QueueName,Value={queueName} --start-time {fromTime} --end-time {toTime} --period 60 --statistics Maximum',
  ),
  'processing-rate': look(
    'Look at how many messages are worked off',
    'npm run metrics:messages -- --window=15m --metric=processing_rate',
  ),
  'event-source': look(
    'Look at the event source of the consumer: its state, batch size and most runs at once',
    EVENT_SOURCES,
  ),
  'consumer-logs': look(
    'Look at the last messages of the consumer',
    'aws logs tail /aws/lambda/{functionName} --region {region} --since 15m',
  ),
  'consumer-timeouts': look(
    'Look for runs of the consumer that ended at their time limit',
    'aws logs tail /aws/lambda/{functionName} --region {region} --since 15m --filter-pattern "timed out"',
  ),
  'consumer-version': look(
    'Look at the consumer: when it was changed last, its state, its time limit',
    `aws lambda get-function-configuration ${FUNCTION} --query "[LastModified,Version,State,StateReason,Timeout,MemorySize]"`,
  ),
  'deploy-history': deploymentMitigations['deploy-history']!,
  'concurrency-now': look('Look at what is reserved for the consumer', CONCURRENCY),
  'account-limits': look(
    'Look at what the account has, and what of it is not reserved',
    'aws lambda get-account-settings --region {region} --query AccountLimit',
  ),
  'raise-concurrency': {
    title: 'Reserve {concurrency} runs at once for the consumer instead of {presentConcurrency}',
    risk: 'reversible',
    riskText:
      'reversible: what is reserved is taken from all other functions of the account, and every run opens connections to what it needs: see that its database has slots for them',
    precheck: CONCURRENCY,
    command: `aws lambda put-function-concurrency ${FUNCTION} --reserved-concurrent-executions {concurrency}`,
    verify: CONCURRENCY,
    undo: `aws lambda put-function-concurrency ${FUNCTION} --reserved-concurrent-executions {presentConcurrency}`,
    effect: reserved,
  },
  'reserve-concurrency': {
    title: 'Reserve {concurrency} runs at once for the consumer, which has none of its own',
    risk: 'reversible',
    riskText:
      'reversible: what is reserved is taken from all other functions of the account, and every run opens connections to what it needs: see that its database has slots for them',
    precheck: CONCURRENCY,
    command: `aws lambda put-function-concurrency ${FUNCTION} --reserved-concurrent-executions {concurrency}`,
    verify: CONCURRENCY,
    undo: `aws lambda delete-function-concurrency ${FUNCTION}`,
    effect: reserved,
  },
  'enable-event-source': {
    title: 'Enable the event source again',
    risk: 'reversible',
    riskText:
      'reversible: somebody may have disabled it on purpose: ask first; all that waits is worked off at once, and connections are opened for it',
    precheck: EVENT_SOURCE,
    command: 'aws lambda update-event-source-mapping --region {region} --uuid {eventSourceId} --enabled',
    verify: EVENT_SOURCE,
    undo: 'aws lambda update-event-source-mapping --region {region} --uuid {eventSourceId} --no-enabled',
    effect: enabled,
  },
  'raise-event-source': {
    title:
      'Let the event source start {eventSourceConcurrency} runs at once instead of {presentEventSourceConcurrency}',
    risk: 'reversible',
    riskText:
      'reversible: every run opens connections to what it needs: see that its database has slots for them; what is reserved for the function must be as much at least, or runs are refused',
    precheck: EVENT_SOURCE,
    command:
      'aws lambda update-event-source-mapping --region {region} --uuid {eventSourceId} --scaling-config MaximumConcurrency={eventSourceConcurrency}',
    verify: EVENT_SOURCE,
    undo: 'aws lambda update-event-source-mapping --region {region} --uuid {eventSourceId} --scaling-config MaximumConcurrency={presentEventSourceConcurrency}',
    effect: starts,
  },
  'restore-concurrency': {
    title: 'Let the consumer run again: {concurrency} at once, as many as before',
    risk: 'reversible',
    riskText:
      'reversible: somebody may have switched it off on purpose: ask first; all that waits is worked off at once, and connections are opened for it',
    precheck: CONCURRENCY,
    command: `aws lambda put-function-concurrency ${FUNCTION} --reserved-concurrent-executions {concurrency}`,
    alternative: `aws lambda delete-function-concurrency ${FUNCTION}`,
    verify: CONCURRENCY,
    undo: `aws lambda put-function-concurrency ${FUNCTION} --reserved-concurrent-executions 0`,
    effect: reserved,
  },
  'dead-letters': look(
    'Look at how many dead letters there are',
    'aws sqs get-queue-attributes --region {region} --queue-url {deadLetterUrl} --attribute-names ApproximateNumberOfMessages MessageRetentionPeriod',
  ),
  'peek-dead-letters': {
    title: 'Look at some of the dead letters',
    risk: 'reversible',
    riskText:
      'reversible: they stay where they are and can be seen again at once, but each look counts as a receive; bodies may hold personal data; do not purge the queue: send them back once the consumer can take them',
    command:
      'aws sqs receive-message --region {region} --queue-url {deadLetterUrl} --max-number-of-messages 5 --visibility-timeout 0 --attribute-names All --message-attribute-names All',
  },
};
