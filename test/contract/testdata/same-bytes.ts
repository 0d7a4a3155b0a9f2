/** Prints the diagnosis and the page of one recorded case; the answers are put in another order on demand. */

import { readFileSync } from 'node:fs';
import { loadDetectors } from '../../../src/detect/load.ts';
import { optionValues } from '../../../src/detect/options.ts';
import type { Case } from '../../../src/diagnose/questions.ts';
import { questionsOf } from '../../../src/diagnose/questions.ts';
import { weigh } from '../../../src/diagnose/weigh.ts';
import type { Answer } from '../../../src/model/index.ts';
import { buildPage, pageText } from '../../../src/notify/page.ts';

const [detector] = (await loadDetectors([new URL('../../../detectors', import.meta.url).pathname])).filter(
  (one) => one.id === 'lock-contention',
);
const recorded = JSON.parse(readFileSync(new URL('./lock-chain.json', import.meta.url), 'utf8')) as {
  readonly subject: Omit<Case, 'detector' | 'options'>;
  readonly answers: Readonly<Record<string, Answer>>;
};
const subject: Case = { ...recorded.subject, detector: detector!, options: optionValues(detector!) };
const entries = Object.entries(recorded.answers);
const asked = new Set(questionsOf(subject).map(({ key }) => key));
if (entries.some(([key]) => !asked.has(key)))
  throw new Error('the recording holds answers to questions that are not asked');
if (process.argv[2] === 'backward') entries.reverse();
if (process.argv[2] === 'shuffled') entries.sort(() => Math.random() - 0.5);
const diagnosis = weigh(subject, new Map(entries), { commands: 'runbook', overrides: {} });
const lead = {
  id: 'f',
  detector: 'lock-contention',
  target: 'main-db',
  subject: '',
  state: 'firing',
  noData: false,
  noDataSince: null,
  symptom: subject.symptom,
  firstSeenAt: subject.now,
  firedAt: subject.now,
  resolvedAt: null,
  judgedAt: subject.now,
  cleanPolls: 0,
  cleanSince: null,
  turns: [],
  diagnosis,
  diagnosedAt: subject.now,
} as const;
const page = buildPage(
  {
    id: 'i',
    state: 'open',
    openedAt: subject.now,
    resolvedAt: null,
    severity: 'critical',
    cause: null,
    findings: ['f'],
    lead,
    log: [],
    pagedSeverities: ['critical'],
    effects: [],
  },
  { now: subject.now, contact: '@dba', url: null, news: null },
);
process.stdout.write(`${JSON.stringify(diagnosis)}\n${pageText(page)}\n`);
