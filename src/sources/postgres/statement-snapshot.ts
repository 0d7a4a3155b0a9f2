/** Statement state as JSON and back: keys once, in one text; numbers as base64 of typed arrays. */

import type { EpochMs } from '../../model/glossary.ts';
import { type StatementInterval, type StatementReading, WIDTH } from './statement-deltas.ts';

export interface StatementState {
  readonly last: StatementReading;
  readonly ring: readonly StatementInterval[];
  /** When an entry was first seen, by key; null for those that were there at the first look. */
  readonly known: Map<string, EpochMs | null>;
  readonly tracked: ReadonlyMap<string, EpochMs>;
}

const VERSION = 1;

export function packStatements({ last, ring, known, tracked }: StatementState): unknown {
  return {
    version: VERSION,
    at: last.at,
    identity: last.identity,
    statsReset: last.statsReset,
    dealloc: last.dealloc,
    keys: last.keys.join('\n'),
    values: base64(last.values),
    known: [...known.keys()].join('\n'),
    knownAt: base64(Float64Array.from(known.values(), (at) => at ?? Number.NaN)),
    tracked: [...tracked],
    ring: ring.map(({ queryids, values, ...rest }) => ({
      ...rest,
      queryids: queryids.join('\n'),
      values: base64(values),
    })),
  };
}

/** Null for anything that is not what `packStatements` made. */
export function unpackStatements(state: unknown): StatementState | null {
  try {
    const from = state as Packed;
    if (from.version !== VERSION) return null;
    const knownAt = floats(from.knownAt);
    const last: StatementReading = {
      at: Number(from.at),
      identity: String(from.identity),
      epoch: null,
      statsReset: from.statsReset,
      dealloc: from.dealloc,
      keys: lines(from.keys),
      values: floats(from.values),
    };
    if (last.values.length !== last.keys.length * WIDTH || !Number.isFinite(last.at)) return null;
    const ring = from.ring.map(({ queryids, values, ...rest }) => ({
      ...rest,
      queryids: lines(queryids),
      values: floats(values),
    }));
    if (ring.some(({ queryids, values }) => values.length !== queryids.length * WIDTH)) return null;
    return {
      last,
      ring,
      known: new Map(lines(from.known).map((key, row) => [key, finite(knownAt[row])])),
      tracked: new Map(from.tracked),
    };
  } catch {
    return null;
  }
}

interface Packed {
  readonly version: number;
  readonly at: number;
  readonly identity: string;
  readonly statsReset: string | null;
  readonly dealloc: number | null;
  readonly keys: string;
  readonly values: string;
  readonly known: string;
  readonly knownAt: string;
  readonly tracked: readonly (readonly [string, number])[];
  readonly ring: readonly {
    readonly from: number;
    readonly to: number;
    readonly totalMs: number;
    readonly totalCalls: number;
    readonly evicted: number | null;
    readonly queryids: string;
    readonly values: string;
  }[];
}

function base64(values: Float64Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

function floats(text: string): Float64Array {
  const bytes = Buffer.from(text, 'base64');
  const values = new Float64Array(bytes.length / 8);
  new Uint8Array(values.buffer).set(bytes);
  return values;
}

const lines = (text: string): readonly string[] => (text === '' ? [] : text.split('\n'));
const finite = (value: number | undefined): number | null => (Number.isFinite(value) ? (value ?? null) : null);
