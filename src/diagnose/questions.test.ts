import { describe, expect, test } from 'vitest';
import type { Target } from '../model/index.ts';
import type { AnyDetector, Facts, Hypothesis } from '../sdk/detector.ts';
import { ask, defineDetector, probe } from '../sdk/detector.ts';
import { neutral } from '../sdk/evidence.ts';
import { lifecycleOptions } from '../sdk/options.ts';
import { type Case, instancesOf } from './questions.ts';

const NOW = Date.UTC(2026, 10, 23, 14, 0, 0);

const target = (name: string, kind: Target['kind'], dependsOn: readonly string[] = []): Target => ({
  name,
  kind,
  dependsOn,
  slots: {},
});
const STRIPE = target('stripe', 'dependency');
const API = target('api', 'service', ['stripe', 'main-db']);
const PAYMENT = target('payment', 'service', ['stripe']);
const ALL = [API, PAYMENT, STRIPE, target('search', 'service', ['main-db']), target('main-db', 'database')];

function detectorWith(on: Hypothesis['on']): AnyDetector {
  return defineDetector({
    id: 'test',
    title: 'Test',
    why: 'w',
    runbook: 'Test',
    target: 'service',
    signals: {},
    options: { ...lifecycleOptions({ pollSeconds: 15, holdSeconds: 0, clearPolls: 2, clearSeconds: 0 }) },
    rule: () => ({ state: 'judged', at: NOW, symptoms: [] }),
    hypotheses: [
      {
        cause: 'c',
        title: 'C',
        prior: 0.1,
        on,
        probes: [
          probe<'changes'>({
            id: 'p',
            factor: 'f',
            title: 'p',
            ask: (_symptom, facts) => ask('changes', facts, {}),
            judge: () => neutral('nothing'),
          }),
        ],
        mitigations: [],
      },
    ],
    mitigations: {},
  });
}

function factsOf(on: Hypothesis['on'], of: Target): readonly Facts[] {
  const subject: Case = {
    detector: detectorWith(on),
    options: {},
    target: of,
    targets: ALL,
    now: NOW,
    symptom: {
      detector: 'test',
      target: of.name,
      subject: '',
      severity: 'error',
      headline: 'h',
      summary: 's',
      onset: { earliest: NOW - 60_000, latest: NOW },
      readings: [],
    },
  };
  return instancesOf(subject).map(({ facts }) => facts);
}

describe('what a hypothesis is about', () => {
  test.each([
    ['the target itself', 'self', STRIPE, ['stripe']],
    ['each database that it depends on', 'database', API, ['main-db']],
    ['each target that depends on it', 'dependent', STRIPE, ['api', 'payment']],
    ['nothing where nobody depends on it', 'dependent', PAYMENT, []],
  ] as const)('%s', (_name, on, of, wanted) => {
    expect(factsOf(on, of).map((facts) => facts.on.name)).toEqual(wanted);
  });

  test('who depends on the target is known to every probe', () => {
    expect(factsOf('self', STRIPE)[0]!.dependents?.map(({ name }) => name)).toEqual(['api', 'payment']);
    expect(factsOf('self', PAYMENT)[0]!.dependents).toBeUndefined();
  });
});
