/**
 * What the body of a readiness endpoint says of single dependencies, in the forms that are common: Spring Boot Actuator
 * (`components`), NestJS Terminus (`details`, `error`, `info`), the IETF draft for health+json (`checks`, a list for each),
 * MicroProfile (`checks`, a list), ASP.NET (`entries`), and home-made maps or lists of the same names. Any other body has
 * no checks, which says nothing.
 */

import type { HealthCheckResult } from '../../model/health.ts';
import { outside } from '../aws/logs/redact.ts';

export type Check = HealthCheckResult['checks'][number];

const MAX_CHECKS = 50;
/** Actuator nests groups of a kind: `components.db.components.primary`. */
const MAX_DEPTH = 3;
const NAME_LENGTH = 60;
const DETAIL_LENGTH = 200;

const PLACES = ['checks', 'components', 'entries', 'details', 'error', 'info', 'dependencies', 'services', 'results'];
const UP =
  /^(?:up|ok|okay|pass|passed|passing|healthy|true|connected|ready|alive|live|success|successful|operational|available|green|good|serving|running|online|warn|warning|degraded|yellow)$/;
const DOWN =
  /^(?:down|fail|failed|failing|failure|unhealthy|false|error|errored|out_of_service|out-of-service|disconnected|not_ready|not-ready|notready|unavailable|critical|timeout|timed_out|red|bad|not_serving|dead|offline|unreachable|refused|major_outage)$/;

type Fields = Readonly<Record<string, unknown>>;

/** Failed ones first. */
export function checksOf(body: string): readonly Check[] {
  if (!body.trimStart().startsWith('{')) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return [];
  }
  if (!isFields(parsed)) return [];
  const found = new Map<string, Check>();
  for (const place of PLACES) {
    const group = parsed[place];
    // A status by itself, or a text: `error: "…"`.
    if (!isFields(group) && !Array.isArray(group)) continue;
    for (const check of inGroup(group, '', 0)) {
      // Terminus says the same thing twice; what failed once did fail.
      const known = found.get(check.name);
      if (known === undefined || (known.ok && !check.ok)) found.set(check.name, check);
      if (found.size >= MAX_CHECKS * 4) break;
    }
  }
  return [...found.values()].sort((a, b) => Number(a.ok) - Number(b.ok)).slice(0, MAX_CHECKS);
}

function* inGroup(group: Fields | readonly unknown[], prefix: string, depth: number): Generator<Check> {
  const members: readonly (readonly [string, unknown])[] = Array.isArray(group)
    ? group.flatMap((each) => (isFields(each) ? [[nameIn(each), each] as const] : []))
    : Object.entries(group);
  for (const [key, value] of members) {
    const name = outside(prefix === '' ? key : `${prefix}.${key}`, NAME_LENGTH);
    if (name === '') continue;
    // health+json: a list of measurements for each; one that fails makes it fail.
    if (Array.isArray(value)) {
      const checks = value.flatMap((each) => checkOf(name, each) ?? []);
      const worst = checks.find(({ ok }) => !ok) ?? checks[0];
      if (worst !== undefined) yield worst;
      continue;
    }
    const check = checkOf(name, value);
    if (check !== null) yield check;
    const nested = isFields(value) ? value['components'] : null;
    if (isFields(nested) && depth < MAX_DEPTH) yield* inGroup(nested, name, depth + 1);
  }
}

function checkOf(name: string, value: unknown): Check | null {
  if (!isFields(value)) {
    const ok = meaningOf(value);
    return ok === null ? null : { name, ok, detail: null };
  }
  const status = ['status', 'state', 'healthy', 'ok', 'up', 'alive', 'health', 'result'].map((key) => value[key]);
  const ok = status.map(meaningOf).find((each) => each !== null) ?? null;
  return ok === null ? null : { name, ok, detail: detailIn(value) };
}

/** Null for words that mean neither. Degraded still serves. */
function meaningOf(value: unknown): boolean | null {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return value >= 200 && value < 300 ? true : value >= 400 && value < 600 ? false : null;
  if (isFields(value)) return meaningOf(value['status'] ?? value['code']);
  if (typeof value !== 'string') return null;
  const word = value.trim().toLowerCase();
  return UP.test(word) ? true : DOWN.test(word) ? false : null;
}

function detailIn(value: Fields): string | null {
  const places = [value, value['details'], value['data'], value['error']].filter(isFields);
  for (const place of places) {
    for (const key of ['error', 'message', 'output', 'detail', 'reason', 'description', 'exception']) {
      const text = place[key];
      if (typeof text === 'string' && text.trim() !== '') return outside(text, DETAIL_LENGTH);
    }
  }
  return null;
}

function nameIn(fields: Fields): string {
  const name = fields['name'] ?? fields['id'] ?? fields['key'] ?? fields['component'] ?? fields['service'];
  return typeof name === 'string' ? name : '';
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
