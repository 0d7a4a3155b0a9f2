import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Aws } from '../calls.ts';
import { createLogsSource } from './source.ts';

/** Deterministic, so that a failure can be had again (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const next = random(20261123);
const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
const text = (alphabet: string, length: number): string =>
  Array.from({ length }, () => alphabet[Math.floor(next() * alphabet.length)]).join('');
const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';
const ALPHA = LOWER + LOWER.toUpperCase();
const WORD = ALPHA + DIGITS;

/** A secret, and the words that stand around it wherever it is written. */
interface Canary {
  readonly secret: string;
  readonly written: string;
}
const named = (secret: string, written: (secret: string) => string = (it) => it): Canary => ({
  secret,
  written: written(secret),
});

const CANARIES: readonly (() => Canary)[] = [
  () => named(text(LOWER, 14), (it) => `password=${it}`),
  () => named(text(LOWER, 14), (it) => `DB_PASSWORD: '${it}'`),
  () => named(text(LOWER, 14), (it) => `"password":"${it}"`),
  () => named(text(LOWER, 14), (it) => `\\"secret\\":\\"${it}\\"`),
  () => named(text(WORD, 24), (it) => `Authorization: Bearer ${it}`),
  () => named(text(WORD, 18), (it) => `authorization=Basic ${it}==`),
  () => named(text(WORD, 20), (it) => `Cookie: sid=${it}; theme=dark`),
  () => named(text(LOWER, 12), (it) => `postgres://app:${it}@db.internal:5432/rastup`),
  () => named(text(LOWER, 12), (it) => `https://api.x.com/v1/reset?code=${it}`),
  () => named(text(LOWER, 12), (it) => `https://api.x.com/invite/${it}`),
  () => named(`eyJ${text(WORD, 20)}.eyJ${text(WORD, 30)}.${text(WORD, 40)}`),
  () => named(`AKIA${text(LOWER.toUpperCase() + DIGITS, 16)}`),
  () => named(`${text(WORD, 13)}/${text(WORD, 12)}+${text(WORD, 12)}7`),
  () => named(`sk_live_${text(WORD, 24)}`),
  () => named(`ghp_${text(WORD, 36)}`),
  () => named(`xoxb-${text(DIGITS, 12)}-${text(WORD, 24)}`),
  () => named(text('0123456789abcdef', 32)),
  () => named(text(WORD, 40)),
  () => named(text(ALPHA, 40)),
  () => named(`4242${text(DIGITS, 12)}`),
  () => named(`${text(LOWER, 10)}.${text(LOWER, 8)}@example.com`),
  () => named(`+49${text(DIGITS, 10)}`),
  () => named(text(LOWER, 12), (it) => `Key (email)=(${it}) already exists.`),
  () => named(text(LOWER, 12), (it) => `no row for "${it}"`),
  () => named(text(LOWER, 12), (it) => `no row for '${it}'`),
  () => named(text(LOWER, 12), (it) => `customer=${it}`),
  () => named(text(LOWER, 12), (it) => `for user ${it}`),
  () => named(text(WORD, 60), (it) => `-----BEGIN RSA PRIVATE KEY----- ${it}`),
];

const CARRIERS: readonly ((canary: string) => string)[] = [
  (it) => `ERROR ${it}`,
  (it) => `2026-11-23T14:02:25.123Z ERROR [worker-1] request failed: ${it} (after 3 tries)`,
  (it) => `TypeError: cannot read ${it}\n    at handler (/app/server.js:1:2)`,
  (it) => JSON.stringify({ level: 50, msg: `failed with ${it}` }),
  (it) => JSON.stringify({ level: 'error', message: 'failed', err: { message: it, stack: it, config: { url: it } } }),
  (it) => JSON.stringify({ severity: 'ERROR', message: 'x', exc_info: `Traceback\n  File "a.py"\nValueError: ${it}` }),
  (it) => JSON.stringify({ level: 50, err: { code: it, hostname: it, message: 'failed' }, msg: 'x', headers: { it } }),
  (it) => `{"level":50,"msg":"cut off ${it}`,
  (it) => `level=error msg="failed: ${it.replaceAll('"', '\\"')}" err=${it}`,
  (it) => `connect ECONNREFUSED ${it}`,
  (it) => `${'x '.repeat(90)}ERROR ${it}`,
  (it) => `ERROR\t${it}\u0007`,
  (it) => `\u001b[31mERROR\u001b[0m ${it}`,
];

test('no planted secret is in an answer, wherever it was planted', async () => {
  const planted: { readonly secret: string; readonly line: string }[] = [];
  for (let round = 0; round < 40; round += 1) {
    for (const make of CANARIES) {
      const { secret, written } = make();
      planted.push({ secret, line: pick(CARRIERS)(written) });
    }
  }
  for (const carrier of CARRIERS) {
    for (const make of CANARIES) {
      const { secret, written } = make();
      planted.push({ secret, line: carrier(written) });
    }
  }
  for (const { secret, line } of planted) {
    const said = await answerTo(line);
    // Parts of it would be as bad.
    for (let from = 0; from + 8 <= secret.length; from += 1) {
      const part = secret.slice(from, from + 8);
      expect(said.includes(part), `${part} of ${line} in ${said}`).toBe(false);
    }
  }
});

async function answerTo(line: string): Promise<string> {
  const aws = {
    account: { name: 'default', region: 'us-east-1', roleArn: null, externalId: null, endpoint: null },
    call: async () => ({ events: [{ timestamp: 60_000, message: line, logStreamName: 'api/app/1' }] }),
    close: () => undefined,
  } as unknown as Aws;
  const services = [{ target: 'api', group: '/ecs/api', filter: '' }];
  const source = createLogsSource({ name: 'logs', aws, services, log: pino({ level: 'silent' }) });
  const window = { from: 0, to: 120_000 };
  const question = { kind: 'logs.errors', target: 'api', window, params: { since: 30_000 } } as const;
  const answer = await source.answer(question, 120_000, new AbortController().signal);
  expect(answer).toMatchObject({ state: 'answered', value: { count: 1 } });
  return JSON.stringify(answer);
}
