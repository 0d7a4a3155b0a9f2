/** The memory of services as bytes, and back. What is damaged, of another version, or of another service is left out. */

import type { StoppedTask } from '../../../model/aws.ts';
import type { SeenDeployment } from './deployments.ts';
import { type CountPoint, MAX_STOPS, type SeenImages, type ServiceMemory } from './memory.ts';
import type { Rollback } from './rollbacks.ts';
import type { KeptStop, TaskSize } from './task-facts.ts';

const VERSION = 1;

type Row = Readonly<Record<string, unknown>>;

/** `of`: cluster and service, so that a target that was given another service does not inherit. */
export function packMemories(
  memories: ReadonlyMap<string, { readonly of: string; readonly memory: ServiceMemory }>,
): Uint8Array {
  const services = Object.fromEntries(
    [...memories].map(([target, { of, memory }]) => [target, { of, ...pack(memory) }]),
  );
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, services }));
}

/** Null when it is none of ours. */
export function unpackMemories(
  bytes: Uint8Array,
): ReadonlyMap<string, { readonly of: string; readonly memory: Partial<ServiceMemory> }> | null {
  try {
    const state: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!isRow(state) || state['version'] !== VERSION || !isRow(state['services'])) return null;
    return new Map(
      Object.entries(state['services']).flatMap(([target, saved]) =>
        isRow(saved) && typeof saved['of'] === 'string' ? [[target, { of: saved['of'], memory: unpack(saved) }]] : [],
      ),
    );
  } catch {
    return null;
  }
}

function pack(memory: ServiceMemory): Partial<ServiceMemory> {
  const { counts, stopped, deployments, rollbacks, primary, images, size, desired, lastPollAt, eventsSeenTo } = memory;
  return { counts, stopped, deployments, rollbacks, primary, images, size, desired, lastPollAt, eventsSeenTo };
}

function unpack(saved: Row): Partial<ServiceMemory> {
  const size = saved['size'];
  return {
    counts: rows(saved['counts'], ['at', 'desired', 'running', 'pending'], []) as unknown as readonly CountPoint[],
    stopped: (
      rows(saved['stopped'], ['stoppedAt'], ['id', 'version', 'kind', 'reason']) as unknown as readonly KeptStop[]
    )
      .filter(({ containers }: Pick<StoppedTask, 'containers'>) => Array.isArray(containers))
      .slice(0, MAX_STOPS),
    deployments: (
      rows(saved['deployments'], ['createdAt'], ['id', 'version']) as unknown as readonly SeenDeployment[]
    ).filter(({ told }) => Array.isArray(told)),
    rollbacks: (
      rows(saved['rollbacks'], [], ['deployment', 'from', 'to', 'reason']) as unknown as readonly Rollback[]
    ).filter(({ at }) => typeof at?.earliest === 'number' && typeof at.latest === 'number'),
    primary: typeof saved['primary'] === 'string' ? saved['primary'] : null,
    images: (rows(saved['images'], ['at'], ['version']) as unknown as readonly SeenImages[]).filter(
      ({ images, variants }) => Array.isArray(images) && Array.isArray(variants),
    ),
    size: isRow(size) && typeof size['version'] === 'string' ? (size as unknown as TaskSize) : null,
    desired: numberOr(saved['desired'], null),
    lastPollAt: numberOr(saved['lastPollAt'], null),
    eventsSeenTo: numberOr(saved['eventsSeenTo'], 0),
  };
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Those that have the numbers and texts that are worked with; the rest is our own, perhaps of another version. */
function rows(value: unknown, numbers: readonly string[], texts: readonly string[]): readonly Row[] {
  if (!Array.isArray(value)) return [];
  return value.filter(
    (one): one is Row =>
      isRow(one) &&
      numbers.every((key) => typeof one[key] === 'number') &&
      texts.every((key) => typeof one[key] === 'string'),
  );
}

function numberOr<T>(value: unknown, otherwise: T): number | T {
  return typeof value === 'number' ? value : otherwise;
}
