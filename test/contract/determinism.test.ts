import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('./testdata/same-bytes.ts', import.meta.url));

function run(zone: string, order: string): string {
  const env = { ...process.env, TZ: zone, LANG: 'de_DE.UTF-8' };
  return execFileSync(process.execPath, [SCRIPT, order], { env, encoding: 'utf8' });
}

test('the recorded answers give the same bytes in another process, another time zone and another order', () => {
  const first = run('UTC', 'forward');
  expect(first).toMatch(/"cause":"lock-contention","variant":"idle-in-transaction"/);
  expect(first).toMatch(/pg_terminate_backend/);
  expect(run('America/Los_Angeles', 'backward')).toBe(first);
  expect(run('Asia/Kathmandu', 'shuffled')).toBe(first);
});
