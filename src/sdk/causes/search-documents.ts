/** Documents by collection against before, as far as `search_documents` tells. */

import { count, plural, safeName } from '../format.ts';
import { newestOf } from './search-probes.ts';
import type { Level } from './service-series.ts';

/** Share of its documents that a collection must have lost to count as shrunk. */
export const SHRUNK = 0.2;

export const collectionSlot = (level: Level) => {
  const collection = level.labels['collection'];
  return collection === undefined ? {} : { collection };
};

/** The collection that lost the largest share; null where nothing is known of before. */
export function mostShrunk(levels: readonly Level[]) {
  const known = levels.flatMap((level) => {
    const { before } = level;
    if (before === null || before <= 0) return [];
    const documents = newestOf(level);
    const name = safeName(level.labels['collection'] ?? 'the index', 60);
    const text = `${name} has ${plural(documents, 'document')}, ${count(before)} before`;
    return [{ level, lost: 1 - documents / before, name, text }];
  });
  return known.sort((a, b) => b.lost - a.lost)[0] ?? null;
}
