/** What the health source remembers of a service, as JSON and back. */

import type { ServiceHealthAnswer } from '../../model/health.ts';

export interface HealthState {
  /** Endpoints (host and path) that have answered at least once. */
  readonly answered: readonly string[];
  /** Oldest first, at most an hour. */
  readonly history: ServiceHealthAnswer['history'];
}

const VERSION = 1;

export function packHealth(states: ReadonlyMap<string, HealthState>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, services: [...states] }));
}

/** Null for anything that is not what `packHealth` made; parts that are not are left out. */
export function unpackHealth(bytes: Uint8Array): ReadonlyMap<string, HealthState> | null {
  try {
    const state: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!isRecord(state) || state['version'] !== VERSION || !Array.isArray(state['services'])) return null;
    return new Map(state['services'].flatMap(serviceOf));
  } catch {
    return null;
  }
}

function serviceOf(entry: unknown): readonly (readonly [string, HealthState])[] {
  if (!Array.isArray(entry)) return [];
  const [target, state] = entry as readonly unknown[];
  if (typeof target !== 'string' || !isRecord(state)) return [];
  const { answered, history } = state;
  const endpoints = Array.isArray(answered) ? answered.filter((each) => typeof each === 'string') : [];
  const points = Array.isArray(history) ? history.filter(isPoint) : [];
  return [[target, { answered: endpoints, history: points }]];
}

function isPoint(value: unknown): value is ServiceHealthAnswer['history'][number] {
  const isFlag = (flag: unknown): boolean => flag === null || typeof flag === 'boolean';
  return isRecord(value) && Number.isFinite(value['at']) && isFlag(value['live']) && isFlag(value['ready']);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
