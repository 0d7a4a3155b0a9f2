/** The accounts of AWS: where each is, and whether everything that names one finds it. */

import { checkHttpUrl } from './address.ts';
import { REGION_PATTERN } from './aws-names.ts';
import { invalid, type Path, shown, suggest } from './problems.ts';
import { mapRecord, type Report, type ResolveContext } from './resolve-parts.ts';
import type { RawConfig, RawTarget } from './schema.ts';
import { TARGET_KINDS } from './target-names.ts';
import type { AwsAccountConfig, AwsConfig } from './types.ts';

/** Something of the configuration that is looked up in AWS. */
interface AwsUse {
  readonly path: Path;
  /** The target's own path, where `account` stands. */
  readonly target: Path;
  readonly account: string;
}

/**
 * Null when nothing of AWS is watched and no account is configured: then no client is ever loaded. `default` is always
 * among the accounts; its region is empty when it has none, which is reported if it is used.
 */
export function resolveAws(raw: RawConfig, context: ResolveContext, report: Report): AwsConfig | null {
  const { aws } = raw;
  const uses = usesOf(raw);
  const accounts = mapRecord(aws.accounts, (name, one) =>
    resolveAccount(name, one, one.region, ['aws', 'accounts', name], report),
  );
  if (Object.hasOwn(aws.accounts, 'default') && context.written(['aws', 'region'])) {
    report(invalid(['aws', 'accounts', 'default'], 'is there twice: the top of aws is the account default'));
  }
  checkAccounts(raw, context, report);
  const region = aws.region ?? regionFromEnv(context);
  // An RDS identifier alone also stands in commands of pages: without a region it is that and no more.
  const isNamedOnly = region === null && !context.written(['aws']) && uses.every((use) => use.path.at(-1) === 'rds');
  if (isNamedOnly) return null;
  const needed = uses.find((use) => use.account === 'default');
  if (!('default' in accounts)) {
    if (region === null && needed !== undefined && !context.written(['aws', 'region'])) {
      const add = 'add aws: { region: us-east-1 }, or set AWS_REGION';
      report(invalid(needed.path, `is looked up in AWS, and no region is known; ${add}`));
    }
    accounts.default = resolveAccount('default', aws, region ?? '', ['aws'], report);
  }
  if (uses.length === 0 && aws.region === undefined && Object.keys(aws.accounts).length === 0) return null;
  const { budgetUsdPerMonth, periodSeconds, settleSeconds, taskDefinitions } = aws;
  return { accounts, budgetUsdPerMonth, periodSeconds, settleSeconds, taskDefinitions };
}

/** The order of the AWS SDKs. A value that is no region is not taken, so that the message names the setting. */
function regionFromEnv({ env }: ResolveContext): string | null {
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || '';
  return REGION_PATTERN.test(region) ? region : null;
}

function resolveAccount(
  name: string,
  one: RawConfig['aws'] | RawConfig['aws']['accounts'][string],
  region: string,
  path: Path,
  report: Report,
): AwsAccountConfig {
  const { roleArn = null, externalId = null, endpoint = null } = one;
  if (externalId !== null && roleArn === null) {
    report(invalid([...path, 'externalId'], 'is of no use without roleArn'));
  }
  if (endpoint !== null) {
    const wrong = checkHttpUrl(endpoint, { plain: 'loopback', root: true });
    if (wrong !== null) report(invalid([...path, 'endpoint'], wrong));
  }
  return { name, region, roleArn, externalId, endpoint: endpoint?.replace(/\/$/, '') ?? null };
}

function usesOf(raw: RawConfig): readonly AwsUse[] {
  const byHand = TARGET_KINDS.flatMap((kind) =>
    Object.entries<RawTarget>(raw[kind]).flatMap(([name, target]) =>
      Object.entries(target.signals).flatMap(([signal, { cloudwatch }]) =>
        cloudwatch === undefined ? [] : [useOf([kind, name], target, ['signals', signal])],
      ),
    ),
  );
  const services = Object.entries(raw.services).flatMap(([name, service]) => {
    const parts = (['ecs', 'alb', 'logs'] as const).filter((part) => service[part] !== undefined);
    return parts.map((part) => useOf(['services', name], service, [part]));
  });
  const queues = Object.entries(raw.queues).map(([name, queue]) => useOf(['queues', name], queue, ['sqs']));
  const searches = Object.entries(raw.searches).flatMap(([name, search]) =>
    search.logs === undefined ? [] : [useOf(['searches', name], search, ['logs'])],
  );
  const databases = Object.entries(raw.databases).flatMap(([name, database]) => {
    const replicas = Object.entries(database.replicas);
    return [
      ...(database.rds === undefined ? [] : [['rds']]),
      ...replicas.flatMap(([replica, { rds }]) => (rds === undefined ? [] : [['replicas', replica, 'rds']])),
    ].map((part) => useOf(['databases', name], database, part));
  });
  return [...services, ...databases, ...queues, ...searches, ...byHand];
}

function useOf(target: Path, { account = 'default' }: { readonly account?: string | undefined }, part: Path): AwsUse {
  return { path: [...target, ...part], target, account };
}

function checkAccounts(raw: RawConfig, context: ResolveContext, report: Report): void {
  const known = ['default', ...Object.keys(raw.aws.accounts)];
  for (const kind of ['services', 'databases', 'queues', 'searches'] as const) {
    for (const [name, { account }] of Object.entries(raw[kind])) {
      if (account === undefined || known.includes(account) || context.written(['aws', 'accounts', account])) continue;
      const near = suggest(account, known, 'aws.accounts has');
      report(invalid([kind, name, 'account'], `found ${shown(account)}, which aws.accounts has not${near}`));
    }
  }
}
