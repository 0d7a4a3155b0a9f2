/** The index does not hold what is searched for any more: documents, or a whole collection, are gone. */

import type { AnyProbe, Hypothesis } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { percent, plural, safeName } from '../format.ts';
import { collectionSlot, mostShrunk, SHRUNK } from './search-documents.ts';
import { engineProbe, fallbackProbe, noBacklogProbe } from './search-probes.ts';
import { overLevels } from './service-series.ts';

export function indexShrunkHypotheses(): readonly Hypothesis[] {
  const mitigations = ['collection-stats', 'reindex-dry-run', 'reindex', 'fallback'];
  return [
    {
      cause: 'index-shrunk',
      title: 'Index shrunk: documents are gone from a collection',
      prior: 0.12,
      on: 'self',
      requires: ['documents'],
      probes: [documentsProbe(4, 4), missingProbe(false), noBacklogProbe(0.5, 3), fallbackProbe()],
      mitigations,
    },
    {
      cause: 'index-shrunk',
      variant: 'collection-missing',
      title: 'Index shrunk: the engine does not know the collection any more',
      prior: 0.06,
      on: 'self',
      requires: ['collection-missing'],
      probes: [missingProbe(true), documentsProbe(1, 4), fallbackProbe()],
      mitigations,
    },
  ];
}

/** `search_documents` by collection against before: the one that lost the largest share. */
function documentsProbe(ifFell: number, ifFlat: number): AnyProbe {
  return overLevels(
    {
      id: 'documents',
      factor: 'documents',
      title: 'documents by collection, against before',
      signal: 'search_documents',
    },
    (levels) => {
      const worst = mostShrunk(levels);
      if (worst === null) return neutral('how many documents there were before is not known');
      const { name, lost, level, text } = worst;
      if (lost < SHRUNK) {
        const headline = `${name} has as many documents as before`;
        return lost < SHRUNK / 2 ? opposes(ifFlat, text, { headline }) : neutral(text);
      }
      const headline = `${name} shrank ${percent(lost)}`;
      return supports(ifFell, `${text}: it shrank by ${percent(lost)}`, { headline, slots: collectionSlot(level) });
    },
  );
}

function missingProbe(isIt: boolean): AnyProbe {
  return engineProbe(
    { id: 'collection-missing', factor: 'missing', title: 'whether the engine knows the collections' },
    ({ collections, host, healthy }) => {
      if (healthy !== true) return neutral('the engine does not say which collections it has');
      const gone = collections.filter((one) => one.missing === true).map((one) => one.name);
      const names = gone.map((name) => safeName(name, 60)).join(', ');
      if (gone.length === 0) {
        const text = `${safeName(host, 80)} knows its ${plural(collections.length, 'collection')}`;
        return isIt ? opposes(5, text, { headline: 'every collection is there' }) : neutral(text);
      }
      const text = `${safeName(host, 80)} does not know ${names}`;
      if (!isIt) return opposes(5, `${text}: it is gone as a whole`, { headline: `${names} is missing` });
      return supports(6, text, { headline: `${names} is missing`, slots: { collection: gone[0]! } });
    },
  );
}
