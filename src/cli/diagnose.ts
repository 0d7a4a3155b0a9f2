/** `runbookd diagnose [target]`: one look, one walk, printed; the exit code is the verdict. */

import type { Config } from '../config/index.ts';
import type { Diagnosis, Finding, Gap, Incident } from '../model/index.ts';
import { SEVERITIES } from '../model/index.ts';
import type { Page } from '../notify/page.ts';
import { buildPage } from '../notify/page.ts';
import { contactOf } from '../targets.ts';
import type { Look } from './look.ts';
import { aboutIt, look } from './look.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';
import { prepareConfig } from './prepare.ts';

/** Three looks two seconds apart: rules of the form "2 of the last 3" can be met, counters have differences. */
const ROUNDS = 3;
const PAUSE_MS = 2000;
/** A server that does not let us in twice is a finding; a third look would only cost time. */
const GIVE_UP_AFTER = 2;

export async function diagnoseCommand(
  target: string | undefined,
  options: { readonly config?: string; readonly json?: boolean },
  io: Io,
  output: Output,
): Promise<number> {
  const { config, detectors } = await prepareConfig(options, io);
  const how = { rounds: ROUNDS, pauseMs: PAUSE_MS, giveUpAfter: GIVE_UP_AFTER, judge: true, target: target ?? null };
  return look(config, detectors, how, async (seen) => {
    const mine = (name: string): boolean => target === undefined || name === target;
    const findings = byUrgency(seen.findings.filter((one) => mine(one.target)));
    const results = [
      ...findings.map((one) => one.diagnosis ?? undiagnosed(one)),
      ...seen.watch.targets
        .filter((one) => one.kind !== 'source')
        .map((one) => one.name)
        .filter((name) => mine(name) && !findings.some((one) => one.target === name))
        .map((name) => withoutFinding(name, seen)),
    ];
    if (options.json === true) printJson(results, output);
    else {
      for (const finding of findings) printPage(finding, config, seen, output);
      printRest(results, seen, mine, output);
    }
    return exitCode(results);
  });
}

function exitCode(results: readonly Diagnosis[]): number {
  const has = (...verdicts: readonly Diagnosis['verdict'][]): boolean =>
    results.some((one) => verdicts.includes(one.verdict));
  if (has('cause', 'unclear')) return EXIT.finding;
  return has('inconclusive') ? EXIT.blind : EXIT.ok;
}

const NOTHING = {
  symptom: null,
  causes: [],
  ruledOut: [],
  gaps: [],
  unexplained: 0,
  changes: null,
  runbook: '',
  wouldSeparate: null,
} as const;

/** No symptom is health only where everything could be looked at. */
function withoutFinding(target: string, seen: Look): Diagnosis {
  const gaps = gapsOf(target, seen);
  return { ...NOTHING, verdict: gaps.length === 0 ? 'healthy' : 'inconclusive', target, at: Date.now(), gaps };
}

/** A symptom whose causes could not be looked at. */
function undiagnosed({ target, symptom }: Finding): Diagnosis {
  return { ...NOTHING, verdict: 'inconclusive', target, at: Date.now(), symptom };
}

function gapsOf(target: string, seen: Look): readonly Gap[] {
  const failures = seen.failures
    .filter((one) => one.target === target || one.target.startsWith('detector '))
    .map(({ group, detail }): Gap => ({ what: group, because: 'error', detail, hides: [], grant: null }));
  const blind = seen.pipeline
    .blindness()
    .filter((one) => one.target === target && one.optional !== true)
    .map(
      ({ check, because, detail, grant }): Gap => ({
        what: check,
        because,
        detail: aboutIt(target, detail),
        hides: [],
        grant,
      }),
    );
  return [...failures, ...blind];
}

/** One object: the result that matters most; the others, if any, in `also`. */
function printJson(results: readonly Diagnosis[], output: Output): void {
  const [first, ...also] = results;
  output.json(also.length === 0 ? first : { ...first, also });
}

function printPage(finding: Finding, config: Config, seen: Look, output: Output): void {
  const now = Date.now();
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
  const target = seen.watch.targets.find((one) => one.name === finding.target);
  const contact = target === undefined ? null : contactOf(config, target, finding.detector);
  const page = buildPage(incident, { now, contact, url: null, news: null, lookedSince: seen.since });
  const urgent = finding.symptom.severity === 'critical' || finding.symptom.severity === 'error';
  output.line(output.paint(['bold', urgent ? 'red' : 'yellow'], page.summary));
  output.line();
  printSections(page, output);
  output.line();
}

const HEADING = 12;
/** `for     `, `against `, and the blanks below them. */
const LABEL = 8;

function printSections({ sections }: Page, output: Output): void {
  for (const { heading, lines } of sections) {
    for (const [index, line] of lines.entries()) {
      const head = (index === 0 ? heading : '').padEnd(HEADING);
      const isLabelled = /^(?:for|against| {8})\s/.test(line);
      // A command is never broken: it is there to be copied.
      if (heading === 'DO FIRST') output.line(output.paint('bold', head) + output.paint([], line));
      else output.wrapped(head + line, HEADING + (isLabelled ? LABEL : 0), 'bold');
    }
  }
}

function printRest(results: readonly Diagnosis[], seen: Look, mine: (name: string) => boolean, output: Output): void {
  const names = seen.watch.targets
    .filter((one) => one.kind !== 'source')
    .map((one) => one.name)
    .filter(mine);
  for (const name of names) {
    // That it cannot be reached is the page; what else is not seen of it for that reason goes without saying.
    if (seen.unreachable.has(name) && results.some((one) => one.target === name && one.symptom !== null)) continue;
    for (const gap of gapsOf(name, seen)) {
      const grant = gap.grant === null ? '' : `; to see it: ${gap.grant}`;
      output.wrapped(`not seen  ${name}: ${gap.what}: ${gap.detail}${grant}`, 10, 'yellow');
    }
  }
  const waiting = seen.unjudged.filter((one) => mine(one.target));
  for (const { target, detector, state, signals } of waiting) {
    // A system of others that nobody bound is no news.
    if (state === 'not_configured') continue;
    const why = state === 'not_ready' ? 'no baseline yet of' : 'no data of';
    output.wrapped(`not told  ${target}: ${detector}: ${why} ${signals.join(', ')}`, 10, 'yellow');
  }
  for (const { target, verdict } of results.filter((one) => one.symptom === null)) {
    const kind = seen.watch.targets.find((one) => one.name === target)?.kind;
    const able =
      seen.watch.detectors.filter((one) => one.target === kind).length -
      waiting.filter((one) => one.target === target).length;
    const looked = `no symptom of the ${able} detectors that could look`;
    if (verdict === 'healthy') output.wrapped(`healthy   ${target}: ${looked}`, 10, 'green');
    else output.wrapped(`unsure    ${target}: ${looked}, but not everything could be seen`, 10, 'yellow');
  }
}

function byUrgency(findings: readonly Finding[]): readonly Finding[] {
  const rank = (one: Finding): number => SEVERITIES.indexOf(one.symptom.severity);
  const confidence = (one: Finding): number => one.diagnosis?.causes[0]?.confidence ?? 0;
  return [...findings].sort((a, b) => rank(a) - rank(b) || confidence(b) - confidence(a));
}
