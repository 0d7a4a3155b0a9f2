/** What the RDS source remembers of an instance, as JSON and back. */

import type { EpochMs } from '../../../model/glossary.ts';
import type { Status } from './instance.ts';
import { type LostRule, MEMORY_MS, type NetworkMemory } from './network.ts';

export interface InstanceState {
  readonly status: Status | null;
  /** Events up to then were read. */
  readonly eventsTo: EpochMs | null;
  /** Ids of the changes told out of events, with the events' times. */
  readonly told: ReadonlyMap<string, EpochMs>;
  readonly network: NetworkMemory | null;
}

export const NOTHING: InstanceState = { status: null, eventsTo: null, told: new Map(), network: null };

const VERSION = 1;

export function packStates(states: ReadonlyMap<string, InstanceState>): Uint8Array {
  const instances = [...states].map(([target, state]) => ({ target, ...state, told: [...state.told] }));
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, instances }));
}

/** Empty for anything that is not what `packStates` made; parts that are not are left out. */
export function unpackStates(bytes: Uint8Array): ReadonlyMap<string, InstanceState> {
  try {
    const state: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!isRecord(state) || state['version'] !== VERSION) return new Map();
    const instances = recordsIn(state['instances']);
    return new Map(
      instances.flatMap((each) => (isText(each['target']) ? [[each['target'], instanceOf(each)] as const] : [])),
    );
  } catch {
    return new Map();
  }
}

/** Without what is too old to matter. */
export function trim(state: InstanceState, now: EpochMs): InstanceState {
  return { ...state, told: new Map([...state.told].filter(([, at]) => now - at <= MEMORY_MS)) };
}

function instanceOf({ status, eventsTo, told, network }: Readonly<Record<string, unknown>>): InstanceState {
  return {
    status: isRecord(status) && isText(status['status']) && isTime(status['at']) ? (status as unknown as Status) : null,
    eventsTo: isTime(eventsTo) ? eventsTo : null,
    told: new Map(
      Array.isArray(told)
        ? told.filter((each): each is [string, EpochMs] => Array.isArray(each) && isText(each[0]) && isTime(each[1]))
        : [],
    ),
    network: isRecord(network) ? networkOf(network) : null,
  };
}

function networkOf({ port, at, seen, lost }: Readonly<Record<string, unknown>>): NetworkMemory | null {
  if (!isTime(port) || !isTime(at)) return null;
  const isRule = (each: Readonly<Record<string, unknown>>): boolean =>
    isText(each['group']) && isText(each['source']) && isTime(each['seenAt']);
  return {
    port,
    at,
    seen: recordsIn(seen).filter(isRule) as unknown as NetworkMemory['seen'],
    lost: recordsIn(lost).filter((each) => isRule(each) && isTime(each['lostBy'])) as unknown as readonly LostRule[],
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function recordsIn(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
