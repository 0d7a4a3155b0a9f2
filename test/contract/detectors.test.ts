import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { breaches } from '../../src/detect/contract.ts';
import { detectorFiles } from '../../src/detect/load.ts';
import type { AnyDetector } from '../../src/sdk/detector.ts';
import { SIGNALS } from '../../src/watch.ts';

const DIRECTORY = fileURLToPath(new URL('../../detectors', import.meta.url));
const read = (name: string): string => readFileSync(`${DIRECTORY}/${name}`, 'utf8');
const loaded = await Promise.all(
  detectorFiles(DIRECTORY).map(async ({ id, file }) => ({
    id,
    detector: ((await import(file)) as { readonly detector: AnyDetector }).detector,
  })),
);

describe.each(loaded)('detector $id', ({ id, detector }) => {
  test('keeps the contract', () => {
    expect(breaches(detector, id)).toEqual([]);
  });

  test('has a test and a document beside it', () => {
    expect(existsSync(`${DIRECTORY}/${id}.test.ts`)).toBe(true);
    expect(existsSync(`${DIRECTORY}/${id}.md`)).toBe(true);
  });

  test('its document has its title, every option and every cause', () => {
    const text = read(`${id}.md`);
    expect(text.split('\n')[0]).toBe(`# ${detector.title}`);
    const names = [
      ...Object.keys(detector.options).map((name) => `\`${name}\``),
      ...detector.hypotheses.map((one) => one.variant ?? one.cause),
    ];
    expect(names.filter((name) => !text.includes(name))).toEqual([]);
  });

  test('every signal that it reads is one that a source gives', () => {
    const known = new Map(SIGNALS.map((info) => [info.signal, info.unit]));
    for (const spec of Object.values(detector.signals))
      expect([spec.signal, known.get(spec.signal)]).toEqual([spec.signal, spec.unit]);
  });

  test("says every text in the field's plain words", () => {
    const texts = [detector.title, detector.why, ...detector.hypotheses.map((one) => one.title)];
    for (const text of texts) expect(text).not.toMatch(/anomal|TODO|FIXME|undefined/i);
  });
});

test('a document or a test without its detector is left over', () => {
  const ids = new Set(loaded.map((one) => one.id));
  const others = readdirSync(DIRECTORY)
    .filter((name) => /\.(md|test\.ts)$/.test(name) && !['README.md', 'RUNBOOK.md'].includes(name))
    .map((name) => name.replace(/\.test\.ts$|\.md$/, ''));
  expect(others.filter((name) => !ids.has(name))).toEqual([]);
});
