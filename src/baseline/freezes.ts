/**
 * Which samples of a target must not be learned: those since its freeze, and those of a freeze that was thawed a moment
 * ago and whose samples have yet to pass the learning horizon.
 */

import type { EpochMs } from '../model/index.ts';

export interface Span {
  readonly from: EpochMs;
  readonly through: EpochMs;
}

export interface FreezeState {
  readonly since: Readonly<Record<string, EpochMs>>;
  readonly leftOut: Readonly<Record<string, readonly Span[]>>;
}

export interface Freezes {
  /** Freezing again only ever moves the beginning back. */
  freeze(target: string, since: EpochMs): void;
  /** Ends the freeze; null when there is none. */
  thaw(target: string): EpochMs | null;
  since(target: string): EpochMs | null;
  leaveOut(target: string, span: Span): void;
  /** Oldest first. */
  leftOut(target: string): readonly Span[];
  /** Forgets spans that lie wholly before that time: nothing of theirs is left to learn. */
  forget(before: EpochMs): void;
  save(): FreezeState;
  load(state: FreezeState): void;
}

export function createFreezes(): Freezes {
  const begun = new Map<string, EpochMs>();
  const spans = new Map<string, readonly Span[]>();
  return {
    freeze(target, since) {
      begun.set(target, Math.min(since, begun.get(target) ?? since));
    },
    thaw(target) {
      const since = begun.get(target) ?? null;
      begun.delete(target);
      return since;
    },
    since: (target) => begun.get(target) ?? null,
    leaveOut(target, span) {
      const merged: Span[] = [];
      for (const one of [...(spans.get(target) ?? []), span].sort((a, b) => a.from - b.from)) {
        const last = merged.at(-1);
        // What comes and goes at each poll would be a list as long as the polls are many.
        if (last === undefined || one.from > last.through) merged.push(one);
        else merged[merged.length - 1] = { from: last.from, through: Math.max(last.through, one.through) };
      }
      spans.set(target, merged);
    },
    leftOut: (target) => spans.get(target) ?? [],
    forget(before) {
      for (const [target, all] of spans) {
        const left = all.filter((span) => span.through >= before);
        if (left.length === 0) spans.delete(target);
        else if (left.length < all.length) spans.set(target, left);
      }
    },
    save: () => ({ since: Object.fromEntries(begun), leftOut: Object.fromEntries(spans) }),
    load(state) {
      begun.clear();
      spans.clear();
      for (const [target, since] of Object.entries(state.since)) begun.set(target, since);
      for (const [target, all] of Object.entries(state.leftOut)) spans.set(target, all);
    },
  };
}
