/** What `runbookd check` says, a line for each thing that it tried. */

import type { UnknownAnswer } from '../model/index.ts';
import { aboutIt } from './look.ts';
import type { Output } from './output.ts';

/** `none` is no fault: something that may be left away is not there. */
export type State = 'ok' | 'none' | 'blind' | 'failed';

export interface Line {
  /** A target, or what else is checked: `configuration`, `notify`, `aws`. */
  readonly target: string;
  readonly state: State;
  readonly what: string;
  readonly detail: string;
  /** The permission or setting that would let us see. */
  readonly grant: string | null;
}

/** What is said of an answer. */
export type Said = Pick<Line, 'state' | 'detail'>;

export const ok = (detail: string): Said => ({ state: 'ok', detail });

const COLOURS = { ok: 'green', none: 'yellow', blind: 'yellow', failed: 'red' } as const;

export function line(target: string, state: State, what: string, detail: string, grant: string | null = null): Line {
  return { target, state, what, detail, grant };
}

/** A look that was refused leaves something unseen; any other that gave nothing has failed. */
export function unknownLine(target: string, what: string, answer: Omit<UnknownAnswer, 'kind'>): Line {
  const state = answer.because === 'denied' ? 'blind' : 'failed';
  return line(target, state, what, aboutIt(target, answer.detail), answer.grant ?? null);
}

export function isWell(lines: readonly Line[]): boolean {
  return lines.every(({ state }) => state === 'ok' || state === 'none');
}

/** What many targets are blind for the want of. */
const SHARED = /^(iam: |give runbookd credentials)/;

/**
 * Everything is said once, where it comes first: a permission that many targets lack, what is wrong with an account, and
 * what both a question and a poll found out about one target.
 */
export function withoutRepeats(lines: readonly Line[]): readonly Line[] {
  const said = new Set<string>();
  return lines.filter(({ target, state, detail, grant }) => {
    if (state === 'ok') return true;
    const account = /^AWS\b/.test(target);
    const words = detail.replace(/^AWS [^:]*: /, '');
    const wanting = grant !== null && SHARED.test(grant) ? [`grant ${grant}`] : [];
    const same = [...wanting, `${target}\t${words}`, `AWS\t${words}`];
    if (same.some((one) => said.has(one))) return false;
    for (const one of [...wanting, `${account ? 'AWS' : target}\t${words}`]) said.add(one);
    return true;
  });
}

export function printLine({ target, state, what, detail, grant }: Line, output: Output): void {
  output.wrapped(`${state.padEnd(8)}${target}: ${what}: ${detail}`, 8, COLOURS[state]);
  if (grant !== null) output.wrapped(`        to see it: ${grant}`, 8);
}
