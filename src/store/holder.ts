/**
 * Who holds the store: a sidecar file `<path>.holder`, written after the lock is held and removed at a clean close. It
 * only serves the message of a second daemon; the lock itself is SQLite's, and the kernel frees it when a process dies,
 * so a holder left behind by `kill -9` blocks nobody.
 */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

const holderSchema = z.object({ pid: z.number().int(), host: z.string().max(255), since: z.string().max(40) });

export type Holder = z.infer<typeof holderSchema>;

export const holderPath = (path: string): string => `${path}.holder`;

export function writeHolder(path: string, holder: Holder): void {
  writeFileSync(holderPath(path), `${JSON.stringify(holder)}\n`, { mode: 0o644 });
}

/** For people: `pid 4711 on host-a since 2026-11-23T13:58:02.114Z`. */
export function describeHolder(path: string): string {
  try {
    const { pid, host, since } = holderSchema.parse(JSON.parse(readFileSync(holderPath(path), 'utf8')));
    return `pid ${pid} on ${host} since ${since}`;
  } catch {
    return 'another process that left no name';
  }
}

export function removeHolder(path: string): void {
  rmSync(holderPath(path), { force: true });
}
