/** Table-level lock modes: which conflict, and which is stronger (PostgreSQL manual, table 13.2). */

/** Weakest first. */
const MODES = [
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
];

/** Row by row of table 13.2, both in the order above; `x` is a conflict. */
const CONFLICTS = [
  '.......x', //
  '......xx',
  '....xxxx',
  '...xxxxx',
  '..xx.xxx',
  '..xxxxxx',
  '.xxxxxxx',
  'xxxxxxxx',
];

/** False for a mode that is not one of a table's. */
export function conflicts(held: string, wanted: string): boolean {
  return CONFLICTS[MODES.indexOf(held)]?.[MODES.indexOf(wanted)] === 'x';
}

export function strongest<Held extends { readonly mode: string }>(locks: readonly Held[]): Held | undefined {
  return locks.reduce<Held | undefined>(
    (best, lock) => (best === undefined || MODES.indexOf(lock.mode) > MODES.indexOf(best.mode) ? lock : best),
    undefined,
  );
}
