/** Replies of a Redis that no Redis gives. */

import { CANARY, pickOf } from '../world/mutations.ts';

export interface SpoiltReply {
  readonly what: string;
  readonly reply: string;
}

const VALUES = [
  '',
  '-1',
  'NaN',
  '1e9',
  '9'.repeat(40),
  ' 5',
  '0x10',
  '1.5',
  '\u202e',
  '{}',
  'a'.repeat(10_000),
  `x${CANARY}`,
];

/** Frames that begin what never ends: no answer comes, as of a server that hangs. */
export const ENDLESS: readonly string[] = ['', '$99999999999999\r\n', '>3\r\n+message\r\n+channel\r\n+text\r\n'];

/** Frames that are broken, or of another protocol. */
const FRAMES: readonly string[] = [
  '*-1\r\n',
  '$-1\r\n',
  ':5\r\n',
  '_\r\n',
  '#t\r\n',
  ',nan\r\n',
  '%1\r\n+a\r\n+b\r\n',
  '*0\r\n',
  '*1\r\n'.repeat(3_000),
  '$-5\r\n\r\n',
  'HTTP/1.1 400 Bad Request\r\n\r\n',
  `-ERR ${CANARY}\r\n`,
  '-MOVED 1 10.0.0.9:6379\r\n',
  '\u0000\u0001\u0002\u0003\r\n',
  `+${'x'.repeat(50_000)}\r\n`,
];

/** Null leaves the piece as it is. `whole`: nothing of it can be read. */
export function spoiltReply(piece: string, next: () => number, whole: boolean): SpoiltReply | null {
  const pick = pickOf(next);
  const frame = (): SpoiltReply => {
    const reply = pick(FRAMES);
    return { what: `${JSON.stringify(reply.slice(0, 60))} in place of ${JSON.stringify(piece.slice(0, 30))}`, reply };
  };
  if (whole) return frame();
  if (!piece.includes('redis_version:')) return next() < 0.06 ? frame() : null;
  if (next() < 0.15) return frame();
  const [, body = ''] = /^\$\d+\r\n([\s\S]*)\r\n$/.exec(piece) ?? [];
  const lines = body.split('\r\n');
  const done: string[] = [];
  for (let faults = 1 + Math.floor(next() * 4); faults > 0; faults -= 1) {
    const index = Math.floor(next() * lines.length);
    const line = lines[index] ?? '';
    const [name = ''] = line.split(':');
    done.push(name);
    const kind = next();
    if (kind < 0.3) lines.splice(index, 1);
    else if (kind < 0.5) lines[index] = name;
    else lines[index] = `${name}:${pick(VALUES)}`;
  }
  const text = lines.join(pick(['\r\n', '\n']));
  const length = next() < 0.9 ? Buffer.byteLength(text, 'latin1') : Math.floor(next() * text.length);
  return { what: `changed ${done.join(', ')}`, reply: `$${length}\r\n${text}\r\n` };
}
