import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Who may import whom: a folder of src/ and the folders that it may import besides itself. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  model: [],
  stats: [],
  sdk: ['model', 'stats'],
  detect: ['model', 'stats', 'sdk', 'baseline'],
  diagnose: ['model', 'stats', 'sdk'],
  testing: ['model', 'sdk', 'detect', 'diagnose'],
  config: ['model'],
  sources: ['model'],
  store: ['model'],
  schedule: ['model'],
  baseline: ['model', 'stats'],
  incident: ['model', 'stats'],
  notify: ['model'],
  expose: ['model'],
};

/** The wiring: these may import everything below them. */
const WIRING = new Set([
  'cli',
  'app.ts',
  'history.ts',
  'main.ts',
  'pipeline.ts',
  'release.ts',
  'targets.ts',
  'new-id.ts',
  'version.ts',
  'watch.ts',
  'watch-aws.ts',
  'watch-systems.ts',
]);

function files(directory: string): readonly string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => join(directory, name));
}

function importsOf(file: string): readonly string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
}

/** `src/diagnose/walk.ts` → `diagnose`. */
const folderOf = (file: string): string => file.split('/')[1]!;

const isTest = (file: string): boolean => /\.test\.ts$|\/testdata\//.test(file);

describe('import directions', () => {
  const all = files('src').filter((file) => !isTest(file));

  test('every folder of src has a rule', () => {
    const folders = new Set(all.map(folderOf));
    expect([...folders].filter((name) => !(name in MAY) && !WIRING.has(name))).toEqual([]);
  });

  test.each(all.filter((file) => folderOf(file) in MAY))('%s', (file) => {
    const own = folderOf(file);
    for (const specifier of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = relative(ROOT, resolve(join(ROOT, dirname(file)), specifier));
      expect(target.startsWith('src/'), `${specifier} leaves src/`).toBe(true);
      const folder = folderOf(target);
      expect([own, ...(MAY[own] ?? [])], `${file} imports ${specifier}`).toContain(folder);
    }
  });

  test('model imports no package at all, and stats only numeric ones', () => {
    const packages = (folder: string): readonly string[] =>
      all
        .filter((file) => folderOf(file) === folder)
        .flatMap(importsOf)
        .filter((name) => !name.startsWith('.'));
    expect(packages('model')).toEqual([]);
    expect(new Set(packages('stats')).difference(new Set(['simple-statistics', 'jstat']))).toEqual(new Set());
  });

  test('a detector imports runbookd/sdk and nothing else', () => {
    const detectors = files('detectors').filter((file) => !isTest(file));
    expect(detectors.length).toBeGreaterThan(0);
    for (const file of detectors) expect(new Set(importsOf(file)), file).toEqual(new Set(['runbookd/sdk']));
  });

  test('nothing in src imports detectors, test or ../shared', () => {
    for (const file of all) {
      for (const specifier of importsOf(file)) expect(specifier, file).not.toMatch(/detectors\/|\/test\/|shared/);
    }
  });
});
