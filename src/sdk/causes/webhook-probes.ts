/**
 * Probes of webhooks: which check they fail, and what the messages say of it. The messages are those of Stripe's own
 * libraries: https://docs.stripe.com/webhooks/signature
 */

import type { LogTemplate } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, percent, plural, safeName } from '../format.ts';
import { excessBy } from './label-excess.ts';
import type { Points } from './service-questions.ts';
import {
  changesQuestion,
  FEW_MESSAGES,
  logShare,
  logsQuestion,
  rateText,
  seriesQuestion,
  share,
  sumsAtOnset,
} from './service-questions.ts';

export const WEBHOOK_OK = 'ok';
const SIGNATURE = 'signature_failed';
const HANDLER = 'handler_failed';

/** `Webhook payload must be provided as a string or a Buffer … Payload was provided as a parsed JavaScript object`. */
const PARSED =
  /parsed JavaScript object|payload must be provided as a string or a Buffer|must be provided as .{0,40}raw.{0,10} request body/i;
/** `Timestamp outside the tolerance zone`. */
const CLOCK = /timestamp (?:is )?(?:outside (?:of )?the tolerance|too (?:old|new|far))/i;
/** `No signatures found matching the expected signature for payload`. */
const MISMATCH =
  /no signatures? found matching|webhook signature verification failed|signature (?:mismatch|does not match|verification failed|invalid)/i;

/** Fewer failures tell nothing of what they are. */
export const FEW_WEBHOOKS = 5;

/** Who sends the webhooks that the symptom is about. */
export const sourceOf = (facts: Facts): string => String(facts.options['source'] ?? 'stripe');

/** Events of the source that the symptom is about. */
export function ofSource(points: Points | null | undefined, facts: Facts): Points {
  const source = sourceOf(facts);
  return (points ?? []).filter(({ labels }) => (labels['source'] ?? source) === source);
}

interface Results {
  readonly signature: number;
  readonly handler: number;
  readonly all: number;
  /** Of the failures. */
  readonly share: number;
  /** Signature failures of all that came. */
  readonly rate: number;
}

function resultsOf(points: Points, facts: Facts): Results {
  const excess = excessBy(points, facts, ({ result }) =>
    result === undefined || result === WEBHOOK_OK ? null : result,
  );
  const of = (name: string): number => excess.parts.find((one) => one.name === name)?.excess ?? 0;
  const after = sumsAtOnset(points, facts).after;
  const [signature, handler] = [of(SIGNATURE), of(HANDLER)];
  return {
    signature,
    handler,
    all: excess.all,
    share: share(signature, excess.all),
    rate: share(signature, after),
  };
}

interface ByResult {
  /** Nearly all failures are of signatures, and nearly all that comes fails. */
  readonly signatures: number;
  readonly handler: number;
}

/** Which check fails: the signature's, or the handler behind it. */
export function webhookResultsProbe({ signatures, handler }: ByResult): AnyProbe {
  return probe({
    id: 'results',
    factor: 'results',
    title: 'what came of the webhooks',
    ask: (_symptom, facts) => seriesQuestion(facts, 'webhook_events'),
    judge({ points }, _symptom, facts) {
      const found = resultsOf(ofSource(points, facts), facts);
      const observed = `${percent(found.share)} of ${plural(Math.round(found.all), 'additional failure')} are of signatures, ${rateText(found.rate)} of all that came`;
      if (found.all < FEW_WEBHOOKS) return neutral(observed);
      const judged = (weight: number, headline: string) =>
        weight === 0
          ? neutral(observed)
          : weight > 0
            ? supports(weight, observed, { headline })
            : opposes(weight, observed, { headline });
      if (found.share >= 0.9) {
        const headline = `${rateText(found.rate)} of webhooks fail their signature`;
        // Some requests always carry none: a secret that is wrong lets nothing pass.
        return found.rate >= 0.8 || signatures < 0 ? judged(signatures, headline) : judged(signatures / 3, headline);
      }
      return found.share <= 0.3 ? judged(handler, 'signatures are fine, the handler fails') : neutral(observed);
    },
  });
}

interface ByMessage {
  readonly parsed: number;
  readonly clock: number;
  readonly mismatch: number;
}

