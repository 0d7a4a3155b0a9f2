/**
 * Prints, as JSON, which probes have an answer in which of the detectors' own cases. A program of its own, since those
 * cases are test files: here `vitest` is a stand-in that declares nothing, and `runbookd/testing` one that diagnoses.
 */

import { readdirSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const url = (path: string): string => new URL(path, import.meta.url).href;

/** Whatever is called, read or chained on it is itself. */
const NOTHING = `const nothing = new Proxy(function () {}, {
  get: (_, name) => (name === 'then' || typeof name === 'symbol' ? undefined : nothing),
  apply: () => nothing,
});
export const { ${['afterAll', 'afterEach', 'beforeAll', 'beforeEach', 'describe', 'expect', 'it', 'test', 'vi'].join(', ')} } = nothing;`;

const STAND_INS: Readonly<Record<string, string>> = {
  vitest: `data:text/javascript,${encodeURIComponent(NOTHING)}`,
  'runbookd/sdk': url('../../src/sdk/index.ts'),
  'runbookd/testing': url('./collect.ts'),
};

registerHooks({
  resolve(specifier, context, next) {
    const found = STAND_INS[specifier];
    return found === undefined ? next(specifier, context) : { url: found, shortCircuit: true };
  },
});

const { answered } = (await import('./collect.ts')) as typeof import('./collect.ts');
const directory = fileURLToPath(new URL('../../detectors', import.meta.url));
for (const name of readdirSync(directory).sort()) {
  if (name.endsWith('.test.ts')) await import(url(`../../detectors/${name}`));
}
process.stdout.write(JSON.stringify(Object.fromEntries(answered)));
