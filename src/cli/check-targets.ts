/** Each target in a line or a few: every part of it that is configured, as it answers now. */

import type { Config } from '../config/index.ts';
import type { Answer, QuestionKind, QuestionTypes, Target } from '../model/index.ts';
import { boundSignals } from '../watch-systems.ts';
import { type Line, line, ok, type Said, unknownLine } from './check-lines.ts';
import { serverLine } from './check-postgres.ts';
import { queryLines, sayCache, sayFallback, sayRequestTime, saySearch, sayTracked } from './check-systems.ts';
import type { Look } from './look.ts';

const QUESTION_MS = 10_000;
/** What was seen so far answers some questions: events and stopped tasks of the last hour. */
const WINDOW_MS = 3_600_000;
/** Errors and times of requests are told from this long ago on. */
const SINCE_MS = 15 * 60_000;

export async function targetLines(target: Target, config: Config, seen: Look): Promise<readonly Line[]> {
  const { name } = target;
  const ask = async <K extends QuestionKind>(
    kind: K,
    what: string,
    say: (value: QuestionTypes[K]['value']) => Said,
  ): Promise<Line> => {
    const now = Date.now();
    const since = kind === 'errors.tracked' || kind === 'apm.request_time';
    const params = since ? { since: now - SINCE_MS } : {};
    const question = { kind, target: name, window: { from: now - WINDOW_MS, to: now }, params };
    const answer = (await seen.pipeline.ask(question as never, AbortSignal.timeout(QUESTION_MS))) as Answer;
    if (answer.state === 'unknown') return unknownLine(name, what, answer);
    const { state, detail } = say(answer.value as QuestionTypes[K]['value']);
    return line(name, state, what, detail);
  };
  const asked: (Promise<Line> | Line)[] = [];
  const service = config.services[name];
  if (service !== undefined) {
    const { ecs, alb, logs, health, sentry, datadog } = service;
    if (ecs !== null) asked.push(ask('ecs.service', `ECS ${ecs.cluster}/${ecs.service}`, sayEcs));
    if (alb !== null) asked.push(ask('alb.targets', `target group ${alb.targetGroup.split('/')[1]}`, sayTargets));
    if (health !== null) asked.push(ask('service.health', 'health', sayHealth));
    if (logs === null) asked.push(line(name, 'none', 'logs', 'not configured: error messages are not read'));
    if (sentry !== null) asked.push(ask('errors.tracked', `Sentry ${sentry}`, sayTracked));
    if (datadog !== null) {
      asked.push(ask('apm.request_time', `Datadog ${datadog.service} in ${datadog.env}`, sayRequestTime));
    }
  }
  const queue = config.queues[name];
  if (queue !== undefined) {
    asked.push(ask('sqs.queue', `SQS ${queue.sqs}`, sayQueue));
    if (queue.consumer !== null) asked.push(ask('lambda.function', `Lambda ${queue.consumer.lambda}`, sayFunction));
  }
  const dependency = config.dependencies[name];
  if (dependency !== undefined) {
    const by = dependency.hosts.length === 0 ? 'signals' : `hosts (${dependency.hosts.join(', ')})`;
    if (dependency.statusPage !== null) asked.push(ask('vendor.status', 'status page', sayVendor));
    else asked.push(line(name, 'none', 'status page', `not configured: seen only by its ${by}`));
  }
  const search = config.searches[name];
  if (search !== undefined) {
    asked.push(ask('search.engine', 'Typesense', saySearch));
    if (search.opensearch !== null) asked.push(ask('search.fallback', 'OpenSearch', sayFallback));
    else asked.push(line(name, 'none', 'OpenSearch', 'not configured: nothing is known to take over'));
  }
  if (config.caches[name] !== undefined) asked.push(ask('cache.server', 'Redis', sayCache));
  if (target.kind === 'database') {
    asked.push(serverLine(target, seen));
    const instance = rdsOf(name, config);
    if (instance !== null) asked.push(ask('rds.instance', `RDS ${instance}`, sayInstance));
    asked.push(...queryLines(name, config, seen));
  }
  const bound = boundSignals(config).filter((one) => one.target === name);
  if (bound.length > 0) {
    const names = bound.map(({ signal }) => signal).join(', ');
    asked.push(line(name, 'ok', 'signals by hand', names));
  }
  return Promise.all(asked);
}

function rdsOf(name: string, config: Config): string | null {
  const [database = '', replica] = name.split('/');
  const found = config.databases[database];
  return (replica === undefined ? found?.rds : found?.replicas[replica]?.rds) ?? null;
}

export function sayEcs(value: QuestionTypes['ecs.service']['value']): Said {
  const deploying = value.deployments.length > 1 ? `, ${value.deployments.length} deployments at once` : '';
  return ok(`${value.running} of ${value.desired} tasks running, ${value.version}, ${value.launchType}${deploying}`);
}

export function sayTargets({ healthy, targets, healthCheck }: QuestionTypes['alb.targets']['value']): Said {
  return ok(`${healthy} of ${targets.length} targets healthy${healthCheck === null ? '' : ` (${healthCheck})`}`);
}

export function sayHealth({ live, ready }: QuestionTypes['service.health']['value']): Said {
  const checks = [live, ready].filter((one) => one !== null);
  const words = checks.map(({ endpoint, status, failure, milliseconds }) =>
    failure === null ? `${endpoint} ${status} in ${Math.round(milliseconds)} ms` : `${endpoint} no answer: ${failure}`,
  );
  // An endpoint that says 503 has been seen; one that says nothing has not.
  const seen = checks.every(({ failure }) => failure === null);
  return { state: seen ? 'ok' : 'failed', detail: words.join(', ') };
}

export function sayQueue(value: QuestionTypes['sqs.queue']['value']): Said {
  const { visible, inFlight, deadLetterQueue, deadLetters } = value;
  const dead = deadLetters === null ? '' : `, ${deadLetters} in ${deadLetterQueue ?? 'the dead-letter queue'}`;
  return ok(`${visible} waiting, ${inFlight} in flight${dead}`);
}

export function sayFunction(value: QuestionTypes['lambda.function']['value']): Said {
  const { reservedConcurrency, accountConcurrency, accountUnreserved, eventSources } = value;
  const own = reservedConcurrency === null ? 'no concurrency reserved' : `${reservedConcurrency} concurrent at most`;
  const limits = `${own}; the account has ${accountConcurrency}, ${accountUnreserved} of them not reserved`;
  if (eventSources === null) return ok(limits);
  const sources = eventSources.map(({ state, batchSize, maximumConcurrency }) =>
    [
      `event source ${state}`,
      ...(batchSize === null ? [] : [`${batchSize} messages a run`]),
      ...(maximumConcurrency === null ? [] : [`${maximumConcurrency} runs at once`]),
    ].join(', '),
  );
  return ok([limits, ...(sources.length === 0 ? ['no event source hands it the queue'] : sources)].join('; '));
}

export function sayVendor({ page, indicator, description }: QuestionTypes['vendor.status']['value']): Said {
  return ok(`${page} says: ${description} (${indicator})`);
}

export function sayInstance(value: QuestionTypes['rds.instance']['value']): Said {
  const { status, engine, version, instanceClass, multiAz } = value;
  return ok(`${status}, ${engine} ${version} on ${instanceClass}${multiAz ? ', multi-AZ' : ''}`);
}