/** What the library says of the signature. */
export function signatureMessagesProbe({ parsed, clock, mismatch }: ByMessage): AnyProbe {
  return probe({
    id: 'signature-messages',
    factor: 'logs',
    title: 'what the messages say of the signature',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const of = (pattern: RegExp) => logShare(logs, facts, ({ template }: LogTemplate) => pattern.test(template));
      const kinds = [
        { found: of(PARSED), weight: parsed },
        { found: of(CLOCK), weight: clock },
        { found: of(MISMATCH), weight: mismatch },
      ];
      const all = kinds[0]!.found.all;
      if (all < FEW_MESSAGES) return neutral('no more error messages than before');
      // The general message repeats the advice about the raw body: the particular ones come first.
      const most = kinds.find(({ found }) => found.share >= 0.3);
      if (most === undefined || most.found.top === null) return neutral('the messages do not speak of signatures');
      const observed = `${most.found.fitting} of ${all} additional error messages: ${safeName(most.found.top.template, 120)}`;
      const headline = safeName(most.found.top.template, 60);
      if (most.weight === 0) return neutral(observed);
      return most.weight > 0
        ? supports(most.weight, observed, { headline })
        : opposes(most.weight, observed, { headline });
    },
  });
}

/** A secret that was rotated, or an endpoint that was set up anew. */
export function secretChangeProbe(weight: number): AnyProbe {
  return probe({
    id: 'secret-change',
    factor: 'change',
    title: 'changes of secrets and endpoints in the 2 h before',
    ask: (_symptom, facts) => changesQuestion(facts),
    judge({ changes }, _symptom, facts) {
      const found = changes.findLast(
        ({ kind, summary, at }) =>
          kind !== 'deployment' &&
          /secret|webhook|endpoint|signing|rotat/i.test(summary) &&
          at.earliest <= facts.onset.latest,
      );
      if (found === undefined) return neutral('no change of a secret is known in the 2 h before');
      const observed = `${safeName(found.summary, 120)} at ${clockTime(found.at.latest)}`;
      return supports(weight, observed, { headline: `since ${safeName(found.summary, 60)}` });
    },
  });
}

/** Whether it began from one moment on: from none to all. */
export function fromOneMomentProbe(): AnyProbe {
  return probe({
    id: 'from-one-moment',
    factor: 'step',
    title: 'whether all failed from one moment on',
    ask: (_symptom, facts) => seriesQuestion(facts, 'webhook_events'),
    judge({ points }, _symptom, facts) {
      const own = ofSource(points, facts);
      const failed = sumsAtOnset(
        own.filter(({ labels }) => labels['result'] === SIGNATURE),
        facts,
      );
      const all = sumsAtOnset(own, facts);
      const [before, after] = [share(failed.before, all.before), share(failed.after, all.after)];
      const observed = `${rateText(before)} of signatures failed before, ${rateText(after)} since`;
      if (all.after < FEW_WEBHOOKS) return neutral(observed);
      return before <= 0.05 && after >= 0.95 ? supports(0.8, observed) : neutral(observed);
    },
  });
}

/** Messages about somebody else: the handler is only where it shows. */
export function ownHandlerProbe(): AnyProbe {
  return probe({
    id: 'own-messages',
    factor: 'logs',
    title: 'what the error messages since then are about',
    ask: (_symptom, facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const own = logShare(
        logs,
        facts,
        ({ kind, host }) => (kind === 'exception' || kind === 'other') && host === null,
      );
      if (own.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${own.fitting} of ${own.all} additional error messages are about the service's own code`;
      if (own.share <= 0.4) return opposes(4.5, observed, { headline: 'most messages are about others' });
      return own.share >= 0.7 && own.top !== null
        ? supports(1.2, `${observed}: ${safeName(own.top.template, 120)}`)
        : neutral(observed);
    },
  });
}

/** Calls to a vendor that fail in the same time say that the handler fails for want of it. */
export function vendorCallsProbe(): AnyProbe {
  return probe({
    id: 'vendor-calls',
    factor: 'calls',
    title: 'failed calls to others',
    ask: (_symptom, facts) => seriesQuestion(facts, 'dependency_errors'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'dependency_requests')],
    judge({ points }, _symptom, facts, answered) {
      const calls = sumsAtOnset(answered(seriesQuestion(facts, 'dependency_requests'))?.points, facts);
      const failed = sumsAtOnset(points, facts);
      const rate = share(failed.after, calls.after);
      const observed = `${rateText(rate)} of ${plural(calls.after, 'call')} to others fail`;
      if (
        calls.after === 0 ||
        failed.after < FEW_WEBHOOKS ||
        rate < Math.max(0.1, 3 * share(failed.before, calls.before))
      ) {
        return neutral(observed);
      }
      return opposes(2, observed, { headline: observed });
    },
  });
}
