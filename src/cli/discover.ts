/** `runbookd check --discover CLUSTER`: the services of an ECS cluster, as configuration that is ready to be pasted. */

import { pino } from 'pino';
import {
  AWS_NAMES,
  type AwsAccountConfig,
  type Config,
  loadConfig,
  REGION_PATTERN,
  readAwsName,
  TARGET_KINDS,
} from '../config/index.ts';
import { RunbookdError } from '../model/index.ts';
import type { Aws, AwsAccount } from '../sources/aws/calls.ts';
import { failureOf } from '../sources/aws/failure.ts';
import { discoverServices, type Found } from './discover-services.ts';
import { type NamedService, nameServices, type Place, servicesConfig, servicesYaml } from './discover-yaml.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';

export interface DiscoverOptions {
  readonly cluster: string;
  readonly config?: string;
  readonly region?: string;
  readonly account?: string;
  readonly json?: boolean;
}

const DISCOVER_MS = 60_000;

type CreateAws = (account: AwsAccount) => Promise<Aws>;

/** The SDK is loaded only when it is used. */
const createReal: CreateAws = async (account) => {
  const { createAws } = await import('../sources/aws/clients.ts');
  return createAws(account, { log: pino({ level: 'silent' }) });
};

export async function discover(
  options: DiscoverOptions,
  io: Io,
  output: Output,
  createAws: CreateAws = createReal,
): Promise<number> {
  const path = options.config ?? io.env.RUNBOOKD_CONFIG;
  const config = path === undefined ? null : loadConfig({ path, env: io.env, mayBeEmpty: true });
  const cluster = clusterOf(options.cluster);
  const { account, place } = placeOf(options, config, cluster, io.env);
  const aws = await createAws(account);
  try {
    const taskDefinitions = config?.aws?.taskDefinitions ?? false;
    const found = await discoverServices(aws, cluster, { taskDefinitions }, AbortSignal.timeout(DISCOVER_MS));
    const watched = watchedAlready(config, place, found);
    const named = nameServices(
      found.services.filter(({ service }) => !watched.has(service)),
      targetsOf(config),
    );
    if (options.json === true) output.json(json(found, named, watched, place));
    else print(found, named, watched, place, output);
    for (const { what, detail, grant } of found.refused) {
      output.error(`runbookd: ${what} were left out: ${detail}${grant === null ? '' : `; to see them: ${grant}`}`);
    }
    return found.refused.length === 0 ? EXIT.ok : EXIT.blind;
  } catch (error) {
    if (!(error instanceof RunbookdError) || error.code === 'AWS_NOT_FOUND') throw error;
    const { detail, grant } = failureOf(error);
    output.error(`runbookd: ${detail}${grant === null ? '' : `; to see it: ${grant}`}`);
    return EXIT.blind;
  } finally {
    aws.close();
  }
}

function wrong(option: string, message: string): RunbookdError {
  return new RunbookdError('CONFIG_INVALID', [`${option}: ${message}`]);
}

function clusterOf(written: string): string {
  if (AWS_NAMES.cluster.pattern.test(written)) return readAwsName(AWS_NAMES.cluster, written).name;
  throw wrong('--discover', `found ${JSON.stringify(written)}, expected ${AWS_NAMES.cluster.expected}`);
}

interface Where {
  readonly account: AwsAccount;
  readonly place: Place;
}

/** `--region` and `--account` over the configuration over the environment; and what has to be added for the result. */
function placeOf(options: DiscoverOptions, config: Config | null, cluster: string, env: Io['env']): Where {
  const accounts = config?.aws?.accounts ?? {};
  const name = options.account ?? 'default';
  const known: AwsAccountConfig | undefined = Object.hasOwn(accounts, name) ? accounts[name] : undefined;
  if (known === undefined && name !== 'default') {
    const names = ['default', ...Object.keys(accounts).filter((one) => one !== 'default')].join(', ');
    throw wrong('--account', `found ${JSON.stringify(name)}, expected a name of aws.accounts: ${names}`);
  }
  const ofCluster = AWS_NAMES.cluster.pattern.test(options.cluster)
    ? readAwsName(AWS_NAMES.cluster, options.cluster).region
    : null;
  const region =
    options.region ?? ofCluster ?? (known?.region || null) ?? (env.AWS_REGION || env.AWS_DEFAULT_REGION || null);
  if (region === null) {
    throw wrong('--region', 'no region is known; add --region us-east-1, or set AWS_REGION, or aws.region');
  }
  if (!REGION_PATTERN.test(region)) {
    throw wrong('--region', `found ${JSON.stringify(region)}, expected a region such as us-east-1`);
  }
  const nowhere = { name, region, roleArn: null, externalId: null, endpoint: null };
  const account = { ...(known ?? nowhere), region };
  if (known === undefined || known.region === '') {
    return { account, place: { cluster, region, account: null, missing: { kind: 'region' } } };
  }
  if (known.region === region) {
    const said = name === 'default' ? null : name;
    return { account, place: { cluster, region, account: said, missing: { kind: 'nothing' } } };
  }
  // Another region of the same account is an account of its own to the configuration.
  const other = Object.values(accounts).find((one) => one.region === region && one.roleArn === known.roleArn);
  if (other !== undefined) {
    return { account, place: { cluster, region, account: other.name, missing: { kind: 'nothing' } } };
  }
  const missing = { kind: 'account', roleArn: known.roleArn } as const;
  return { account, place: { cluster, region, account: name === 'default' ? region : `${name}-${region}`, missing } };
}

/** ECS services that the configuration has, with the target's name. */
function watchedAlready(config: Config | null, place: Place, { services }: Found): ReadonlyMap<string, string> {
  const account = place.account ?? 'default';
  const known = Object.entries(config?.services ?? {}).flatMap(([name, one]) =>
    one.account === account && one.ecs?.cluster === place.cluster ? [[one.ecs.service, name] as const] : [],
  );
  const found = new Set(services.map(({ service }) => service));
  return new Map(known.filter(([service]) => found.has(service)));
}

function targetsOf(config: Config | null): readonly string[] {
  if (config === null) return [];
  return TARGET_KINDS.flatMap((kind) => Object.keys(config[kind]));
}

type Watched = ReadonlyMap<string, string>;

function json(found: Found, named: readonly NamedService[], watched: Watched, place: Place): unknown {
  const { cluster, region, account } = place;
  const { skipped, refused, more } = found;
  const services = servicesConfig(named, place);
  return {
    cluster,
    region,
    account: account ?? 'default',
    services,
    watched: Object.fromEntries(watched),
    skipped,
    refused,
    more,
  };
}

/** Everything but the configuration is a comment: the whole can go into a file. */
function print(found: Found, named: readonly NamedService[], watched: Watched, place: Place, output: Output): void {
  const { cluster, region } = place;
  const count = found.services.length;
  output.wrapped(`# ${count} ${count === 1 ? 'service' : 'services'} on the ECS cluster ${cluster} in ${region}`, 0);
  for (const [service, name] of watched) output.wrapped(`# ${service} is watched already, as ${name}`, 0);
  for (const { service, because } of found.skipped) output.wrapped(`# ${service} is left out: ${because}`, 0);
  if (found.more) output.wrapped('# there are more; only the first 1000 were read', 0);
  if (named.length === 0) return;
  for (const text of servicesYaml(named, place).split('\n')) output.line(output.paint('reset', text));
}
