/** Services, dependencies and queues: ARNs cut to names, URLs checked, and nothing that has nothing to look at. */

import { checkHttpUrl } from './address.ts';
import { AWS_NAMES, type AwsNameForm, readAwsName } from './aws-names.ts';
import { invalid, type Path } from './problems.ts';
import { contactOf, type Report, type ResolveContext } from './resolve-parts.ts';
import { resolveSignals } from './resolve-signals.ts';
import type { RawConfig } from './schema.ts';
import type { AwsConfig, DependencyConfig, LogsConfig, QueueConfig, ServiceConfig } from './types.ts';

/** What the rest of the configuration says to a target. */
export interface Surroundings {
  readonly context: ResolveContext;
  readonly aws: AwsConfig | null;
  readonly contacts: RawConfig['contacts'];
}

type RawService = RawConfig['services'][string];

export function resolveService(name: string, service: RawService, around: Surroundings, report: Report): ServiceConfig {
  const path = ['services', name];
  const aws = awsNames(service.account, path, around.aws, report);
  const { ecs, alb, logs, health, rateLimit, datadog } = service;
  const watched = ecs ?? alb ?? health?.live ?? health?.ready ?? Object.keys(service.signals)[0];
  if (watched === undefined && !around.context.refused(path)) {
    report(invalid(path, 'has nothing to look at; expected at least one of ecs, alb, health and signals'));
  }
  for (const key of ['live', 'ready'] as const) {
    const wrong = health?.[key] === undefined ? null : checkHttpUrl(health[key], { plain: 'anywhere', root: false });
    if (wrong !== null) report(invalid([...path, 'health', key], wrong));
  }
  return {
    account: service.account ?? 'default',
    ecs:
      ecs === undefined
        ? null
        : {
            cluster: aws(AWS_NAMES.cluster, ecs.cluster, ['ecs', 'cluster']),
            service: aws(AWS_NAMES.ecsService, ecs.service, ['ecs', 'service']),
          },
    alb:
      alb === undefined
        ? null
        : {
            loadBalancer: aws(AWS_NAMES.loadBalancer, alb.loadBalancer, ['alb', 'loadBalancer']),
            targetGroup: aws(AWS_NAMES.targetGroup, alb.targetGroup, ['alb', 'targetGroup']),
          },
    logs: resolveLogs(logs, service.account, path, around, report),
    health:
      health?.live === undefined && health?.ready === undefined
        ? null
        : { live: health.live ?? null, ready: health.ready ?? null },
    dependsOn: service.dependsOn,
    signals: resolveSignals(service.signals, [...path, 'signals'], around.context, report),
    rateLimit: rateLimit ?? null,
    sentry: service.sentry ?? null,
    datadog: datadog === undefined ? null : { ...datadog, operation: datadog.operation ?? null },
    contact: contactOf(name, service.contact, around.contacts),
  };
}

export function resolveLogs(
  logs: RawService['logs'],
  account: string | undefined,
  path: Path,
  around: Surroundings,
  report: Report,
): LogsConfig | null {
  if (logs === undefined) return null;
  const { group, filter = null } = typeof logs === 'string' ? { group: logs } : logs;
  const aws = awsNames(account, path, around.aws, report);
  return { group: aws(AWS_NAMES.logGroup, group, ['logs']), filter };
}

export function resolveDependency(
  name: string,
  dependency: RawConfig['dependencies'][string],
  around: Surroundings,
  report: Report,
): DependencyConfig {
  const path = ['dependencies', name];
  const { statusPage, hosts, signals, flag = null, cacheFlag = null, timeoutKey = null, contact } = dependency;
  const isSeen = statusPage !== undefined || hosts.length > 0 || Object.keys(signals).length > 0;
  if (!isSeen && !around.context.refused(path)) {
    report(invalid(path, 'has nothing to be seen by; expected at least one of hosts, statusPage and signals'));
  }
  const wrong = statusPage === undefined ? null : checkHttpUrl(statusPage, { plain: 'loopback', root: true });
  if (wrong !== null) report(invalid([...path, 'statusPage'], wrong));
  return {
    statusPage: statusPage?.replace(/\/$/, '') ?? null,
    hosts: [...new Set(hosts.map((host) => host.toLowerCase().replace(/\.$/, '')))],
    flag,
    cacheFlag,
    timeoutKey,
    signals: resolveSignals(signals, [...path, 'signals'], around.context, report),
    contact: contactOf(name, contact, around.contacts),
  };
}

export function resolveQueue(
  name: string,
  queue: RawConfig['queues'][string],
  around: Surroundings,
  report: Report,
): QueueConfig {
  const path = ['queues', name];
  const aws = awsNames(queue.account, path, around.aws, report);
  const { consumer } = queue;
  const sqs = aws(AWS_NAMES.queue, queue.sqs, ['sqs']);
  const lambda = consumer === undefined ? null : aws(AWS_NAMES.lambda, consumer.lambda, ['consumer', 'lambda']);
  const deadLetter = queue.deadLetter === undefined ? null : aws(AWS_NAMES.queue, queue.deadLetter, ['deadLetter']);
  if (deadLetter === sqs) report(invalid([...path, 'deadLetter'], 'is the queue itself; expected the other queue'));
  return {
    account: queue.account ?? 'default',
    sqs,
    deadLetter,
    consumer: lambda === null ? null : { lambda },
    logs:
      resolveLogs(queue.logs, queue.account, path, around, report) ??
      (lambda === null ? null : { group: `/aws/lambda/${lambda}`, filter: null }),
    dependsOn: queue.dependsOn,
    signals: resolveSignals(queue.signals, [...path, 'signals'], around.context, report),
    contact: contactOf(name, queue.contact, around.contacts),
  };
}

/** The name that an ARN ends with. An ARN of another region than the account's would be looked for in vain. */
function awsNames(account: string | undefined, path: Path, aws: AwsConfig | null, report: Report) {
  const expected = aws?.accounts[account ?? 'default']?.region || null;
  return (form: AwsNameForm, text: string, key: Path): string => {
    const { name, region } = readAwsName(form, text);
    if (region !== null && expected !== null && region !== expected) {
      const where = `the account ${account ?? 'default'} is ${expected}`;
      report(invalid([...path, ...key], `is in ${region}, but ${where}; expected the same, or another account`));
    }
    return name;
  };
}
