import { describe, expect, test } from 'vitest';
import type { Answer, SessionsAnswer } from '../model/index.ts';
import type { AnyDetector } from '../sdk/detector.ts';
import { ask, defineDetector, probe } from '../sdk/detector.ts';
import { neutral, opposes, supports } from '../sdk/evidence.ts';
import { lifecycleOptions } from '../sdk/options.ts';
import type { Case } from './questions.ts';
import { questionKey, questionsOf } from './questions.ts';
import { walk } from './walk.ts';
import { weigh } from './weigh.ts';

const NOW = Date.UTC(2026, 10, 23, 14, 5, 0);
const RENDER = { commands: 'runbook', overrides: {} } as const;

/** Probes whose weight is the answer's `used`, so that a case can set each one. */
function detectorWith(
  hypotheses: readonly {
    readonly cause: string;
    readonly prior: number;
    readonly probes: readonly (readonly [string, string, number])[];
  }[],
): AnyDetector {
  return defineDetector({
    id: 'test',
    title: 'Test',
    why: 'w',
    runbook: 'Database / Test',
    target: 'database',
    signals: {},
    options: { ...lifecycleOptions({ pollSeconds: 15, holdSeconds: 0, clearPolls: 2, clearSeconds: 0 }) },
    rule: () => ({ state: 'judged', at: NOW, symptoms: [] }),
    hypotheses: hypotheses.map(({ cause, prior, probes }) => ({
      cause,
      title: cause,
      prior,
      on: 'self',
      requires: probes.slice(0, 1).map(([id]) => id),
      probes: probes.map(([id, factor, weight]) =>
        probe<'postgres.sessions'>({
          id,
          factor,
          title: `look at ${id}`,
          // A window of its own for each, so that each can be answered or not.
          ask: (_symptom, facts) => ask('postgres.sessions', facts, {}, { from: id.length, to: facts.now }),
          judge: () => (weight > 0 ? supports(weight, id) : weight < 0 ? opposes(weight, id) : neutral(id)),
        }),
      ),
      mitigations: ['look'],
    })),
    mitigations: { look: { title: 'Look', risk: 'read-only', riskText: '', command: '{psql} -c "select 1"' } },
  });
}

function caseOf(detector: AnyDetector): Case {
  const target = { name: 'main-db', kind: 'database', dependsOn: [], slots: { psql: 'psql -h db' } } as const;
  return {
    detector,
    options: {},
    target,
    targets: [target],
    now: NOW,
    symptom: {
      detector: 'test',
      target: 'main-db',
      subject: '',
      severity: 'critical',
      headline: 'h',
      summary: 's',
      onset: { earliest: NOW - 60_000, latest: NOW - 45_000 },
      readings: [],
    },
  };
}

function answersFor(subject: Case, unanswered: readonly number[] = []): Map<string, Answer> {
  const record = new Map<string, Answer>();
  for (const { key, question } of questionsOf(subject)) {
    if (unanswered.includes(question.window.from)) continue;
    const value = question.kind === 'changes' ? { changes: [] } : ({} as SessionsAnswer);
    record.set(key, { state: 'answered', kind: question.kind, value, at: NOW, source: 'test' } as Answer);
  }
  return record;
}

