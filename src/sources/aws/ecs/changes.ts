/** From what was seen of a service to changes, each told once. Pure: what has been told is in what it gives back. */

import type { Change } from '../../../model/change.ts';
import type { EpochMs, Interval } from '../../../model/glossary.ts';
import type { SeenDeployment, Told } from './deployments.ts';
import { type SeenImages, since } from './memory.ts';
import type { Rollback } from './rollbacks.ts';
import type { LiveTask } from './task-facts.ts';

export interface ServiceName {
  readonly target: string;
  readonly cluster: string;
  readonly service: string;
}

/** Of the first poll after a start without a memory. */
const FIRST_MS = 2 * 60 * 60_000;

const idOf = ({ cluster, service }: ServiceName, ...rest: readonly string[]): string =>
  ['ecs', `${cluster}/${service}`, ...rest].join(':');

export const sourceOf = ({ cluster, service }: ServiceName, action = 'DescribeServices'): string =>
  `api: ecs:${action} ${cluster}/${service}`;

/**
 * @param before the last poll; null at the first, which tells of the last two hours
 * @param images of the revisions, for the changes
 */
export function deploymentChanges(
  name: ServiceName,
  seen: readonly SeenDeployment[],
  rollbacks: readonly Rollback[],
  before: EpochMs | null,
  images: readonly SeenImages[],
  now: EpochMs,
): { readonly changes: readonly Change[]; readonly seen: readonly SeenDeployment[] } {
  const from = Math.min(now - FIRST_MS, before ?? now);
  const changes: Change[] = [];
  const told = seen.map((one): SeenDeployment => {
    const taken = rollbacks.find(({ deployment }) => deployment === one.id);
    const states: readonly (readonly [Told, Interval | null, string])[] = [
      ['started', one.rollback ? null : { earliest: one.createdAt, latest: one.createdAt }, startedText(one)],
      ['completed', one.rollback ? null : one.completedAt, `deployment of ${one.version} completed`],
      [
        'failed',
        one.failedAt ?? taken?.at ?? null,
        `deployment of ${one.version} failed${why(taken?.reason ?? one.reason)}`,
      ],
      [
        'rolled_back',
        taken?.at ?? null,
        `deployment of ${one.version} rolled back to ${taken?.to}${why(taken?.reason)}`,
      ],
    ];
    const fresh = states.filter(([state, at]) => at !== null && !one.told.includes(state));
    for (const [state, at, text] of fresh) {
      // Its last update may be a change of the desired count long after: then only its creation tells how old it is.
      const when = before === null && state === 'completed' && at!.earliest !== at!.latest ? one.createdAt : at!.latest;
      if (when < from) continue;
      const digests = images.find(({ version }) => version === one.version)?.images ?? [];
      changes.push({
        id: idOf(name, one.id, state),
        target: name.target,
        kind: 'deployment',
        summary: `${name.service}: ${text}`,
        at: at!,
        source: sourceOf(name),
        deployment: {
          version: one.version,
          previous: state === 'rolled_back' ? (taken?.to ?? one.previous) : one.previous,
          state,
          ...(digests.length === 0 ? {} : { images: digests }),
        },
      });
    }
    return fresh.length === 0 ? one : { ...one, told: [...one.told, ...fresh.map(([state]) => state)] };
  });
  return { changes: changes.toSorted((a, b) => a.at.latest - b.at.latest), seen: told };
}

function startedText(one: SeenDeployment): string {
  if (one.previous === one.version) return `deployment of ${one.version} started anew, same revision`;
  return `deployment of ${one.version} started${one.previous === null ? '' : `, before it ${one.previous}`}`;
}

const why = (reason: string | null | undefined): string => (reason == null ? '' : `: ${reason.replace(/\.$/, '')}`);

export function desiredChange(
  name: ServiceName,
  from: number | null,
  to: number,
  before: EpochMs | null,
  now: EpochMs,
): readonly Change[] {
  if (from === null || from === to) return [];
  return [
    {
      id: idOf(name, 'desired', `${from}-${to}`, String(now)),
      target: name.target,
      kind: 'setting',
      summary: `${name.service}: desired count ${from} → ${to}`,
      at: since(before, now),
      source: sourceOf(name),
      routine: true,
    },
  ];
}

/**
 * The same revision with other images: a tag that was moved. Compared with the newest task of each revision, so that an
 * old task beside a new one is not a second change.
 */
export function imageChanges(
  name: ServiceName,
  known: readonly SeenImages[],
  tasks: readonly LiveTask[],
): { readonly changes: readonly Change[]; readonly images: readonly SeenImages[] } {
  const images = new Map(known.map((one) => [one.version, one]));
  const changes: Change[] = [];
  const whole = tasks.filter((task) => task.images.length > 0 && task.createdAt !== null);
  for (const task of whole.toSorted((a, b) => a.createdAt! - b.createdAt!)) {
    const at = task.createdAt!;
    const old = images.get(task.version);
    if (old !== undefined && old.at > at) continue;
    const variant = task.images.join();
    const variants = old?.variants ?? [];
    const known = variants.includes(variant);
    const all = known ? variants : [...variants, variant].slice(-10);
    images.set(task.version, { version: task.version, images: task.images, at, variants: all });
    if (old === undefined || known) continue;
    const digest = task.images.find((image) => !old.images.includes(image)) ?? task.images[0]!;
    changes.push({
      id: idOf(name, 'image', task.version, String(at), short(digest)),
      target: name.target,
      kind: 'deployment',
      summary: `${name.service}: ${task.version} runs another image, ${short(digest)}, under the same revision`,
      at: { earliest: at, latest: Math.max(at, task.startedAt ?? at) },
      source: sourceOf(name, 'DescribeTasks'),
      deployment: { version: task.version, previous: task.version, state: 'started', images: task.images },
    });
  }
  const newest = [...images.values()].toSorted((a, b) => b.at - a.at).slice(0, 20);
  return { changes, images: newest };
}

const short = (digest: string): string => digest.slice(0, 'sha256:'.length + 12);
