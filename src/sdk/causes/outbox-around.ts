/** Probes of what stands around an outbox: what it feeds, and the log of its worker. */

import type { Question, Target } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes } from '../evidence.ts';
import { count, safeName } from '../format.ts';
import { processedProbe } from './outbox-probes.ts';
import { refusesWrites } from './search-engine.ts';
import { engineQuestion, engineQuestions, engineWasDown } from './search-probes.ts';
import { changesQuestion, FEW_MESSAGES, logShare, logsQuestion } from './service-questions.ts';
import { weighed } from './weighed.ts';

/** What the outbox feeds: search engines whose configuration says that they depend on its database. */
const fed = ({ dependents = [] }: Facts): readonly Target[] => dependents.filter(({ kind }) => kind === 'search');

/** That what the outbox feeds takes nothing explains a worker that fails or waits. */
export function downstreamWellProbe(weight: number): AnyProbe {
  return probe({
    id: 'downstream',
    factor: 'downstream',
    title: 'whether the search engines that it feeds take writes',
    ask: (_symptom, facts) => changesQuestion(facts),
    also: (_symptom, facts) => fed(facts).flatMap(({ name }) => engineQuestions(facts, name)),
    judge(_changes, _symptom, facts, answered) {
      const refusals = fed(facts).flatMap(({ name }) => {
        const engine = answered(engineQuestion(facts, name));
        const was = engineWasDown(facts, name, answered);
        const refuses = engine === null ? null : refusesWrites(engine);
        return refuses ?? (was === null ? [] : `${safeName(name, 60)}: ${was}`);
      });
      if (refusals.length === 0) return neutral('no search engine that it feeds is known to refuse writes');
      const observed = refusals.join(', ');
      return opposes(weight, `${observed}, which explains it`, { headline: observed });
    },
  });
}

/** Whoever of those that depend on the database has the worker's log: the database itself has none. */
function workerLogOf(facts: Facts): Question<'logs.errors'> | null {
  const group = String(facts.options['workerLogGroup'] ?? '');
  const owner = (facts.dependents ?? []).find(({ slots }) => group !== '' && slots['logGroup'] === group);
  return owner === undefined ? null : logsQuestion(facts, owner);
}

/** What the worker says: that its work fails, or nothing. */
export function workerMessagesProbe(weights: { readonly fails: number; readonly quiet: number }): AnyProbe {
  return probe({
    id: 'worker-messages',
    factor: 'worker-log',
    title: "the worker's error messages, against before",
    ask: (_symptom, facts) => changesQuestion(facts),
    also: (_symptom, facts) => {
      const question = workerLogOf(facts);
      return question === null ? [] : [question];
    },
    judge(_changes, _symptom, facts, answered) {
      const question = workerLogOf(facts);
      const logs = question === null ? null : answered(question);
      if (logs === null) return neutral("the worker's log is not read");
      const { all, top } = logShare(logs, facts, () => true);
      if (all < FEW_MESSAGES || top === null) {
        return weighed(weights.quiet, 'the worker writes no more errors than before', { headline: 'no more errors' });
      }
      const said = safeName(top.template, 120);
      return weighed(weights.fails, `${count(all)} more error messages than before: ${said}`, {
        headline: `the worker writes errors: ${safeName(top.template, 60)}`,
      });
    },
  });
}

/** For the causes of others: whether the worker does less than before at all. */
export function workerSuffersProbe(): AnyProbe {
  return processedProbe({ none: 1.2, less: 1, same: -4.5 });
}
