/** `runbookd diagnose [target]`: one look, one walk, printed; the exit code is the verdict. */

import type { Diagnosis, Finding, Incident } from '../model/index.ts';
import { RunbookdError, SEVERITIES } from '../model/index.ts';
import { buildPage, pageText } from '../notify/page.ts';
import type { Look } from './look.ts';
import { look } from './look.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';
import { prepareConfig } from './prepare.ts';

/** Three looks two seconds apart: rules of the form "2 of the last 3" can be met, counters have differences. */
const ROUNDS = 3;
const PAUSE_MS = 2000;

export async function diagnoseCommand(
  target: string | undefined,
  options: { readonly config?: string; readonly json?: boolean },
  io: Io,
  output: Output,
): Promise<number> {
  const { config, detectors } = await prepareConfig(options, io);
  return look(config, detectors, { rounds: ROUNDS, pauseMs: PAUSE_MS, target: target ?? null }, async (seen) => {
    const names = seen.watch.targets.map((one) => one.name);
    if (target !== undefined && !names.includes(target)) {
      throw new RunbookdError('TARGET_UNKNOWN', [target, names.join(', ')]);
    }
    const findings = byUrgency(seen.findings.filter((one) => target === undefined || one.target === target));
    const diagnoses = findings.flatMap((one) => one.diagnosis ?? []);
    if (options.json === true) printJson(diagnoses, seen, target ?? names[0] ?? '', output);
    else print(findings, seen, output);
    return exitCode(diagnoses, seen);
  });
}

function exitCode(diagnoses: readonly Diagnosis[], seen: Look): number {
  if (diagnoses.some((one) => one.verdict === 'cause' || one.verdict === 'unclear')) return EXIT.finding;
  if (diagnoses.length > 0 || Object.keys(seen.failures).length > 0) return EXIT.blind;
  return EXIT.ok;
}

/** One object: the diagnosis that matters most; others, if any, in `also`. */
function printJson(diagnoses: readonly Diagnosis[], seen: Look, target: string, output: Output): void {
  const gaps = seen.pipeline.blindness().map((one) => ({
    what: `${one.target}: ${one.check}`,
    because: one.because,
    detail: one.detail,
    hides: [],
    grant: one.grant,
  }));
  const failures = Object.entries(seen.failures).map(([what, detail]) => ({
    what,
    because: 'error' as const,
    detail,
    hides: [],
    grant: null,
  }));
  const healthy: Diagnosis = {
    verdict: failures.length > 0 ? 'inconclusive' : 'healthy',
    target,
    at: Date.now(),
    symptom: null,
    causes: [],
    ruledOut: [],
    gaps: [...failures, ...gaps],
    unexplained: 0,
    changes: null,
    runbook: '',
    wouldSeparate: null,
  };
  const [first = healthy, ...also] = diagnoses;
  output.json(also.length === 0 ? first : { ...first, also });
}

function print(findings: readonly Finding[], seen: Look, output: Output): void {
  const now = Date.now();
  for (const finding of findings) {
    const incident: Incident = {
      id: finding.id,
      state: 'open',
      openedAt: now,
      resolvedAt: null,
      severity: finding.symptom.severity,
      cause: null,
      findings: [finding.id],
      lead: finding,
      log: [],
      pagedSeverities: [],
      effects: [],
    };
    const contact = seen.watch.targets.find((one) => one.name === finding.target)?.contact ?? null;
    const text = pageText(buildPage(incident, { now, contact, url: null, news: null }));
    const [summary = '', ...rest] = text.split('\n');
    output.line(output.paint(finding.symptom.severity === 'critical' ? ['bold', 'red'] : ['bold', 'yellow'], summary));
    output.line(rest.join('\n'));
    output.line();
  }
  for (const [what, why] of Object.entries(seen.failures))
    output.line(`${output.paint('yellow', 'not read')}  ${what}: ${why}`);
  for (const one of seen.pipeline.blindness()) {
    const grant = one.grant === null ? '' : `; to see it: ${one.grant}`;
    output.line(`${output.paint('yellow', 'not seen')}  ${one.target}: ${one.check}: ${one.detail}${grant}`);
  }
  if (findings.length === 0 && Object.keys(seen.failures).length === 0) {
    const names = seen.watch.targets.map((one) => one.name).join(', ');
    output.line(
      `${output.paint('green', 'healthy')}   ${names}: no symptom of ${seen.watch.detectors.length} detectors`,
    );
  }
}

function byUrgency(findings: readonly Finding[]): readonly Finding[] {
  const rank = (one: Finding): number => SEVERITIES.indexOf(one.symptom.severity);
  const confidence = (one: Finding): number => one.diagnosis?.causes[0]?.confidence ?? 0;
  return [...findings].sort((a, b) => rank(a) - rank(b) || confidence(b) - confidence(a));
}
