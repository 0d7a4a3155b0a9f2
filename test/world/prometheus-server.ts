/** Prometheus itself, where its program is on the PATH: nothing here brings it along. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort } from './ports.ts';
import { startReaper } from './processes.ts';
import { waitUntil } from './wait.ts';

export interface PrometheusServer extends AsyncDisposable {
  readonly url: string;
}

/** Null when there is none on the PATH. */
export async function findPrometheus(): Promise<string | null> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'prometheus');
    if (
      folder !== '' &&
      (await access(path, constants.X_OK).then(
        () => true,
        () => false,
      ))
    )
      return path;
  }
  return null;
}

/** Ends it with our end of the pipe, which the kernel closes however this process ends. */
const KEEPER = '"$@" & pid=$!; cat >/dev/null; kill -KILL $pid; wait $pid';

/** Scrapes `http://HOST/metrics` of each target every second, under the job of its name. */
export async function startPrometheusServer(
  binary: string,
  jobs: Readonly<Record<string, string>>,
): Promise<PrometheusServer> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'runbookd-prometheus-'));
  const reaper = startReaper(directory);
  stack.defer(() => reaper.release());
  stack.defer(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  const config = {
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: Object.entries(jobs).map(([job, host]) => ({
      job_name: job,
      static_configs: [{ targets: [host] }],
    })),
  };
  // JSON is YAML.
  const file = join(directory, 'prometheus.yml');
  await writeFile(file, JSON.stringify(config));
  const host = `127.0.0.1:${await freePort()}`;
  const options = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=${host}`,
    '--log.level=error',
  ];
  const child = spawn('/bin/sh', ['-c', KEEPER, 'keeper', binary, ...options], {
    cwd: directory,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = once(child, 'exit');
  ended.catch(() => undefined);
  child.stdin.on('error', () => undefined);
  stack.defer(async () => {
    child.stdin.end();
    await ended.catch(() => undefined);
  });
  const url = `http://${host}`;
  await waitUntil('Prometheus to be ready', async () => {
    const response = await fetch(`${url}/-/ready`).catch(() => null);
    await response?.body?.cancel();
    return response?.status === 200;
  });
  const owned = stack.move();
  return { url, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
