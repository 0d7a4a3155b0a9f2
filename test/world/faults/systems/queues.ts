/** Faults whose first symptom is messages that wait: of the queue, of its consumer, and of what the consumer needs. */

import type { SystemsWorld } from '../../systems.ts';
import { befall, type SystemFault } from './fault.ts';

const QUEUE = 'rastup-messages';
const late = (cause: string) => ({ detector: 'message-delivery-delays', target: 'messages', cause });
const WATCH = ['messages', 'twilio', 'main-db'] as const;

/** What is given up while runs fail is a finding beside it. */
const GIVEN_UP = { detector: 'message-delivery-delays', subject: 'dead-letter' } as const;

const FUNCTION = '--region us-east-1 --function-name rastup-message-processor';
const EVENT_SOURCE = 'aws lambda update-event-source-mapping --region us-east-1 --uuid {eventSource}';

const facts = (world: SystemsWorld) => ({
  queueUrl: `${world.aws.endpoint}/123456789012/${QUEUE}`,
  eventSource: world.fleet.queues.get(QUEUE)!.facts.eventSourceId,
});

const TWILIO_HANGS = ['Error: request to https://api.twilio.com/2010-04-01/Messages.json timed out after {ms} ms'];

export const queueFaults: readonly SystemFault[] = [
  {
    name: 'queue-reserved-limit',
    title: 'somebody reserved two runs at once for the consumer, which needs five',
    expect: {
      ...late('consumer-throttled'),
      commands: [
        `aws lambda get-function-concurrency ${FUNCTION}`,
        `aws lambda put-function-concurrency ${FUNCTION} --reserved-concurrent-executions 4`,
        `--reserved-concurrent-executions 2"`,
        'Name=QueueName,Value=rastup-messages',
      ],
      says: [/2 runs at once, 2 reserved for it/, /not draining/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { reserved: 2 });
        return facts(world);
      }),
  },
  {
    name: 'queue-account-limit',
    title: "a batch job of others takes the account's concurrency, of which nothing is reserved for the consumer",
    expect: {
      ...late('consumer-throttled'),
      variant: 'account',
      commands: [
        `aws lambda put-function-concurrency ${FUNCTION} --reserved-concurrent-executions 4`,
        `aws lambda delete-function-concurrency ${FUNCTION}`,
        'aws lambda get-account-settings --region us-east-1 --query AccountLimit',
      ],
      says: [/other functions take the rest/],
    },
    lookAlikeOf: 'queue-reserved-limit',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { accountTaken: 998 });
        return facts(world);
      }),
  },
  {
    name: 'queue-hangs-at-limit',
    title: 'each run hangs on a server of a partner and takes up what is reserved, so that others are refused',
    expect: {
      ...late('consumer-hanging'),
      commands: [`aws lambda get-function-configuration ${FUNCTION}`],
      says: [/Task timed out after/],
    },
    also: [GIVEN_UP],
    lookAlikeOf: 'queue-reserved-limit',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { hang: true, reserved: 6 });
        return facts(world);
      }),
  },
  {
    name: 'queue-event-source-disabled',
    title: 'somebody disabled the event source of the consumer',
    expect: {
      ...late('consumer-stopped'),
      variant: 'disabled',
      commands: [
        `${EVENT_SOURCE} --enabled`,
        `${EVENT_SOURCE} --no-enabled`,
        'aws sqs get-queue-attributes --region us-east-1 --queue-url {queueUrl} ',
      ],
      says: [/its event source is disabled since \d\d:\d\d:\d\d/, /none is worked off/],
    },
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { eventSource: { disabled: true } });
        return facts(world);
      }),
  },
  {
    name: 'queue-switched-off',
    title: 'somebody set the reserved concurrency of the consumer to 0',
    expect: {
      ...late('consumer-stopped'),
      variant: 'switched-off',
      commands: [`aws lambda put-function-concurrency ${FUNCTION} --reserved-concurrent-executions`],
      says: [/its reserved concurrency is 0/],
    },
    lookAlikeOf: 'queue-event-source-disabled',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { reserved: 0 });
        return facts(world);
      }),
  },
  {
    name: 'queue-event-source-limit',
    title: 'the event source was given two runs at once instead of eight',
    expect: {
      ...late('consumer-under-capacity'),
      variant: 'event-source',
      commands: [
        `${EVENT_SOURCE} --scaling-config MaximumConcurrency=4`,
        `${EVENT_SOURCE} --scaling-config MaximumConcurrency=2`,
      ],
      says: [/its event source may start 2 runs at once of up to 10 messages, 2 are there, [56] before, changed at /],
    },
    lookAlikeOf: 'queue-reserved-limit',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { eventSource: { maximumConcurrency: 2 } });
        return facts(world);
      }),
  },
  {
    name: 'queue-slow-consumer',
    title: 'each run takes almost four times as long as before, without an error',
    expect: {
      ...late('consumer-under-capacity'),
      commands: [`${EVENT_SOURCE} --scaling-config MaximumConcurrency=1`],
      says: [/runs? of the consumer fail/, /not draining/],
    },
    lookAlikeOf: 'queue-event-source-limit',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { durationFactor: 3.8 });
        return facts(world);
      }),
  },
  {
    name: 'queue-hangs',
    title: 'each run of the consumer hangs until its time limit, and nobody else is known to be in trouble',
    expect: {
      ...late('consumer-hanging'),
      commands: [
        'aws logs tail /aws/lambda/rastup-message-processor --region us-east-1 --since 15m --filter-pattern',
        `aws lambda get-function-configuration ${FUNCTION}`,
      ],
      says: [/Task timed out after/, /100 % of \d+ runs of the consumer fail/],
    },
    also: [GIVEN_UP],
    lookAlikeOf: 'queue-slow-consumer',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { hang: true });
        return facts(world);
      }),
  },
  {
    name: 'queue-hangs-on-vendor',
    title: 'Twilio takes requests and does not answer: the client gives up after ten seconds, and the run fails',
    expect: {
      ...late('external-service'),
      variant: 'down',
      on: 'twilio',
      commands: ['twilio_enabled'],
      says: [/api\.twilio\.com/],
    },
    also: [GIVEN_UP, { detector: 'dependency-trouble', target: 'twilio' }],
    lookAlikeOf: 'queue-hangs',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue, undo }) => {
        queue(QUEUE, { durationFactor: 5, errorShare: 0.97, messages: TWILIO_HANGS });
        world.vendors.twilio.say('major', 'Elevated errors and latency of the Programmable Messaging API');
        undo(() => world.vendors.twilio.say('none'));
        return facts(world);
      }),
  },
  {
    name: 'queue-failing',
    title: 'the version that was brought out fails with every message',
    expect: {
      ...late('consumer-failing'),
      commands: [
        'aws logs tail /aws/lambda/rastup-message-processor --region us-east-1 --since 15m',
        `aws lambda get-function-configuration ${FUNCTION}`,
      ],
      says: [/9\d % of [\d,]+ runs of the consumer fail/, /templateId|reading <\*>/],
    },
    also: [GIVEN_UP],
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, {
          errorShare: 0.97,
          messages: [
            "TypeError: Cannot read properties of undefined (reading 'templateId') at render (/var/task/render.js:{n})",
          ],
        });
        return facts(world);
      }),
  },
  {
    name: 'queue-database-gone',
    title: 'the database that the consumer writes to is down: every run fails',
    expect: {
      ...late('database-unreachable'),
      variant: 'stopped',
      on: 'main-db',
      commands: ['aws rds start-db-instance --region us-east-1 --db-instance-identifier rastup-prod'],
      says: [/connection refused/],
    },
    breaks: /main-db: cannot connect: connect ECONNREFUSED/,
    also: [GIVEN_UP, { detector: 'database-unreachable', target: 'main-db' }],
    lookAlikeOf: 'queue-failing',
    watch: WATCH,
    inject: async (world) => {
      const { primary } = world.postgres!;
      await primary.stop();
      const active = befall(world, ({ queue, undo }) => {
        world.fleet.database('rastup-prod', { status: 'stopped' });
        undo(() => world.fleet.database('rastup-prod', { status: 'available' }));
        const message = `PrismaClientInitializationError: Can't reach database server at ${primary.host}:${primary.port}`;
        queue(QUEUE, { errorShare: 0.97, messages: [message] });
        return facts(world);
      });
      return {
        facts: active.facts,
        cure: async () => {
          await primary.start();
          await active.cure();
        },
      };
    },
  },
  {
    name: 'queue-poison',
    title: 'messages of one sender cannot be read: each is tried five times, while all others flow',
    expect: {
      ...late('poison-messages'),
      commands: [
        'aws sqs receive-message --region us-east-1 --queue-url {queueUrl}-dlq --max-number-of-messages 5 --visibility-timeout 0',
      ],
      says: [/the others pass it/],
    },
    also: [GIVEN_UP],
    lookAlikeOf: 'queue-failing',
    watch: WATCH,
    gone: 50,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, {
          poisonShare: 0.03,
          messages: ['SyntaxError: Unexpected token < in JSON at position {n}'],
        });
        return facts(world);
      }),
  },
  {
    name: 'queue-dead-letters',
    title: 'one document in twenty cannot be indexed: tried three times, it ends as a dead letter',
    expect: {
      detector: 'message-delivery-delays',
      target: 'indexer',
      cause: 'poison-messages',
      commands: [
        'aws sqs receive-message --region us-east-1 --queue-url {indexUrl}-dlq --max-number-of-messages 5',
        'aws sqs get-queue-attributes --region us-east-1 --queue-url {indexUrl}-dlq --attribute-names ApproximateNumberOfMessages',
      ],
      says: [/\d+ dead letters, 0 before it began/],
    },
    also: [GIVEN_UP],
    lookAlikeOf: 'queue-failing',
    watch: ['indexer'],
    gone: 40,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue('rastup-search-index', {
          poisonShare: 0.05,
          messages: ['RequestMalformed: Field `rating` must be an int64.'],
        });
        return { indexUrl: `${world.aws.endpoint}/123456789012/rastup-search-index` };
      }),
  },
  {
    name: 'queue-surge',
    title: 'a campaign sends four times the messages for eight minutes; the consumer works them off by itself',
    expect: {
      ...late('traffic-surge'),
      commands: ['npm run metrics:messages -- --window=15m --metric=processing_rate'],
      says: [/at most 4(\.\d)?× the usual/, /the consumer works as ever/],
    },
    lookAlikeOf: 'queue-slow-consumer',
    watch: WATCH,
    inject: (world) =>
      befall(world, ({ queue }) => {
        queue(QUEUE, { sentFactor: 4 });
        return facts(world);
      }),
  },
];
