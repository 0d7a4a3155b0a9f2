import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from '../e2e/daemon.ts';
import { freePort } from '../world/ports.ts';
import { startPostgres } from '../world/postgres.ts';

await using world = await startPostgres({ version: 18, standby: true });
const directory = await mkdtemp(join(tmpdir(), 'runbookd-probe-'));
const port = await freePort();
const file = join(directory, 'bench.yaml');
const database = { url: 'env:BENCH_URL' };
const databases = {
  'db-a': { ...database, replicas: { 'replica-1': { url: 'env:BENCH_REPLICA_URL' } } },
  'db-b': database,
};
await writeFile(
  file,
  JSON.stringify({ store: { sqlite: join(directory, 's.db') }, http: { listen: `127.0.0.1:${port}` }, databases }),
);
const env = { BENCH_URL: world.primary.monitorUrl, BENCH_REPLICA_URL: world.standby!.monitorUrl };
for (const extra of process.argv.slice(2)) {
  await using daemon = startDaemon(['run', '--config', file], {
    ...env,
    NODE_OPTIONS: `--require /tmp/mem/hook.cjs ${extra === '-' ? '' : extra}`,
    ...(process.env.EXTRA_ENV ? JSON.parse(process.env.EXTRA_ENV) : {}),
  });
  const pid = daemon.child.pid!;
  for (const at of [3, 15, 30]) {
    await new Promise((r) => setTimeout(r, at === 3 ? 3000 : at === 60 ? 30000 : at === 30 ? 15000 : 12000));
    const roll = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
    const get = (k: string) => Math.round(Number(new RegExp(`^${k}:\\s+(\\d+)`, 'm').exec(roll)![1]) / 1e3);
    const stat = await readFile(`/proc/${pid}/status`, 'utf8');
    console.log(
      extra,
      at,
      'rss',
      get('Rss'),
      'pss',
      get('Pss'),
      'anon',
      get('Anonymous'),
      /RssFile:\s+(\d+)/.exec(stat)![1],
      /VmHWM:\s+(\d+)/.exec(stat)![1],
    );
    daemon.child.kill('SIGUSR2');
  }
  await new Promise((r) => setTimeout(r, 300));
  console.log(
    daemon
      .output()
      .split('\n')
      .filter((l) => /^MEM|space/.test(l))
      .join('\n'),
  );
  await daemon.kill('SIGTERM');
}
