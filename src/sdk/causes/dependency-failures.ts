/** At what calls to a vendor fail, as their counter and the messages of the callers tell: it shows whose trouble it is. */

import type { LogErrorsAnswer, LogKind, Question } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral } from '../evidence.ts';
import { count, percent } from '../format.ts';
import { excessBy } from './label-excess.ts';
import { excessOf, FEW_MESSAGES, isHostOf, logsQuestion, seriesQuestion } from './service-questions.ts';
import { weighed } from './weighed.ts';

/** At what a call failed; `unreached`: refused, reset or without an answer. */
export type FailureKind = 'limited' | 'credentials' | 'dns' | 'tls' | 'unreached' | 'server' | 'other';

/** First match wins. */
const KINDS: readonly (readonly [FailureKind, RegExp])[] = [
  ['limited', /\b429\b|rate.?limit|throttl|quota|too.?many.?requests/i],
  ['dns', /\bdns\b|ENOTFOUND|EAI_|resolv|resolution|nxdomain/i],
  ['tls', /\btls\b|\bssl\b|cert|x509|handshake/i],
  ['credentials', /\b40[13]\b|auth|api.?key|credential|forbidden|denied|signature|token/i],
  ['server', /\b5\d\d\b|^5xx$|server|unavailable|api_error|bad.?gateway/i],
  ['unreached', /refused|time.?d?.?out|reset|ECONN|unreach|network|connect|socket|egress/i],
];

export function failureKind(label: string): FailureKind {
  return KINDS.find(([, pattern]) => pattern.test(label))?.[0] ?? 'other';
}

const OF_LOGS: Readonly<Partial<Record<LogKind, FailureKind>>> = {
  'rate-limited': 'limited',
  'name-resolution': 'dns',
  authentication: 'credentials',
  tls: 'tls',
  refused: 'unreached',
  timeout: 'unreached',
};

const KIND_WORDS: Readonly<Record<FailureKind, string>> = {
  limited: 'at a limit (429)',
  credentials: 'at our credentials',
  dns: 'at its name',
  tls: 'at TLS',
  unreached: 'without an answer',
  server: 'with an error of its own',
  other: 'at something else',
};

/** Fewer failed calls prove nothing. */
export const FEW = 5;

export type KindWeights = Readonly<Partial<Record<FailureKind, number>>> & {
  /** For any other kind that dominates, but `other`, which says nothing. */
  readonly else: number;
};

function judgeKinds(parts: readonly (readonly [FailureKind, number])[], what: string, weights: KindWeights) {
  const all = parts.reduce((sum, [, n]) => sum + n, 0);
  const [top] = [...parts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  if (top === undefined || all < FEW) return neutral(`no more ${what} than before`);
  const [kind, n] = top;
  const observed = `${percent(n / all)} of ${count(all)} additional ${what} failed ${KIND_WORDS[kind]}`;
  if (n / all < 0.5 || kind === 'other') return neutral(observed);
  const weight = weights[kind] ?? weights.else;
  return weighed(weight, observed, { headline: `calls fail ${KIND_WORDS[kind]}` });
}

/** At what our calls fail, by the label that their counter carries. */
export function failureReasonsProbe(weights: KindWeights): AnyProbe {
  return probe({
    id: 'failure-reasons',
    factor: 'reasons',
    title: 'at what our calls to it fail',
    ask: (_symptom, facts) => seriesQuestion(facts, 'dependency_errors'),
    judge({ points }, _symptom, facts) {
      const excess = excessBy(points, facts, (labels) =>
        failureKind(labels['reason'] ?? labels['status'] ?? labels['code'] ?? labels['error_type'] ?? ''),
      );
      const parts = excess.parts.map(({ name, excess: n }) => [name as FailureKind, n] as const);
      return judgeKinds(parts, 'failed calls', weights);
    },
  });
}

/** Messages of who calls it: of the first dependent that has a log, else of the target's own. */
export function callerLogs(facts: Facts): Question<'logs.errors'> {
  const caller = (facts.dependents ?? []).find(({ slots }) => slots['logGroup'] !== undefined);
  return logsQuestion(facts, caller ?? facts.target);
}

function kindsSaid(logs: LogErrorsAnswer, facts: Facts, wanted: boolean): readonly (readonly [FailureKind, number])[] {
  const sums = new Map<FailureKind, number>();
  for (const template of logs.templates) {
    // Of all its callers' messages only those that name a host can be told apart.
    if (template.host === null || isHostOf(template.host, facts.on.hosts ?? []) !== wanted) continue;
    const kind = OF_LOGS[template.kind] ?? 'other';
    sums.set(kind, (sums.get(kind) ?? 0) + excessOf(template, logs, facts));
  }
  return [...sums].map(([kind, n]) => [kind, Math.round(n)] as const);
}

export function failureMessagesProbe(weights: KindWeights): AnyProbe {
  return probe({
    id: 'failure-messages',
    factor: 'logs',
    title: 'what the messages of its callers say of it',
    ask: (_symptom, facts) => callerLogs(facts),
    judge: (logs, _symptom, facts) => judgeKinds(kindsSaid(logs, facts, true), 'messages that name it', weights),
  });
}

/** Whether calls to others fail in the same way: then it is our way out, and not the vendor. */
export function othersFailProbe(weights: { readonly alike: number; readonly alone: number }): AnyProbe {
  return probe({
    id: 'others-fail',
    factor: 'others',
    title: 'whether calls to other hosts fail in the same way',
    ask: (_symptom, facts) => callerLogs(facts),
    judge(logs, _symptom, facts) {
      const own = new Map(kindsSaid(logs, facts, true).filter(([kind]) => kind !== 'other'));
      const others = kindsSaid(logs, facts, false).filter(([kind]) => own.has(kind));
      const mine = [...own.values()].reduce((sum, n) => sum + n, 0);
      const theirs = others.reduce((sum, [, n]) => sum + n, 0);
      if (mine < FEW_MESSAGES) return neutral('hardly any new message names it');
      const observed = `${count(mine)} more messages than before name it, ${count(theirs)} name other hosts in the same way`;
      if (theirs >= Math.max(FEW_MESSAGES, mine * 0.2)) {
        return weighed(weights.alike, observed, { headline: 'calls to others fail in the same way' });
      }
      return weighed(weights.alone, observed, { headline: 'calls to others do not fail' });
    },
  });
}
