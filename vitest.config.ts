import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { summaryReporter } from './test/summary-reporter.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: { 'runbookd/sdk': here('./src/sdk/index.ts'), 'runbookd/testing': here('./src/testing/index.ts') },
  },
  test: {
    include: ['src/**/*.test.ts', 'detectors/**/*.test.ts', 'test/**/*.test.ts'],
    reporters: ['default', summaryReporter()],
    testTimeout: 60_000,
    hookTimeout: 90_000,
    maxWorkers: 2,
    env: { TZ: 'UTC' },
  },
});
