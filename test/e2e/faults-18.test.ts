import { test } from 'vitest';
import { faults } from '../world/faults/index.ts';
import { startPostgres } from '../world/postgres.ts';
import { describeFaults, makeSeeCure } from './fault-cases.ts';

describeFaults(18);

test('a primary that is down is one incident, though its standby has lost its link too', async () => {
  await using world = await startPostgres({ version: 18, standby: true });
  await makeSeeCure(faults['unreachable-stopped']!, world, (harness) => {
    const detectors = harness.pipeline.findings().map((one) => one.detector);
    return detectors.includes('database-unreachable') && detectors.includes('replication-lag');
  });
});
