/**
 * The bytes of all baselines: parts, one after another, the last of which has the freezes and the number of series.
 * A part is a head (magic, version, CRC-32 of what follows, length of its description, length of its columns), the
 * description as JSON, filled up with spaces to a multiple of 8, then for each series the times and the values of its
 * recent samples, the engine's state, and the held engine's if any. So a part is of a multiple of 8 bytes, each column is
 * aligned, and a state is written where it stays. Numbers are little-endian, as on every machine that Node 24 runs on
 * except s390x, where a foreign snapshot is ignored as damaged.
 */

import { crc32 } from 'node:zlib';
import type { EpochMs, Labels, Unit } from '../model/index.ts';
import type { FreezeState } from './freezes.ts';
import { STATE_LENGTH } from './layout.ts';

export interface SavedSeries {
  readonly target: string;
  readonly signal: string;
  readonly labels: Labels;
  readonly unit: Unit;
  readonly periodMs: number;
  readonly seenAt: EpochMs;
  readonly learnedThrough: EpochMs;
  readonly engine: Float32Array;
  readonly held: Float32Array | null;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** The columns may be views: they are copied. */
export interface Saved {
  readonly freezes: FreezeState;
  readonly series: readonly SavedSeries[];
}

export type Decoded =
  | { readonly state: 'decoded'; readonly saved: Saved }
  | { readonly state: 'ignored'; readonly because: 'damaged' | 'version' };

type Described = Omit<SavedSeries, 'engine' | 'held' | 'times' | 'values'> & {
  readonly held: boolean;
  readonly samples: number;
};

interface Part {
  readonly series?: readonly Described[];
  readonly end?: { readonly freezes: FreezeState; readonly series: number };
}

const MAGIC = 0x4c425252; // "RRBL"
/** Raise with every change of the layout or of the engine's state. */
const VERSION = 3;
const HEAD = 24;
const STATE_BYTES = 4 * STATE_LENGTH;

export function encodeSeries(series: readonly SavedSeries[]): Uint8Array {
  let size = 0;
  const described = series.map(({ engine: _, held, times, values: __, ...rest }): Described => {
    size += 16 * times.length + STATE_BYTES * (held === null ? 1 : 2);
    return { ...rest, held: held !== null, samples: times.length };
  });
  return encodePart({ series: described }, size, (buffer, from) => {
    let at = from;
    for (const { engine, held, times, values } of series) {
      for (const column of [times, values]) {
        new Float64Array(buffer, at, column.length).set(column);
        at += column.byteLength;
      }
      for (const state of held === null ? [engine] : [engine, held]) {
        new Float32Array(buffer, at, STATE_LENGTH).set(state);
        at += STATE_BYTES;
      }
    }
  });
}

export function encodeEnd(freezes: FreezeState, series: number): Uint8Array {
  return encodePart({ end: { freezes, series } }, 0, () => {});
}

function encodePart(part: Part, size: number, write: (into: ArrayBuffer, at: number) => void): Uint8Array {
  const description = new TextEncoder().encode(JSON.stringify(part));
  const length = 8 * Math.ceil(description.length / 8);
  const buffer = new ArrayBuffer(HEAD + length + size);
  const bytes = new Uint8Array(buffer);
  bytes.fill(0x20, HEAD + description.length, HEAD + length);
  bytes.set(description, HEAD);
  write(buffer, HEAD + length);
  const head = new DataView(buffer, 0, HEAD);
  head.setUint32(0, MAGIC, true);
  head.setUint32(4, VERSION, true);
  head.setUint32(12, length, true);
  head.setFloat64(16, size, true);
  head.setUint32(8, crc32(bytes.subarray(12)), true);
  return bytes;
}

/** Never throws: what cannot be read is said, and nothing of it is used. */
export function decodeSnapshot(bytes: Uint8Array): Decoded {
  const damaged: Decoded = { state: 'ignored', because: 'damaged' };
  const series: SavedSeries[] = [];
  try {
    for (let at = 0; at < bytes.length; ) {
      // Throws beyond the end, as do the views below.
      const head = new DataView(bytes.buffer, bytes.byteOffset + at, Math.min(HEAD, bytes.length - at));
      if (head.getUint32(0, true) !== MAGIC) return damaged;
      if (head.getUint32(4, true) !== VERSION) return { state: 'ignored', because: 'version' };
      const length = head.getUint32(12, true);
      const end = at + HEAD + length + head.getFloat64(16, true);
      if (!(end <= bytes.length)) return damaged;
      if (crc32(bytes.subarray(at + 12, end)) !== head.getUint32(8, true)) return damaged;
      // Copied into a buffer of its own: a column must be aligned, and a snapshot's bytes are not kept alive by it.
      const body = new Uint8Array(bytes.subarray(at + HEAD, end));
      const part: Part = JSON.parse(new TextDecoder().decode(body.subarray(0, length)));
      at = end;
      for (const one of decodeSeries(part.series ?? [], body, length)) series.push(one);
      if (part.end === undefined) continue;
      const whole = at === bytes.length && part.end.series === series.length;
      return whole ? { state: 'decoded', saved: { freezes: part.end.freezes, series } } : damaged;
    }
  } catch {
    return damaged;
  }
  // Without an end it is the beginning of one.
  return damaged;
}

function decodeSeries(
  described: readonly Described[],
  { buffer }: Uint8Array<ArrayBuffer>,
  from: number,
): readonly SavedSeries[] {
  let at = from;
  const doubles = (length: number): Float64Array => {
    at += 8 * length;
    return new Float64Array(buffer, at - 8 * length, length);
  };
  const state = (): Float32Array => {
    at += STATE_BYTES;
    return new Float32Array(buffer, at - STATE_BYTES, STATE_LENGTH);
  };
  return described.map(({ held, samples, ...rest }) => {
    const times = doubles(samples);
    const values = doubles(samples);
    return { ...rest, times, values, engine: state(), held: held ? state() : null };
  });
}