describe('weighing', () => {
  test('confidence is the logistic of prior log odds and weights', () => {
    const subject = caseOf(detectorWith([{ cause: 'a', prior: 0.2, probes: [['p', 'f', 3]] }]));
    // plogis(qlogis(0.2) + 3) in R 4.3: 0.8339312
    expect(weigh(subject, answersFor(subject), RENDER).causes[0]?.confidence).toBe(0.8339);
  });

  test('only the strongest of a factor counts', () => {
    const subject = caseOf(
      detectorWith([
        {
          cause: 'a',
          prior: 0.5,
          probes: [
            ['p', 'same', 2],
            ['qq', 'same', 1],
            ['rrr', 'other', 1],
          ],
        },
      ]),
    );
    const cause = weigh(subject, answersFor(subject), RENDER).causes[0];
    // plogis(3) in R: 0.9525741
    expect(cause?.confidence).toBe(0.9526);
    expect(cause?.evidence.map((line) => [line.probe, line.counted])).toEqual([
      ['p', true],
      ['qq', false],
      ['rrr', true],
    ]);
  });

  test('causes are independent: two true ones are two high figures, and the unexplained share is the product', () => {
    const subject = caseOf(
      detectorWith([
        { cause: 'a', prior: 0.5, probes: [['p', 'f', 3]] },
        { cause: 'b', prior: 0.5, probes: [['qq', 'f', 2]] },
      ]),
    );
    const diagnosis = weigh(subject, answersFor(subject), RENDER);
    expect(diagnosis.causes.map((cause) => cause.confidence)).toEqual([0.9526, 0.8808]);
    expect(diagnosis.unexplained).toBeCloseTo((1 - 0.9526) * (1 - 0.8808), 4);
  });

  test.each([
    ['a cause from 50 % on', 3, [], 'cause'],
    ['unclear when everything was seen and nothing points', 0, [], 'unclear'],
    ['inconclusive when what it requires could not be seen', 0, [1], 'inconclusive'],
  ])('the verdict is %s', (_name, weight, unanswered, verdict) => {
    const subject = caseOf(detectorWith([{ cause: 'a', prior: 0.2, probes: [['p', 'f', weight]] }]));
    expect(weigh(subject, answersFor(subject, unanswered), RENDER).verdict).toBe(verdict);
  });

  test('what speaks against it clearly is ruled out with its figure', () => {
    const subject = caseOf(detectorWith([{ cause: 'a', prior: 0.2, probes: [['p', 'f', -4]] }]));
    const diagnosis = weigh(subject, answersFor(subject), RENDER);
    expect(diagnosis.causes).toEqual([]);
    expect(diagnosis.ruledOut).toMatchObject([{ cause: 'a', because: 'p' }]);
  });

  test('an unanswered question is one gap that names every cause that it hides', () => {
    const subject = caseOf(
      detectorWith([
        { cause: 'a', prior: 0.2, probes: [['p', 'f', 1]] },
        { cause: 'b', prior: 0.2, probes: [['x', 'f', 1]] },
      ]),
    );
    expect(weigh(subject, answersFor(subject, [1]), RENDER).gaps).toMatchObject([
      { because: 'timeout', hides: ['a', 'b'] },
    ]);
  });

  test('a probe that throws costs its own line and nothing else', () => {
    const detector = detectorWith([
      {
        cause: 'a',
        prior: 0.5,
        probes: [
          ['p', 'f', 2],
          ['qq', 'g', 1],
        ],
      },
    ]);
    const broken = {
      ...detector,
      hypotheses: detector.hypotheses.map((one) => ({
        ...one,
        probes: one.probes.map((p) =>
          p.id === 'qq'
            ? {
                ...p,
                judge: () => {
                  throw new Error('boom');
                },
              }
            : p,
        ),
      })),
    };
    const subject = caseOf(broken);
    const diagnosis = weigh(subject, answersFor(subject), RENDER);
    expect(diagnosis.causes[0]).toMatchObject({ confidence: 0.8808 });
    expect(diagnosis.causes[0]?.evidence.find((line) => line.probe === 'qq')).toMatchObject({
      state: 'unknown',
      because: 'error',
    });
  });
});

test('a part that an answer lacks is a gap, with the causes whose probes asked and what would let us see', () => {
  const subject = caseOf(
    detectorWith([
      { cause: 'a', prior: 0.5, probes: [['p', 'f', 3]] },
      { cause: 'b', prior: 0.5, probes: [['qq', 'f', 2]] },
    ]),
  );
  const unseen = [{ because: 'denied', detail: 'events may not be read', grant: 'iam: allow x:Events' }] as const;
  const answers = new Map(
    [...answersFor(subject)].map(([key, answer]) => [
      key,
      answer.state === 'answered' && answer.kind !== 'changes' ? { ...answer, unseen } : answer,
    ]),
  );
  const diagnosis = weigh(subject, answers, RENDER);
  expect(diagnosis.gaps).toEqual([{ what: 'main-db: sessions (pg_stat_activity)', ...unseen[0], hides: ['a', 'b'] }]);
  expect(diagnosis.causes).toEqual(weigh(subject, answersFor(subject), RENDER).causes);
});

describe('the walk', () => {
  test('asks each question once, and one that hangs costs one unknown', async () => {
    const detector = detectorWith([
      {
        cause: 'a',
        prior: 0.5,
        probes: [
          ['p', 'f', 2],
          ['x', 'g', 1],
        ],
      },
      { cause: 'b', prior: 0.5, probes: [['qq', 'f', 2]] },
    ]);
    const asked: string[] = [];
    const { diagnosis } = await walk(
      caseOf(detector),
      {
        ask(question) {
          asked.push(questionKey(question));
          if (question.window.from === 2) return new Promise(() => {});
          const value = question.kind === 'changes' ? { changes: [] } : {};
          return Promise.resolve({ state: 'answered', kind: question.kind, value, at: NOW, source: 's' } as Answer);
        },
      },
      { questionMs: 20, walkMs: 1000, signal: new AbortController().signal, render: RENDER },
    );
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked).toHaveLength(3);
    expect(diagnosis.gaps).toMatchObject([{ because: 'timeout', hides: ['b'] }]);
    expect(diagnosis.causes[0]?.cause).toBe('a');
  });
});
