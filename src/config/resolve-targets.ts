/** Services, dependencies and queues: ARNs cut to names, URLs checked, and nothing that has nothing to look at. */

import { checkHttpUrl } from './address.ts';
import { AWS_NAMES, type AwsNameForm, readAwsName } from './aws-names.ts';
import { invalid, type Path } from './problems.ts';
import { mapRecord, type Report } from './resolve-parts.ts';
import type { RawConfig } from './schema.ts';
import type { AwsConfig, DependencyConfig, QueueConfig, ServiceConfig, SignalBinding } from './types.ts';

/** What the rest of the configuration says to a target. */
export interface Surroundings {
  readonly refused: (path: Path) => boolean;
  readonly aws: AwsConfig | null;
  readonly contacts: RawConfig['contacts'];
}

type RawService = RawConfig['services'][string];

export function resolveService(name: string, service: RawService, around: Surroundings, report: Report): ServiceConfig {
  const path = ['services', name];
  const aws = awsNames(service.account, path, around.aws, report);
  const { ecs, alb, logs, health, rateLimit } = service;
  const watched = ecs ?? alb ?? health?.live ?? health?.ready ?? Object.keys(service.signals)[0];
  if (watched === undefined && !around.refused(path)) {
    report(invalid(path, 'has nothing to look at; expected at least one of ecs, alb, health and signals'));
  }
  for (const key of ['live', 'ready'] as const) {
    const wrong = health?.[key] === undefined ? null : checkHttpUrl(health[key], { plain: 'anywhere', root: false });
    if (wrong !== null) report(invalid([...path, 'health', key], wrong));
  }
  const group = typeof logs === 'string' ? logs : logs?.group;
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
    logs:
      group === undefined
        ? null
        : {
            group: aws(AWS_NAMES.logGroup, group, ['logs']),
            filter: typeof logs === 'object' ? (logs.filter ?? null) : null,
          },
    health:
      health?.live === undefined && health?.ready === undefined
        ? null
        : { live: health.live ?? null, ready: health.ready ?? null },
    dependsOn: service.dependsOn,
    signals: mapRecord(service.signals, (signal, binding) =>
      resolveBinding(binding, [...path, 'signals', signal, 'cloudwatch'], report),
    ),
    rateLimit: rateLimit ?? null,
    contact: contactOf(name, service.contact, around),
  };
}

function resolveBinding({ cloudwatch }: RawService['signals'][string], path: Path, report: Report): SignalBinding {
  const { namespace, metric, stat, scale, sparse } = cloudwatch;
  for (const dimension of Object.keys(cloudwatch.labels)) {
    if (cloudwatch.dimensions[dimension] === '*') continue;
    report(invalid([...path, 'labels', dimension], 'is not one of the dimensions with "*": only those become labels'));
  }
  const copy = (record: Readonly<Record<string, string>>) => mapRecord(record, (_, value) => value);
  const dimensions = copy(cloudwatch.dimensions);
  return { cloudwatch: { namespace, metric, stat, dimensions, labels: copy(cloudwatch.labels), scale, sparse } };
}

export function resolveDependency(
  name: string,
  dependency: RawConfig['dependencies'][string],
  around: Surroundings,
  report: Report,
): DependencyConfig {
  const path = ['dependencies', name];
  const { statusPage, hosts, flag = null, cacheFlag = null, timeoutKey = null, contact } = dependency;
  if (statusPage === undefined && hosts.length === 0 && !around.refused(path)) {
    report(invalid(path, 'has nothing to be seen by; expected hosts, statusPage, or both'));
  }
  const wrong = statusPage === undefined ? null : checkHttpUrl(statusPage, { plain: 'loopback', root: true });
  if (wrong !== null) report(invalid([...path, 'statusPage'], wrong));
  return {
    statusPage: statusPage?.replace(/\/$/, '') ?? null,
    hosts: [...new Set(hosts.map((host) => host.toLowerCase().replace(/\.$/, '')))],
    flag,
    cacheFlag,
    timeoutKey,
    contact: contactOf(name, contact, around),
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
  const deadLetter = queue.deadLetter === undefined ? null : aws(AWS_NAMES.queue, queue.deadLetter, ['deadLetter']);
  if (deadLetter === sqs) report(invalid([...path, 'deadLetter'], 'is the queue itself; expected the other queue'));
  return {
    account: queue.account ?? 'default',
    sqs,
    deadLetter,
    consumer:
      consumer === undefined ? null : { lambda: aws(AWS_NAMES.lambda, consumer.lambda, ['consumer', 'lambda']) },
    dependsOn: queue.dependsOn,
    contact: contactOf(name, queue.contact, around),
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

function contactOf(name: string, own: string | undefined, { contacts }: Surroundings): string | null {
  return own ?? (Object.hasOwn(contacts, name) ? contacts[name]! : null);
}
