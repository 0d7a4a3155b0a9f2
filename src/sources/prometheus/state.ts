/** What one poll leaves to the next, by binding, and a snapshot of it. */

import type { EpochMs } from '../../model/glossary.ts';
import type { Blindness } from '../../model/source.ts';

export interface BindingState {
  /** Newest sample that was read. Kept over a restart. */
  readonly watermark: EpochMs | null;
  /** When the server refused the very query; null when it did not. */
  readonly invalidAt: EpochMs | null;
  /** Keys of the series that were kept last: they go first, so that a crowd does not push out what is known. */
  readonly known: ReadonlySet<string>;
  readonly blind: Blindness | null;
  /** What was logged of it, so that it is said once. */
  readonly told: ReadonlySet<string>;
}

export const UNSEEN: BindingState = {
  watermark: null,
  invalidAt: null,
  known: new Set(),
  blind: null,
  told: new Set(),
};

const VERSION = 1;

export function saveState(states: ReadonlyMap<string, BindingState>): Uint8Array | null {
  const marks = [...states].flatMap(([key, { watermark }]) => (watermark === null ? [] : [[key, watermark] as const]));
  if (marks.length === 0) return null;
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, watermarks: marks }));
}

/** Null when it is not a state of ours; single entries that are not readable are left out. */
export function readState(bytes: Uint8Array): ReadonlyMap<string, BindingState> | null {
  let saved: unknown;
  try {
    saved = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
  if (typeof saved !== 'object' || saved === null) return null;
  const { version, watermarks } = saved as { readonly version?: unknown; readonly watermarks?: unknown };
  if (version !== VERSION || !Array.isArray(watermarks)) return null;
  return new Map(
    watermarks.flatMap((entry: unknown): readonly (readonly [string, BindingState])[] => {
      if (!Array.isArray(entry)) return [];
      const [key, watermark] = entry as readonly unknown[];
      if (typeof key !== 'string' || typeof watermark !== 'number' || !(watermark >= 0)) return [];
      return Number.isFinite(watermark) ? [[key, { ...UNSEEN, watermark }]] : [];
    }),
  );
}
