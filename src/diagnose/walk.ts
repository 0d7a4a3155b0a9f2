/** The walk: asks what the probes want to know, in parallel, each with a deadline, and weighs what came back. */

import type { Answer, Diagnosis, Question } from '../model/index.ts';
import { messageOf } from '../model/index.ts';
import type { Case } from './questions.ts';
import { questionsOf } from './questions.ts';
import type { RenderOptions } from './render.ts';
import { weigh } from './weigh.ts';

export interface Asker {
  /** Never hangs past the signal if it can help it; the walk does not depend on that. */
  ask(question: Question, signal: AbortSignal): Promise<Answer>;
}

export interface WalkOptions {
  /** For one question. */
  readonly questionMs: number;
  /** For all of them together. */
  readonly walkMs: number;
  readonly signal: AbortSignal;
  readonly render: RenderOptions;
}

export interface Walk {
  readonly diagnosis: Diagnosis;
  /** What was asked and answered, by question key: enough to make the same diagnosis again. */
  readonly record: ReadonlyMap<string, Answer>;
}

export async function walk(subject: Case, asker: Asker, options: WalkOptions): Promise<Walk> {
  const whole = AbortSignal.any([options.signal, AbortSignal.timeout(options.walkMs)]);
  const record = new Map<string, Answer>();
  await Promise.all(
    questionsOf(subject).map(async ({ key, question }) => {
      record.set(
        key,
        await answerWithin(asker, question, AbortSignal.any([whole, AbortSignal.timeout(options.questionMs)])),
      );
    }),
  );
  return { diagnosis: weigh(subject, record, options.render), record };
}

/** An answer or a named unknown, at the latest when the signal fires, even if the asker ignores it. */
export function answerWithin(asker: Asker, question: Question, signal: AbortSignal): Promise<Answer> {
  const unknown = (because: 'timeout' | 'error', detail: string): Answer =>
    ({ state: 'unknown', kind: question.kind, because, detail }) as Answer;
  return new Promise((resolve) => {
    const late = (): void => resolve(unknown('timeout', 'no answer before the deadline'));
    if (signal.aborted) return late();
    signal.addEventListener('abort', late, { once: true });
    const done = (answer: Answer): void => {
      signal.removeEventListener('abort', late);
      resolve(answer);
    };
    Promise.resolve()
      .then(() => asker.ask(question, signal))
      .then(done, (error: unknown) => done(unknown('error', messageOf(error))));
  });
}
