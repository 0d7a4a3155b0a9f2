/** A Postgres server in one line: what it is, or the step on the way to it that fails. */

import { clockTime, type Question, type Target } from '../model/index.ts';
import { type Line, line } from './check-lines.ts';
import { aboutIt, type Look } from './look.ts';

const QUESTION_MS = 5000;

export async function serverLine(target: Target, seen: Look): Promise<Line> {
  if (seen.unreachable.has(target.name)) return unreachableLine(target.name, seen);
  const failed = (detail: string): Line => line(target.name, 'failed', 'server', detail);
  const question: Question<'postgres.server'> = { kind: 'postgres.server', ...about(target.name) };
  const answer = await seen.pipeline.ask(question, AbortSignal.timeout(QUESTION_MS));
  if (answer.state === 'unknown') return failed(aboutIt(target.name, answer.detail));
  if (answer.kind !== 'postgres.server') return failed('no answer');
  const { role, versionNum, flavour, usableConnections, startedAt } = answer.value;
  const version = `${Math.floor(versionNum / 10_000)}.${versionNum % 10_000}`;
  const since = `${new Date(startedAt).toISOString().slice(0, 10)} ${clockTime(startedAt)} UTC`;
  const name = { postgres: 'PostgreSQL', rds: 'PostgreSQL on RDS', aurora: 'Aurora PostgreSQL' }[flavour];
  const detail = `${name} ${version}, ${role}, ${usableConnections} usable connections, up since ${since}`;
  return line(target.name, 'ok', 'server', detail);
}

/** The step on the way that fails, in the words of whoever refused. */
async function unreachableLine(target: string, seen: Look): Promise<Line> {
  const question: Question<'postgres.reachability'> = { kind: 'postgres.reachability', ...about(target) };
  const answer = await seen.pipeline.ask(question, AbortSignal.timeout(QUESTION_MS));
  const failed = (detail: string): Line =>
    line(target, 'failed', 'cannot be reached', `${detail} (runbookd diagnose ${target} says what to do)`);
  if (answer.state === 'answered' && answer.kind === 'postgres.reachability') {
    const { step, message, host, port, sqlstate } = answer.value;
    return failed(`${host}:${port}: ${message}${sqlstate === null ? '' : ` [${sqlstate}]`}, at step ${step}`);
  }
  const blind = seen.pipeline.blindness().find((one) => one.target === target && one.check === 'connect');
  return failed(aboutIt(target, blind?.detail ?? 'no answer'));
}

function about(target: string) {
  const now = Date.now();
  return { target, window: { from: now, to: now }, params: {} };
}
