/** The accounts of AWS in lines: which calls are allowed, what is hidden by those that are not, and what metrics cost. */

import { pino } from 'pino';
import type { Config } from '../config/index.ts';
import { messageOf, RunbookdError } from '../model/index.ts';
import { AWS_ACTIONS } from '../sources/aws/actions.ts';
import type { Aws, AwsAccount } from '../sources/aws/calls.ts';
import type { Costs } from '../sources/aws/cloudwatch/cost.ts';
import { failureOf } from '../sources/aws/failure.ts';
import { type Line, line } from './check-lines.ts';
import { type TryResult, tryAccount, watchedIn } from './try-aws.ts';

const TRY_MS = 20_000;

/** Never rejects. Accounts in which nothing is watched are left alone. */
export async function awsLines(config: Config): Promise<readonly Line[]> {
  const accounts = Object.values(config.aws?.accounts ?? {});
  const lines = await Promise.all(accounts.map((account) => accountLines(config, account)));
  return lines.flat();
}

async function accountLines(config: Config, account: AwsAccount): Promise<readonly Line[]> {
  const watched = watchedIn(config, account.name);
  const { taskDefinitions: _, ...parts } = watched;
  const target = targetOf(account);
  if (Object.values(parts).every((part) => part === null || part === false)) {
    return account.region === '' ? [] : [line(target, 'none', 'calls', 'nothing is watched in this account')];
  }
  let aws: Aws | null = null;
  try {
    // Only who watches AWS loads its clients.
    const { createAws } = await import('../sources/aws/clients.ts');
    aws = createAws(account, { log: pino({ level: 'silent' }) });
    return callLines(account, await tryAccount(watched, aws, Date.now(), AbortSignal.timeout(TRY_MS)));
  } catch (error) {
    return [line(target, 'failed', 'calls', messageOf(error))];
  } finally {
    aws?.close();
  }
}

function targetOf({ name, region }: Pick<AwsAccount, 'name' | 'region'>): string {
  return name === 'default' ? `AWS ${region}` : `AWS ${name} (${region})`;
}

/** One line for all that is allowed, then one for each call that is not. */
export function callLines(
  account: Pick<AwsAccount, 'name' | 'region'>,
  results: readonly TryResult[],
): readonly Line[] {
  const target = targetOf(account);
  const failed = results.filter(({ outcome }) => outcome === 'failed');
  // Without credentials every call says the same.
  const nobody = failed.find(({ error }) => error instanceof RunbookdError && error.code === 'AWS_CREDENTIALS');
  if (nobody !== undefined) {
    const { detail, grant } = failureOf(nobody.error);
    return [line(target, 'failed', 'credentials', about(account, detail), grant)];
  }
  const allowed = results.filter(({ outcome }) => outcome === 'allowed').length;
  const untried = results.filter(({ outcome }) => outcome === 'untried').map(({ action }) => action);
  const rest = untried.length === 0 ? '' : `; not tried, for want of something to try it on: ${untried.join(', ')}`;
  const lines = failed.map((one) => failedLine(account, one));
  const reasons = new Set(failed.map(({ action, error }) => about(account, failureOf(error).detail, action)));
  if (allowed === 0 && reasons.size === 1 && lines.every(({ state }) => state === 'failed')) {
    return [line(target, 'failed', 'calls', `none of ${results.length} works: ${[...reasons].join()}`)];
  }
  const state = allowed > 0 ? 'ok' : 'failed';
  return [line(target, state, 'calls', `${allowed} of ${results.length} work${rest}`), ...lines];
}

function failedLine(account: Pick<AwsAccount, 'name' | 'region'>, { action, error }: TryResult): Line {
  const { because, detail, grant } = failureOf(error);
  const { hides, optional } = AWS_ACTIONS[action];
  const state = because !== 'denied' ? 'failed' : optional ? 'none' : 'blind';
  const hidden = hides.length === 0 ? '' : `; hides ${hides.join(', ')}`;
  return line(targetOf(account), state, action, `${about(account, detail, action)}${hidden}`, grant);
}

/** The error's words without the account and the action, which stand before them anyway. */
function about(account: Pick<AwsAccount, 'name' | 'region'>, detail: string, action = ''): string {
  const prefix = `${targetOf(account)}: `;
  const words = detail.startsWith(prefix) ? detail.slice(prefix.length) : detail;
  const said = ['is ', 'failed: '].map((verb) => `${action} ${verb}`).find((start) => words.startsWith(start));
  return said === undefined ? words : words.slice(said.length);
}

/** What reading the metrics of all accounts costs, against the budget that they share. */
export function costLines(all: readonly Costs[], budgetUsdPerMonth: number): readonly Line[] {
  const series = all.reduce((sum, costs) => sum + costs.series, 0);
  if (series === 0) return [];
  const usd = all.reduce((sum, costs) => sum + costs.usdPerMonth, 0);
  const slowest = Math.max(...all.map(({ pollSeconds }) => pollSeconds));
  const paid = `${series} series every ${slowest} s are about $${usd.toFixed(2)} of $${budgetUsdPerMonth} a month`;
  const say = (state: Line['state'], detail: string): readonly Line[] => [line('AWS', state, 'CloudWatch', detail)];
  if (all.some(({ overBudget }) => overBudget)) {
    return say('none', `${paid}, more than aws.budgetUsdPerMonth though read as seldom as possible: watch less`);
  }
  const stretched = all.some((costs) => costs.stretched);
  return say(
    stretched ? 'none' : 'ok',
    stretched ? `${paid}; read less often to stay within aws.budgetUsdPerMonth` : paid,
  );
}
