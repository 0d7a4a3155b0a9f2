/** `runbookd check`: is the configuration right, can every source be read, can pages get out, what stays unseen. */

import { type Config, signalHints } from '../config/index.ts';
import { messageOf } from '../model/index.ts';
import { SIGNALS } from '../watch.ts';
import { awsLines, costLines } from './check-aws.ts';
import { isWell, type Line, line, printLine, withoutRepeats } from './check-lines.ts';
import { prometheusLines } from './check-systems.ts';
import { targetLines } from './check-targets.ts';
import { discover } from './discover.ts';
import { aboutIt, type Look, look } from './look.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';
import { prepareConfig } from './prepare.ts';
import { tryPagerDuty } from './try-pagerduty.ts';

const QUESTION_MS = 5000;

export interface CheckOptions {
  readonly config?: string;
  readonly json?: boolean;
  /** A cluster: list what could be watched there instead. */
  readonly discover?: string;
  readonly region?: string;
  readonly account?: string;
}

export async function check(options: CheckOptions, io: Io, output: Output): Promise<number> {
  if (options.discover !== undefined) return discover({ ...options, cluster: options.discover }, io, output);
  const { config, detectors } = await prepareConfig(options, io);
  const pagerduty = pagerDutyLine(config);
  const aws = awsLines(config);
  return look(
    config,
    detectors,
    { rounds: 2, pauseMs: 1100, giveUpAfter: 1, judge: false, target: null },
    async (seen) => {
      const targets = await Promise.all(seen.watch.targets.map((target) => targetLines(target, config, seen)));
      const lines = withoutRepeats([
        configLine(config, seen),
        ...hintLines(config),
        ...(await aws),
        ...costLines(
          seen.watch.cloudwatch.map((source) => source.costs()),
          config.aws?.budgetUsdPerMonth ?? 0,
        ),
        ...prometheusLines(config, seen),
        ...targets.flat(),
        ...problems(seen),
        await pagerduty,
      ]);
      const ok = isWell(lines);
      if (options.json === true) output.json({ ok, lines });
      else for (const one of lines) printLine(one, output);
      return ok ? EXIT.ok : EXIT.blind;
    },
  );
}

function configLine(config: Config, seen: Look): Line {
  const { targets, detectors } = seen.watch;
  const detail = `${targets.map((target) => target.name).join(', ')}; ${detectors.length} detectors; store ${config.store.sqlite}`;
  return line('configuration', 'ok', config.origin, detail);
}

function hintLines(config: Config): readonly Line[] {
  const known = SIGNALS.map(({ signal }) => signal);
  return signalHints(config, known).map(({ target, message }) => line(target, 'none', 'configuration', message));
}

function problems(seen: Look): readonly Line[] {
  const failures = seen.failures.map(({ target, group, detail }) => line(target, 'failed', group, detail));
  const blind = seen.pipeline
    .blindness()
    .filter((one) => !seen.unreachable.has(one.target))
    .map((one) => {
      const state = one.optional === true ? 'none' : 'blind';
      return line(one.target, state, one.check, aboutIt(one.target, one.detail), one.grant);
    });
  return [...failures, ...blind];
}

async function pagerDutyLine({ notify: { pagerduty } }: Config): Promise<Line> {
  const say = (state: Line['state'], detail: string): Line => line('notify', state, 'PagerDuty', detail);
  if (pagerduty === null) {
    return say('none', 'notify.pagerduty is not configured: findings are logged and served, nobody is paged');
  }
  try {
    await tryPagerDuty(pagerduty, QUESTION_MS);
    return say('ok', `${pagerduty.server} can be reached; whether it takes the key only a page can tell`);
  } catch (error) {
    return say('failed', `${pagerduty.server} cannot be reached: ${messageOf(error)}`);
  }
}
