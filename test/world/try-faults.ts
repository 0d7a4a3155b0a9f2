// Injects and cures every fault on a fresh world, and prints the time that each takes:
//   node_modules/.bin/node test/world/try-faults.ts [--version 15] [fault…]
import { inspect, parseArgs } from 'node:util';
import { faults } from './faults/index.ts';
import { startPostgres } from './postgres.ts';
import { startWorkload } from './workload.ts';

const { values, positionals } = parseArgs({
  options: { version: { type: 'string', default: '18' } },
  allowPositionals: true,
});
const version = values.version === '15' ? 15 : 18;
const unknown = positionals.filter((name) => faults[name] === undefined);
if (unknown.length > 0) throw new Error(`no fault ${unknown.join(', ')}; there are ${Object.keys(faults).join(', ')}`);

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`.padStart(7);
let failures = 0;

for (const fault of Object.values(faults)) {
  if (positionals.length > 0 && !positionals.includes(fault.name)) continue;
  const began = performance.now();
  await using world = await startPostgres({ version, standby: fault.needsStandby ?? false });
  const { primary, standby } = world;
  const workload = startWorkload(primary, { perSecond: 30, ...(standby && { replica: standby }) });
  const sessions = async (): Promise<number> =>
    (
      await primary.admin<{ n: number }>(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE backend_type = 'client backend'",
      )
    )[0]?.n ?? 0;
  const line = [fault.name.padEnd(34), `start ${seconds(began)}`];
  try {
    const injecting = performance.now();
    const active = await fault.inject(world);
    line.push(`inject ${seconds(injecting)}`);
    const curing = performance.now();
    await active.cure();
    line.push(`cure ${seconds(curing)}`);
    await active.cure();
    await workload.stop();
    const releasing = performance.now();
    line.push(`sessions left ${await sessions()}`, JSON.stringify(workload.stats()), JSON.stringify(active.facts));
    await world[Symbol.asyncDispose]();
    line.push(`release ${seconds(releasing)}`);
  } catch (error) {
    failures += 1;
    line.push('FAILED', inspect(error), await primary.logTail(10));
  }
  console.log(line.join('  '));
}
process.exitCode = failures > 0 ? 1 : 0;
