import {
  beyond,
  count,
  defineDetector,
  duration,
  errorRateAbove,
  indexerBehindHypotheses,
  indexShrunkHypotheses,
  integer,
  lifecycleOptions,
  mitigationsOf,
  number,
  percent,
  plural,
  points,
  queryChangeHypothesis,
  type Reading,
  type RuleSymptom,
  rateText,
  safeName,
  searchEngineDownHypotheses,
  searchMitigations,
} from 'runbookd/sdk';

/** Subject of the share of searches that find nothing; that of a collection is its name. */
const ZERO_RESULTS = 'zero-results';
/** From this share of lost documents on, most searches of the collection find nothing. */
const CRITICAL_LOSS = 0.8;

/** What a collection held before: its baseline, else the most of the last hour, where it fell to nothing. */
function usualDocuments(reading: Reading): number | null {
  const newest = reading.samples.at(-1);
  if (newest === undefined) return null;
  if (newest.band.ready) return newest.band.expected;
  const most = reading.samples.reduce((max, sample) => Math.max(max, sample.value), 0);
  return newest.value === 0 && most > 0 ? most : null;
}

const hypotheses = [
  ...searchEngineDownHypotheses(),
  ...indexShrunkHypotheses(),
  ...indexerBehindHypotheses(),
  queryChangeHypothesis(),
];

export const detector = defineDetector({
  id: 'search-no-results',
  title: 'Search returns nothing',
  why: 'Users find nothing that is there, take it for sold out or gone, and leave; nothing fails, so nobody else tells.',
  runbook: 'Search Service / Search Not Returning Results',
  target: 'search',
  signals: {
    up: { signal: 'search_up', unit: 'bool', required: false, description: 'whether the engine says that it is well' },
    documents: {
      signal: 'search_documents',
      unit: 'count',
      required: false,
      description: 'documents by collection',
    },
    queries: {
      signal: 'search_queries',
      unit: 'count',
      required: false,
      description: 'searches of users, bound by hand',
    },
    zeroResults: {
      signal: 'search_zero_results',
      unit: 'count',
      required: false,
      description: 'searches that found nothing, bound by hand',
    },
  },
  options: {
    ...lifecycleOptions({ pollSeconds: 30, holdSeconds: 0, clearPolls: 2, clearSeconds: 120 }),
    needPolls: integer(2, 'polls in a row that must show it: the engine down, a collection shrunk', {
      unit: 'polls',
      minimum: 1,
      maximum: 20,
    }),
    shrunkPercent: number(20, 'share of its usual documents that a collection must have lost', {
      unit: '%',
      minimum: 1,
      maximum: 100,
    }),
    minimumDocuments: integer(20, 'and so many documents at least', { unit: 'documents', minimum: 1 }),
    zeroExcessPoints: number(5, 'how far the share of searches without a result must be above its baseline', {
      unit: 'percentage points',
      minimum: 0.1,
      maximum: 100,
    }),
    shortSeconds: integer(300, 'the short window', { unit: 's', minimum: 10, maximum: 3600 }),
    longSeconds: integer(3600, 'the long window', { unit: 's', minimum: 10, maximum: 3600 }),
    minimumZeroResults: integer(20, 'searches without a result that there must be in the window', {
      unit: 'searches',
      minimum: 1,
    }),
    significance: number(1e-6, 'chance of so many at the baseline share, below which it is no chance', {
      minimum: 1e-12,
      maximum: 0.05,
    }),
    criticalZeroPercent: number(50, 'share of searches without a result from which it is critical', {
      unit: '%',
      minimum: 1,
      maximum: 100,
    }),
  },
  rule({ options: o, readings, target, active, now }) {
    const plain = (signal: string): Reading | undefined =>
      readings(signal).find((one) => Object.keys(one.labels).length === 0);
    const up = plain('search_up');
    const collections = readings('search_documents');
    const queries = plain('search_queries');
    const zero = plain('search_zero_results');
    if (up === undefined && collections.length === 0 && queries === undefined)
      return { state: 'no_data', signals: ['search_up', 'search_documents', 'search_queries'] };
    const symptoms: RuleSymptom[] = [];
    const unjudged: string[] = [];
    let at = 0;

    if (up === undefined) unjudged.push('');
    else {
      at = up.samples.at(-1)?.at ?? 0;
      const down = beyond(up, { limit: 0.5, direction: 'below', need: o.needPolls }, active(''));
      if (down !== null) {
        const since = duration((now - down.onset.latest) / 1000);
        symptoms.push({
          subject: '',
          severity: 'critical',
          headline: 'search engine down',
          summary: `The search engine of ${target.name} has not been well for ${since}.`,
          onset: down.onset,
          readings: points([up]),
        });
      }
    }

    for (const reading of collections) {
      const collection = reading.labels['collection'] ?? '';
      const newest = reading.samples.at(-1);
      if (collection === '' || newest === undefined) continue;
      const usual = usualDocuments(reading);
      if (usual === null) {
        if (active(collection)) unjudged.push(collection);
        continue;
      }
      at = Math.max(at, newest.at);
      const limit = Math.min(usual * (1 - o.shrunkPercent / 100), usual - o.minimumDocuments);
      // It must come half the way back to clear, so that a collection that is being filled again does not flap.
      const fell = beyond(
        reading,
        { limit, clear: (limit + usual) / 2, direction: 'below', need: o.needPolls },
        active(collection),
      );
      if (fell === null) continue;
      const lost = 1 - newest.value / usual;
      const name = safeName(collection, 60);
      symptoms.push({
        subject: collection,
        severity: lost >= CRITICAL_LOSS ? 'critical' : 'error',
        headline: newest.value === 0 ? `${name} is empty` : `${name} shrank ${percent(lost)}`,
        summary: `The collection ${name} of ${target.name} has ${plural(newest.value, 'document')}; usual are ${count(usual)}.`,
        onset: fell.onset,
        readings: points([reading]),
      });
    }

    if (queries !== undefined && zero !== undefined) {
      const rule = {
        excess: o.zeroExcessPoints / 100,
        shortMs: o.shortSeconds * 1000,
        longMs: o.longSeconds * 1000,
        minimumErrors: o.minimumZeroResults,
        significance: o.significance,
      };
      const judged = errorRateAbove(zero, queries, rule, active(ZERO_RESULTS));
      if (judged.state === 'not_ready') unjudged.push(ZERO_RESULTS);
      else at = Math.max(at, judged.state === 'clear' ? judged.at : judged.departure.at);
      if (judged.state === 'departed') {
        const { rate, baseline, errors, requests, window, onset } = judged.departure;
        const span = duration((window === 'long' ? rule.longMs : rule.shortMs) / 1000);
        symptoms.push({
          subject: ZERO_RESULTS,
          severity: rate >= o.criticalZeroPercent / 100 ? 'critical' : 'error',
          headline: `results empty for ${rateText(rate)} of searches (baseline ${rateText(baseline)})`,
          summary: `${rateText(rate)} of the searches in ${target.name} found nothing in the last ${span}: ${count(errors)} of ${count(requests)}. The baseline is ${rateText(baseline)}.`,
          onset,
          readings: points([zero, queries]),
        });
      }
    } else if (active(ZERO_RESULTS)) unjudged.push(ZERO_RESULTS);

    if (at === 0) return { state: 'not_ready', signals: ['search_documents', 'search_zero_results'] };
    return { state: 'judged', at, symptoms, unjudged };
  },
  hypotheses,
  mitigations: mitigationsOf(hypotheses, searchMitigations),
});
