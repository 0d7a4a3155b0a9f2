/** `runbookd check`: is the configuration right, can every source be read, can pages get out, what stays unseen. */

import type { Config } from '../config/index.ts';
import type { Question, Target } from '../model/index.ts';
import { clockTime, messageOf } from '../model/index.ts';
import { aboutIt, type Look, look } from './look.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';
import { prepareConfig } from './prepare.ts';
import { tryPagerDuty } from './try-pagerduty.ts';

type State = 'ok' | 'none' | 'blind' | 'failed';

interface Line {
  /** A target, or what else is checked: `configuration`, `notify`. */
  readonly target: string;
  readonly state: State;
  readonly what: string;
  readonly detail: string;
  readonly grant: string | null;
}

const COLOURS = { ok: 'green', none: 'yellow', blind: 'yellow', failed: 'red' } as const;
const QUESTION_MS = 5000;

export async function check(
  options: { readonly config?: string; readonly json?: boolean },
  io: Io,
  output: Output,
): Promise<number> {
  const { config, detectors } = await prepareConfig(options, io);
  const pagerduty = pagerDutyLine(config);
  return look(
    config,
    detectors,
    { rounds: 2, pauseMs: 1100, giveUpAfter: 1, judge: false, target: null },
    async (seen) => {
      const servers = await Promise.all(seen.watch.targets.map((target) => serverLine(target, seen)));
      const lines = [configLine(config, seen), ...servers, ...problems(seen), await pagerduty];
      const ok = lines.every((line) => line.state === 'ok' || line.state === 'none');
      if (options.json === true) output.json({ ok, lines });
      else for (const line of lines) print(line, output);
      return ok ? EXIT.ok : EXIT.blind;
    },
  );
}

function print(line: Line, output: Output): void {
  const text = `${line.state.padEnd(8)}${line.target}: ${line.what}: ${line.detail}`;
  output.wrapped(text, 8, COLOURS[line.state]);
  if (line.grant !== null) output.wrapped(`        to see it: ${line.grant}`, 8);
}

function configLine(config: Config, seen: Look): Line {
  const { targets, detectors } = seen.watch;
  const detail = `${targets.map((target) => target.name).join(', ')}; ${detectors.length} detectors; store ${config.store.sqlite}`;
  return { target: 'configuration', state: 'ok', what: config.origin, detail, grant: null };
}

async function serverLine(target: Target, seen: Look): Promise<Line> {
  if (seen.unreachable.has(target.name)) return unreachableLine(target.name, seen);
  const line = (state: State, detail: string): Line => ({
    target: target.name,
    state,
    what: 'server',
    detail,
    grant: null,
  });
  const question: Question<'postgres.server'> = { kind: 'postgres.server', ...about(target.name) };
  const answer = await seen.pipeline.ask(question, AbortSignal.timeout(QUESTION_MS));
  if (answer.state === 'unknown') return line('failed', aboutIt(target.name, answer.detail));
  if (answer.kind !== 'postgres.server') return line('failed', 'no answer');
  const { role, versionNum, flavour, usableConnections, startedAt } = answer.value;
  const version = `${Math.floor(versionNum / 10_000)}.${versionNum % 10_000}`;
  const since = `${new Date(startedAt).toISOString().slice(0, 10)} ${clockTime(startedAt)} UTC`;
  const name = { postgres: 'PostgreSQL', rds: 'PostgreSQL on RDS', aurora: 'Aurora PostgreSQL' }[flavour];
  return line('ok', `${name} ${version}, ${role}, ${usableConnections} usable connections, up since ${since}`);
}

/** The step on the way that fails, in the words of whoever refused. */
async function unreachableLine(target: string, seen: Look): Promise<Line> {
  const question: Question<'postgres.reachability'> = { kind: 'postgres.reachability', ...about(target) };
  const answer = await seen.pipeline.ask(question, AbortSignal.timeout(QUESTION_MS));
  const line = (detail: string): Line => ({
    target,
    state: 'failed',
    what: 'cannot be reached',
    detail: `${detail} (runbookd diagnose ${target} says what to do)`,
    grant: null,
  });
  if (answer.state === 'answered' && answer.kind === 'postgres.reachability') {
    const { step, message, host, port, sqlstate } = answer.value;
    return line(`${host}:${port}: ${message}${sqlstate === null ? '' : ` [${sqlstate}]`}, at step ${step}`);
  }
  const blind = seen.pipeline.blindness().find((one) => one.target === target && one.check === 'connect');
  return line(aboutIt(target, blind?.detail ?? 'no answer'));
}

function about(target: string) {
  const now = Date.now();
  return { target, window: { from: now, to: now }, params: {} };
}

function problems(seen: Look): readonly Line[] {
  const failures = seen.failures.map(
    ({ target, group, detail }): Line => ({ target, state: 'failed', what: group, detail, grant: null }),
  );
  const blind = seen.pipeline
    .blindness()
    .filter((one) => !seen.unreachable.has(one.target))
    .map(
      (one): Line => ({
        target: one.target,
        state: 'blind',
        what: one.check,
        detail: aboutIt(one.target, one.detail),
        grant: one.grant,
      }),
    );
  return [...failures, ...blind];
}

async function pagerDutyLine({ notify: { pagerduty } }: Config): Promise<Line> {
  const line = (state: State, detail: string): Line => ({
    target: 'notify',
    state,
    what: 'PagerDuty',
    detail,
    grant: null,
  });
  if (pagerduty === null) {
    return line('none', 'notify.pagerduty is not configured: findings are logged and served, nobody is paged');
  }
  try {
    await tryPagerDuty(pagerduty, QUESTION_MS);
    return line('ok', `${pagerduty.server} can be reached; whether it takes the key only a page can tell`);
  } catch (error) {
    return line('failed', `${pagerduty.server} cannot be reached: ${messageOf(error)}`);
  }
}
