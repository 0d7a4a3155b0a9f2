import { describe, expect, it } from 'vitest';
import { type IndexLook, indexChanges, type LostIndex, lostIndexes } from './catalog-indexes.ts';
import { type Setting, settingChanges, withUnit } from './catalog-settings.ts';

describe('withUnit', () => {
  // As SHOW prints them.
  it.each([
    ['16384', '8kB', '128MB'],
    ['4096', 'kB', '4MB'],
    ['64', 'kB', '64kB'],
    ['1536', 'kB', '1536kB'],
    ['1024', 'MB', '1GB'],
    ['60000', 'ms', '1min'],
    ['1500', 'ms', '1500ms'],
    ['300', 's', '5min'],
    ['0', 'ms', '0'],
    ['-1', 'kB', '-1'],
    ['0.9', null, '0.9'],
    ['on', null, 'on'],
    ['', 'kB', ''],
  ])('%s of %s is %s', (setting, unit, expected) => {
    expect(withUnit(setting, unit)).toBe(expected);
  });
});

describe('settingChanges', () => {
  const setting = (value: string, rest: Partial<Setting> = {}): Setting => ({
    value,
    byDefault: '4MB',
    secret: false,
    pendingRestart: false,
    ...rest,
  });
  it.each([
    ['a value', { work_mem: setting('8MB') }, { work_mem: setting('64kB') }, ['work_mem 8MB → 64kB']],
    ['one that is set', {}, { work_mem: setting('64kB') }, ['work_mem 4MB → 64kB']],
    ['one that is set to its default', {}, { work_mem: setting('4MB') }, []],
    ['one that is reset', { work_mem: setting('64kB') }, {}, ['work_mem 64kB → 4MB']],
    ['a secret', { c: setting('12', { secret: true }) }, { c: setting('34', { secret: true }) }, ['c changed']],
    [
      'one that waits for a restart',
      { max_connections: setting('40') },
      { max_connections: setting('40', { pendingRestart: true }) },
      ['max_connections was changed in the configuration and waits for a restart'],
    ],
    ['an empty text', { p: setting('a') }, { p: setting('') }, ["p a → ''"]],
  ])('tells of %s', (_, before, after, expected) => {
    const changes = settingChanges(new Map(Object.entries(before)), new Map(Object.entries(after)));
    expect(changes.map(({ summary }) => summary)).toEqual(expected);
  });
});

describe('indexes', () => {
  const look = (
    at: number,
    names: Readonly<Record<string, 'valid' | 'building' | 'invalid'>>,
    truncated = false,
  ): IndexLook => ({
    at,
    truncated,
    indexes: new Map(
      Object.entries(names).map(([name, state]) => [
        name,
        { oid: 1, table: 's.t', definition: `D ${name}`, valid: state === 'valid', building: state === 'building' },
      ]),
    ),
  });
  const told = (before: IndexLook, after: IndexLook) =>
    indexChanges(before, after).map(({ what, name }) => `${what} ${name}`);

  it('tells what went, came and broke', () => {
    expect(told(look(1, { a: 'valid' }), look(2, { b: 'valid' }))).toEqual(['dropped a', 'created b']);
    expect(told(look(1, { a: 'building' }), look(2, { a: 'invalid' }))).toEqual(['invalid a']);
    expect(told(look(1, { a: 'invalid' }), look(2, { a: 'invalid' }))).toEqual([]);
    expect(told(look(1, { a: 'building' }), look(2, { a: 'valid' }))).toEqual([]);
    expect(told(look(1, {}, true), look(2, { a: 'valid' }, true))).toEqual([]);
  });

  it('remembers a lost index for a day, or until it is back', () => {
    const day = 24 * 60 * 60_000;
    let lost: readonly LostIndex[] = lostIndexes([], look(1, { a: 'valid', b: 'valid' }), look(2, { b: 'valid' }));
    expect(lost).toEqual([{ name: 'a', table: 's.t', definition: 'D a', seenAt: 1, lostBy: 2 }]);
    lost = lostIndexes(lost, look(2, { b: 'valid' }), look(3, {}));
    expect(lost.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(lostIndexes(lost, look(3, {}), look(4, { b: 'valid' })).map(({ name }) => name)).toEqual(['a']);
    expect(lostIndexes(lost, look(3, {}), look(day + 3, {}))).toEqual([]);
  });
});
