/** `runbookd check`: is the configuration right, can every source be read, what stays unseen. */

import type { Question } from '../model/index.ts';
import { clockTime } from '../model/index.ts';
import type { Look } from './look.ts';
import { look } from './look.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';
import { prepareConfig } from './prepare.ts';

interface Line {
  readonly target: string;
  readonly state: 'ok' | 'blind' | 'failed';
  readonly what: string;
  readonly detail: string;
  readonly grant: string | null;
}

export async function check(
  options: { readonly config?: string; readonly json?: boolean },
  io: Io,
  output: Output,
): Promise<number> {
  const { config, detectors } = await prepareConfig(options, io);
  return look(config, detectors, { rounds: 2, pauseMs: 1100, target: null }, async (seen) => {
    const lines = [...(await serverLines(seen)), ...problems(seen)];
    const pager =
      config.notify.pagerduty === null ? 'nobody is paged: notify.pagerduty is not configured' : 'PagerDuty';
    const bad = lines.some((line) => line.state !== 'ok');
    if (options.json === true) output.json({ ok: !bad, notify: pager, lines });
    else {
      const colour = { ok: 'green', blind: 'yellow', failed: 'red' } as const;
      for (const line of lines) {
        output.line(
          `${output.paint(colour[line.state], line.state.padEnd(7))} ${line.target}: ${line.what}: ${line.detail}`,
        );
        if (line.grant !== null) output.line(`        to see it: ${line.grant}`);
      }
      output.line(`notify  ${pager}`);
    }
    return bad ? EXIT.blind : EXIT.ok;
  });
}

async function serverLines(seen: Look): Promise<readonly Line[]> {
  const now = Date.now();
  const lines = seen.watch.targets.map(async (target): Promise<Line> => {
    const question: Question<'postgres.server'> = {
      kind: 'postgres.server',
      target: target.name,
      window: { from: now, to: now },
      params: {},
    };
    const answer = await seen.pipeline.ask(question, AbortSignal.timeout(5000));
    if (answer.state === 'unknown' || answer.kind !== 'postgres.server') {
      const detail = answer.state === 'unknown' ? answer.detail : 'no answer';
      return { target: target.name, state: 'failed', what: 'server', detail, grant: null };
    }
    const { role, versionNum, flavour, usableConnections, startedAt } = answer.value;
    const version = `${Math.floor(versionNum / 10_000)}.${versionNum % 10_000}`;
    const since = `${new Date(startedAt).toISOString().slice(0, 10)} ${clockTime(startedAt)} UTC`;
    const detail = `${flavour} ${version}, ${role}, ${usableConnections} usable connections, up since ${since}`;
    return { target: target.name, state: 'ok', what: 'server', detail, grant: null };
  });
  return Promise.all(lines);
}

function problems(seen: Look): readonly Line[] {
  const failures = Object.entries(seen.failures).map(
    ([what, detail]): Line => ({ target: what.split('/')[0] ?? what, state: 'failed', what, detail, grant: null }),
  );
  const blind = seen.pipeline
    .blindness()
    .map(
      (one): Line => ({ target: one.target, state: 'blind', what: one.check, detail: one.detail, grant: one.grant }),
    );
  return [...failures, ...blind];
}
