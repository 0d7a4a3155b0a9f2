/**
 * The bytes of all baselines: magic, version, CRC-32 of what follows, length of the description, the description as JSON,
 * then for each series the engine's state, the held engine's if any, times and values of the recent samples. Numbers are
 * little-endian, as on every machine that Node 24 runs on except s390x, where a foreign snapshot is ignored as damaged.
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

const MAGIC = 0x4c425252; // "RRBL"
/** Raise with every change of the layout or of the engine's state. */
const VERSION = 2;
const HEAD = 16;

const bytesOf = (column: Float32Array | Float64Array): Uint8Array =>
  new Uint8Array(column.buffer, column.byteOffset, column.byteLength);

export function encodeSnapshot({ freezes, series }: Saved): Uint8Array {
  const described: Described[] = series.map(({ engine, held, times, values, ...rest }) => ({
    ...rest,
    held: held !== null,
    samples: times.length,
  }));
  const description = Buffer.from(JSON.stringify({ freezes, series: described }));
  const body = Buffer.concat([
    description,
    ...series.flatMap(({ engine, held, times, values }) =>
      [engine, ...(held === null ? [] : [held]), times, values].map(bytesOf),
    ),
  ]);
  const head = new DataView(new ArrayBuffer(HEAD));
  head.setUint32(0, MAGIC, true);
  head.setUint32(4, VERSION, true);
  head.setUint32(8, crc32(body), true);
  head.setUint32(12, description.length, true);
  return Buffer.concat([new Uint8Array(head.buffer), body]);
}

/** Never throws: what cannot be read is said, and nothing of it is used. */
export function decodeSnapshot(bytes: Uint8Array): Decoded {
  const damaged: Decoded = { state: 'ignored', because: 'damaged' };
  if (bytes.length < HEAD) return damaged;
  const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD);
  if (head.getUint32(0, true) !== MAGIC) return damaged;
  if (head.getUint32(4, true) !== VERSION) return { state: 'ignored', because: 'version' };
  const body = bytes.subarray(HEAD);
  if (crc32(body) !== head.getUint32(8, true)) return damaged;
  try {
    const length = head.getUint32(12, true);
    const described: { readonly freezes: FreezeState; readonly series: readonly Described[] } = JSON.parse(
      Buffer.from(body.subarray(0, length)).toString(),
    );
    let at = length;
    // Copied into buffers of their own: a column must be aligned, and a snapshot's bytes are not kept alive by it.
    const take = (size: number): ArrayBuffer => {
      if (at + size > body.length) throw new RangeError('snapshot ends early');
      const taken = new Uint8Array(size);
      taken.set(body.subarray(at, at + size));
      at += size;
      return taken.buffer;
    };
    const series = described.series.map(({ held, samples, ...rest }) => ({
      ...rest,
      engine: new Float32Array(take(4 * STATE_LENGTH)),
      held: held ? new Float32Array(take(4 * STATE_LENGTH)) : null,
      times: new Float64Array(take(8 * samples)),
      values: new Float64Array(take(8 * samples)),
    }));
    return { state: 'decoded', saved: { freezes: described.freezes, series } };
  } catch {
    return damaged;
  }
}
