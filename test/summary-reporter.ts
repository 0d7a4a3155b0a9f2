/** Ends a run with one plain line, `N passed, N failed, N skipped`, for those who read the end of a log. */

import type { Reporter, TestModule } from 'vitest/node';

export function summaryReporter(): Reporter {
  return {
    onTestRunEnd(modules: readonly TestModule[], errors) {
      const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
      for (const module of modules) {
        for (const one of module.children.allTests()) counts[one.result().state]++;
        // A file that cannot be loaded has no tests to fail.
        if (module.state() === 'failed' && [...module.children.allTests()].length === 0) counts.failed++;
      }
      counts.failed += errors.length;
      process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
    },
  };
}
