/** The AWS and HTTP sources of a configuration. Part of the wiring; no SDK client is loaded before the first call. */

import type { AwsAccountConfig, Config } from './config/index.ts';
import type { Source } from './model/index.ts';
import type { Aws } from './sources/aws/calls.ts';
import { createAws } from './sources/aws/clients.ts';
import { bindingQueries, databaseQueries, queueQueries, serviceQueries } from './sources/aws/cloudwatch/presets.ts';
import type { CloudWatchSource, CloudWatchTarget } from './sources/aws/cloudwatch/source.ts';
import { createCloudWatchSource } from './sources/aws/cloudwatch/source.ts';
import { createEcsSource } from './sources/aws/ecs/source.ts';
import { createLambdaSource } from './sources/aws/lambda/source.ts';
import { createLogsSource } from './sources/aws/logs/source.ts';
import { createRdsSource } from './sources/aws/rds/source.ts';
import { createSqsSource } from './sources/aws/sqs/source.ts';
import { createHealthSource } from './sources/http/health.ts';
import { createStatusPageSource } from './sources/http/status-page.ts';
import { KIND_OF } from './targets.ts';
import type { BoundSignal, WatchOptions } from './watch-systems.ts';

export interface AwsWatch {
  readonly sources: readonly Source[];
  /** The CloudWatch sources among them, for what they cost. */
  readonly cloudwatch: readonly CloudWatchSource[];
  readonly clients: readonly Aws[];
}

export function createAwsWatch(config: Config, options: WatchOptions): AwsWatch {
  const { aws } = config;
  if (aws === null) return { sources: [], cloudwatch: [], clients: [] };
  const targets = new Map(
    Object.values(aws.accounts).map((one) => [one.name, cloudwatchTargets(config, one.name, options)]),
  );
  const queries = (name: string): number =>
    (targets.get(name) ?? []).reduce((sum, target) => sum + target.queries.length, 0);
  const all = Object.keys(aws.accounts).reduce((sum, name) => sum + queries(name), 0);
  const watches = Object.values(aws.accounts)
    .filter((account) => isUsed(config, account.name, options.bound))
    .map((account) => {
      const share = all === 0 ? aws.budgetUsdPerMonth : (aws.budgetUsdPerMonth * queries(account.name)) / all;
      return accountSources(config, account, targets.get(account.name) ?? [], share, options);
    });
  return {
    sources: watches.flatMap((one) => one.sources),
    cloudwatch: watches.flatMap((one) => one.cloudwatch),
    clients: watches.flatMap((one) => one.clients),
  };
}

/** Health endpoints and status pages: plain HTTP, no account needed. */
export function createHttpSources(config: Config, { periodMs, log }: WatchOptions): readonly Source[] {
  const services = Object.entries(config.services).flatMap(([target, { health }]) =>
    health === null ? [] : [{ target, live: health.live, ready: health.ready }],
  );
  const dependencies = Object.entries(config.dependencies).flatMap(([target, { statusPage }]) =>
    statusPage === null ? [] : [{ target, url: statusPage }],
  );
  return [
    ...(services.length === 0 ? [] : [createHealthSource({ services, periodMs: periodMs('health'), log })]),
    ...(dependencies.length === 0 ? [] : [createStatusPageSource({ dependencies, periodMs: periodMs('status'), log })]),
  ];
}

function isUsed(config: Config, account: string, bound: readonly BoundSignal[]): boolean {
  const { services, queues, searches, databases } = config;
  return (
    Object.values(services).some((one) => one.account === account && (one.ecs ?? one.alb ?? one.logs) !== null) ||
    Object.values(queues).some((one) => one.account === account) ||
    Object.values(searches).some((one) => one.account === account && one.logs !== null) ||
    Object.values(databases).some((one) => one.account === account && instancesOf('', one).length > 0) ||
    bound.some((one) => one.account === account && 'cloudwatch' in one.binding)
  );
}

type Database = Config['databases'][string];

/** RDS instances of a database and its replicas, by target. */
function instancesOf(
  name: string,
  database: Database,
): readonly { readonly target: string; readonly instance: string }[] {
  const all = [
    { target: name, instance: database.rds },
    ...Object.entries(database.replicas).map(([replica, one]) => ({ target: `${name}/${replica}`, instance: one.rds })),
  ];
  return all.flatMap(({ target, instance }) => (instance === null ? [] : [{ target, instance }]));
}

