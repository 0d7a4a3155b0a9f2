/** Ids of findings and incidents: sortable by time, unique without coordination (48 bits of time, 80 of chance). */

import { randomBytes } from 'node:crypto';
import type { EpochMs } from './model/index.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A ULID (github.com/ulid/spec): 10 characters of time, 16 of randomness, Crockford's base 32. */
export function newId(now: EpochMs): string {
  let time = Math.floor(now);
  let head = '';
  for (let index = 0; index < 10; index++) {
    head = ALPHABET[time % 32]! + head;
    time = Math.floor(time / 32);
  }
  const tail = [...randomBytes(16)].map((byte) => ALPHABET[byte % 32]).join('');
  return head + tail;
}
