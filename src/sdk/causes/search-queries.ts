/** Other queries than before: the index is as it was, and what is asked of it is not in it. */

import type { AnyProbe, Hypothesis } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports, unknown } from '../evidence.ts';
import { percent, plural, safeName } from '../format.ts';
import { mostShrunk, SHRUNK } from './search-documents.ts';
import { engineProbe, newQueriesProbe, noBacklogProbe } from './search-probes.ts';
import { rateText, seriesQuestion, share, sumsAtOnset } from './service-questions.ts';
import { overLevels } from './service-series.ts';

export function queryChangeHypothesis(): Hypothesis {
  return {
    cause: 'query-change',
    title: 'Query change: a new version asks for what the index does not hold',
    prior: 0.12,
    on: 'self',
    requires: ['zero-share'],
    probes: [
      zeroShareProbe(),
      unshrunkProbe(),
      noBacklogProbe(0.7, 3),
      newQueriesProbe({ near: 3, none: 2.5, after: 4 }),
      engineWellProbe(),
    ],
    mitigations: ['search-deploy-history', 'rollback-queries', 'query-complexity'],
  };
}

function zeroShareProbe(): AnyProbe {
  return probe<'series'>({
    id: 'zero-share',
    factor: 'zero',
    title: 'searches that find nothing, against before',
    ask: (_symptom, facts) => seriesQuestion(facts, 'search_zero_results'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'search_queries')],
    judge({ points }, _symptom, facts, answered) {
      const queries = answered(seriesQuestion(facts, 'search_queries'));
      if (queries === null)
        return unknown('no_data', 'how many searches there are is not known', 'signals.search_queries');
      const zero = sumsAtOnset(points, facts);
      const all = sumsAtOnset(queries.points, facts);
      const [before, after] = [share(zero.before, all.before), share(zero.after, all.after)];
      const text = `${rateText(after)} of ${plural(all.after, 'search', 'searches')} find nothing, ${rateText(before)} before`;
      if (all.after === 0) return neutral('nothing was searched for since then');
      if (after >= before * 1.5 && after - before >= 0.02) return supports(1, text);
      return opposes(4, text, { headline: `${rateText(after)} of searches find nothing, as ever` });
    },
  });
}

/** What is not there cannot be found, whatever the query. */
function unshrunkProbe(): AnyProbe {
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
      const { name, lost, text } = worst;
      if (lost >= SHRUNK)
        return opposes(4, `${text}, which explains more`, { headline: `${name} shrank ${percent(lost)}` });
      return lost < SHRUNK / 2 ? supports(1, `${text}: as many as before`) : neutral(text);
    },
  );
}

function engineWellProbe(): AnyProbe {
  return engineProbe(
    { id: 'engine-well', factor: 'engine', title: 'what the search engine says of itself' },
    ({ healthy, problem, host }) => {
      const name = safeName(host, 80);
      if (healthy === true && problem === null) return neutral(`${name} says that it is well`);
      return opposes(4, `${name} is not well, which explains more`, { headline: `${name} is not well` });
    },
  );
}
