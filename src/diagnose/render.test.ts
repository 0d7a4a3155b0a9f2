import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { SlotName } from '../sdk/slots.ts';
import { SLOTS } from '../sdk/slots.ts';
import { fillWords, renderCommand, renderMitigation } from './render.ts';

const PSQL = 'psql -h main-db.internal -U admin -d rastup';
const KILL =
  '{psql} -c "select pg_terminate_backend(pid) from pg_stat_activity where pid = {pid} and backend_start = \'{backendStart}\'"';
const VALUES = { psql: PSQL, pid: 2134, backendStart: '2026-11-23 13:58:02.114873+00' };

describe('commands with real values', () => {
  test('a kill carries the pid and the start of this very backend', () => {
    expect(renderCommand(KILL, VALUES)).toEqual({
      ok: true,
      text: `${PSQL} -c "select pg_terminate_backend(pid) from pg_stat_activity where pid = 2134 and backend_start = '2026-11-23 13:58:02.114873+00'"`,
    });
  });

  test.each([
    ['an unknown value', { psql: PSQL, pid: 2134 }, /\{backendStart\} is not known/],
    ['a value of the wrong type', { ...VALUES, pid: '1 or true' }, /\{pid\} has a value that is unsafe/],
    ['a date that lost its form', { ...VALUES, backendStart: "x' or '1'='1" }, /\{backendStart\} has a value/],
    ['a way in that is more than words', { ...VALUES, psql: 'psql; rm -rf /' }, /\{psql\} has a value/],
  ])('%s withholds the command', (_name, values, because) => {
    const rendered = renderCommand(KILL, values);
    expect(rendered.ok).toBe(false);
    expect(rendered.ok ? '' : rendered.because).toMatch(because);
  });

  test('the alternative stands in when only it can be filled, and both are withheld together', () => {
    const mitigation = {
      title: 'Roll back {service}',
      risk: 'disruptive',
      riskText: 'restarts',
      command: 'npm run deploy:rollback -- --service={service} --to-version={previousVersion}',
      alternative: 'aws ecs describe-services --cluster {cluster} --services {ecsService}',
    } as const;
    const options = { commands: 'runbook', overrides: {} } as const;
    expect(
      renderMitigation('d', 'm', mitigation, { service: 'api', cluster: 'c', ecsService: 's' }, options),
    ).toMatchObject({
      command: 'aws ecs describe-services --cluster c --services s',
      alternative: null,
    });
    expect(renderMitigation('d', 'm', mitigation, { service: 'api' }, options)).toMatchObject({
      title: 'Roll back api',
      withheld: expect.stringMatching(/previousVersion/),
    });
  });

  test("a user's own command replaces ours, with the same typed slots", () => {
    const mitigation = { title: 't', risk: 'reversible', riskText: 'r', command: '{psql} -c "select 1"' } as const;
    const options = { commands: 'runbook', overrides: { 'd.m': 'kill-session --pid={pid}' } } as const;
    expect(renderMitigation('d', 'm', mitigation, VALUES, options)).toMatchObject({
      command: 'kill-session --pid=2134',
    });
  });
});

/** Hostile values for every slot: whatever renders must reach the program as exactly the argv that was meant. */
const HOSTILE = [
  '$(touch /tmp/x)',
  '`id`',
  "'",
  '"',
  "';--",
  '\n',
  '\r\n',
  '-rf',
  '--',
  '~',
  '*',
  '?',
  '[a]',
  '{a,b}',
  '\0',
  '|',
  '&&',
  ';',
  '>',
  '<',
  '!',
  '\\',
  '\u001b[201~',
  '\u0003',
  '\u202e',
  '\u200b',
  'é',
  '０',
  'a b',
  '$HOME',
  '#',
  '2134; drop table x',
  'a'.repeat(5000),
  '',
];

/** A small generator with a fixed seed (mulberry32), so that a failure can be had again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const GOOD: Readonly<Partial<Record<SlotName, string>>> = {
  psql: PSQL,
  replicaPsql: PSQL,
  pid: '1',
  backendStart: '2026-11-23 13:58:02.1+00',
  gid: 'g-1',
  idleSeconds: '600',
  appName: 'checkout-api',
  roleName: 'app',
  queryid: '-123',
  table: 'public.orders',
  indexName: 'orders_idx',
  slotName: 'slot_1',
  settingName: 'work_mem',
  poolSize: '50',
  host: 'db.internal',
  port: '5432',
  database: 'rastup',
  rdsInstance: 'rastup-prod',
  rdsReplica: 'rastup-replica',
  service: 'api',
  ecsService: 'api-service',
  cluster: 'rastup-prod',
  previousVersion: 'api:512',
};

test('what the user replaced is not shown, not even when the replacement cannot be filled', () => {
  const mitigation = { title: 't', risk: 'reversible', riskText: 'r', command: KILL } as const;
  const options = { commands: 'runbook', overrides: { 'd.m': './ops/kill.sh {pid} {appName}' } } as const;
  expect(renderMitigation('d', 'm', mitigation, VALUES, options)).toMatchObject({
    withheld: expect.stringMatching(/appName/),
  });
  expect(renderMitigation('d', 'm', mitigation, { ...VALUES, appName: 'api' }, options)).toMatchObject({
    command: './ops/kill.sh 2134 api',
    alternative: null,
  });
});

describe('fuzz', () => {
  test('10,000 values a slot: what renders is printable ASCII on one line, and its argv is what was meant', () => {
    const next = random(20_261_123);
    const commands: { readonly text: string; readonly argv: readonly string[] }[] = [];
    for (const slot of Object.keys(SLOTS) as SlotName[]) {
      const template = `tool --flag={${slot}} "quoted '{${slot}}'" last`;
      for (let round = 0; round < 10_000; round++) {
        const hostile = HOSTILE[Math.floor(next() * HOSTILE.length)]!;
        const good = GOOD[slot] ?? 'plain-1';
        const at = Math.floor(next() * (good.length + 1));
        const value = next() < 0.1 ? good : next() < 0.5 ? hostile : good.slice(0, at) + hostile + good.slice(at);
        const rendered = renderCommand(template, { [slot]: value });
        if (!rendered.ok) continue;
        expect(rendered.text).toMatch(/^[\x20-\x7e]+$/);
        const filled = fillWords(template, { [slot]: value });
        if (filled.ok && (commands.length < 400 || value !== good))
          commands.push({ text: rendered.text, argv: filled.argv });
      }
    }
    const unique = [...new Map(commands.map((command) => [command.text, command])).values()];
    expect(unique.length).toBeGreaterThan(50);
    for (const shell of ['sh', 'bash', 'dash'].filter(
      (name) => existsSync(`/bin/${name}`) || existsSync(`/usr/bin/${name}`),
    )) {
      // One shell reads every command; `tool` prints its arguments, each ended by NUL, and \x1e after each command.
      const script = `tool() { printf '%s\\0' tool "$@"; printf '\\036'; }\n${unique.map((command) => command.text).join('\n')}\n`;
      const output = execFileSync(shell, ['-s'], { input: script, maxBuffer: 64 * 1024 * 1024 }).toString();
      const read = output
        .split('\x1e')
        .slice(0, -1)
        .map((chunk) => chunk.split('\0').slice(0, -1));
      expect(read).toEqual(unique.map((command) => command.argv));
    }
  });
});