/** What is read of an account: presets, and what is bound in their place or beside them. */
export function cloudwatchTargets(
  config: Config,
  account: string,
  { bound, unitOf }: WatchOptions,
): readonly CloudWatchTarget[] {
  const of = <T extends { readonly account: string }>(record: Readonly<Record<string, T>>): readonly [string, T][] =>
    Object.entries(record).filter(([, one]) => one.account === account);
  const presets: readonly CloudWatchTarget[] = [
    ...of(config.services).map(
      ([target, { ecs, alb }]): CloudWatchTarget => ({
        target,
        kind: 'service',
        queries: serviceQueries({ ecs, alb }),
      }),
    ),
    ...of(config.databases).flatMap(([name, one]) =>
      instancesOf(name, one).map(
        ({ target, instance }): CloudWatchTarget => ({
          target,
          kind: 'database',
          queries: databaseQueries({ rds: instance }),
        }),
      ),
    ),
    ...of(config.queues).map(
      ([target, one]): CloudWatchTarget => ({
        target,
        kind: 'queue',
        queries: queueQueries({ sqs: one.sqs, deadLetter: one.deadLetter, consumer: one.consumer }),
      }),
    ),
  ];
  const known = new Set(presets.map(({ target }) => target));
  const others = bound.filter((one) => one.account === account && !known.has(one.target));
  const kinds = new Map(others.map(({ target, section }) => [target, KIND_OF[section]]));
  const all = [...presets, ...[...kinds].map(([target, kind]): CloudWatchTarget => ({ target, kind, queries: [] }))];
  return all
    .map((one): CloudWatchTarget => {
      const mine = bound.filter(({ target }) => target === one.target);
      const names = new Set(mine.map(({ signal }) => signal));
      const byHand = mine.flatMap(({ signal, binding }) =>
        'cloudwatch' in binding
          ? bindingQueries(signal, binding.cloudwatch).map((query) => ({
              ...query,
              unit: unitOf(signal) ?? query.unit,
            }))
          : [],
      );
      return { ...one, queries: [...one.queries.filter((query) => !names.has(query.signal)), ...byHand] };
    })
    .filter((target) => target.queries.length > 0);
}

function accountSources(
  config: Config,
  account: AwsAccountConfig,
  targets: readonly CloudWatchTarget[],
  budgetUsdPerMonth: number,
  { periodMs, log }: WatchOptions,
): AwsWatch {
  const { periodSeconds, settleSeconds, taskDefinitions } = config.aws!;
  const aws = createAws(account, { log });
  const name = (kind: string): string => (account.name === 'default' ? kind : `${kind}:${account.name}`);
  const mine = <T extends { readonly account: string }>(record: Readonly<Record<string, T>>): readonly [string, T][] =>
    Object.entries(record).filter(([, one]) => one.account === account.name);
  const cloudwatch =
    targets.length === 0
      ? []
      : [
          createCloudWatchSource({
            name: name('cloudwatch'),
            aws,
            targets,
            periodSeconds,
            settleSeconds,
            budgetUsdPerMonth,
            pollSeconds: periodMs('cloudwatch') / 1000,
            log,
          }),
        ];
  const services = mine(config.services).flatMap(([target, { ecs, alb }]) =>
    ecs === null && alb === null
      ? []
      : [
          {
            target,
            cluster: ecs?.cluster ?? null,
            service: ecs?.service ?? null,
            targetGroup: alb?.targetGroup ?? null,
            loadBalancer: alb?.loadBalancer ?? null,
          },
        ],
  );
  const logs = [...mine(config.services), ...mine(config.queues), ...mine(config.searches)].flatMap(([target, one]) =>
    one.logs === null ? [] : [{ target, ...one.logs }],
  );
  const databases = mine(config.databases).flatMap(([target, one]) => instancesOf(target, one));
  const queues = mine(config.queues).map(([target, one]) => ({
    target,
    queue: one.sqs,
    deadLetter: one.deadLetter,
  }));
  const functions = mine(config.queues).flatMap(([target, { consumer, sqs }]) =>
    consumer === null ? [] : [{ target, name: consumer.lambda, queue: sqs }],
  );
  const sources: readonly Source[] = [
    ...cloudwatch,
    ...(services.length === 0
      ? []
      : [createEcsSource({ name: name('ecs'), aws, services, periodMs: periodMs('ecs'), taskDefinitions, log })]),
    ...(logs.length === 0 ? [] : [createLogsSource({ name: name('logs'), aws, services: logs, log })]),
    ...(databases.length === 0
      ? []
      : [createRdsSource({ name: name('rds'), aws, databases, periodMs: periodMs('rds'), log })]),
    ...(queues.length === 0 ? [] : [createSqsSource({ name: name('sqs'), aws, queues, log })]),
    ...(functions.length === 0 ? [] : [createLambdaSource({ name: name('lambda'), aws, functions, log })]),
  ];
  return { sources, cloudwatch, clients: [aws] };
}
