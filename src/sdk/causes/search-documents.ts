/** Documents by collection against before, as far as `search_documents` tells. */

import { safeName } from '../format.ts';
import { type Level, riseOf } from './service-series.ts';

/** Share of its documents that a collection must have lost to count as shrunk. */
export const SHRUNK = 0.2;

export const collectionSlot = (level: Level) => {
  const collection = level.labels['collection'];
  return collection === undefined ? {} : { collection };
};

/** The collection that lost the largest share; null where nothing is known of before. */
export function mostShrunk(levels: readonly Level[]) {
  const known = levels.flatMap((level) => {
    const rise = riseOf(level);
    return rise === null
      ? []
      : [{ level, lost: 1 - rise, name: safeName(level.labels['collection'] ?? 'the index', 60) }];
  });
  return known.sort((a, b) => b.lost - a.lost)[0] ?? null;
}
