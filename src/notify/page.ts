/**
 * The page: the text that on-call gets, in reading order. Pure. What, since when, likely cause with figures for and
 * against, what to do first, what was ruled out, what could not be seen, the rest, who owns it.
 */

import type {
  Diagnosis,
  EpochMs,
  Evidence,
  Gap,
  Incident,
  Interval,
  PageSection,
  RankedCause,
  RenderedMitigation,
  RuledOut,
} from '../model/index.ts';
import { clockTime, duration, percent } from '../model/index.ts';

export interface PageContext {
  readonly now: EpochMs;
  readonly contact: string | null;
  /** Where the incident can be read, when a public URL is configured. */
  readonly url: string | null;
  /** One line on top of an update or a resolve. */
  readonly news: string | null;
  /** Set when nobody has watched before that time and nobody watches after: a single look. */
  readonly lookedSince?: EpochMs;
}

export interface Page {
  readonly summary: string;
  readonly sections: readonly PageSection[];
}

/** `lock-contention` → `lock contention`. */
export const causeWords = (cause: string): string => cause.replaceAll('-', ' ');

export function buildPage(incident: Incident, context: PageContext): Page {
  const { diagnosis, symptom } = incident.lead;
  const sections: PageSection[] = [];
  const add = (heading: string, value: number, lines: readonly string[]): void => {
    if (lines.length > 0) sections.push({ heading, lines, value });
  };
  if (context.news !== null) add('NEWS', 100, [context.news]);
  add('WHAT', 99, [symptom.summary, ...(symptom.breakdown ?? []).slice(0, MOST_BREAKDOWN)]);
  add('SINCE', 98, [sinceLine(symptom.onset, diagnosis, context)]);
  if (diagnosis === null) {
    add('LIKELY', 97, ['cause not looked for yet']);
  } else {
    addCauses(add, diagnosis, context.lookedSince === undefined);
    add('RULED OUT', 60, [listOr(ruledOutTexts(diagnosis.ruledOut), 'nothing')]);
    add('NOT SEEN', 70, notSeenLines(diagnosis));
    add('OTHERWISE', 40, [otherwiseLine(diagnosis)]);
  }
  const runbook = diagnosis === null ? [] : [`runbook: ${diagnosis.runbook}`];
  const owner = [
    context.contact ?? 'no contact is configured',
    ...runbook,
    ...(context.url === null ? [] : [context.url]),
  ];
  add('OWNER', 50, [owner.join(' · ')]);
  return { summary: summaryLine(incident, context), sections };
}

/** The first ~80 characters are what a phone shows: target, what, the telling fact; then confidence and cause. */
export function summaryLine(incident: Incident, context: Pick<PageContext, 'now'>): string {
  const { symptom, diagnosis } = incident.lead;
  const head = `${symptom.target}: ${symptom.headline}`;
  if (incident.state === 'resolved') {
    return `${symptom.target}: resolved after ${age(context.now - symptom.onset.latest)} · was: ${symptom.headline}`;
  }
  const first = diagnosis?.causes[0];
  if (diagnosis === null || first === undefined || diagnosis.verdict !== 'cause') {
    return `${head} · cause unclear${diagnosis?.verdict === 'inconclusive' ? ', could not see enough' : ''}`;
  }
  const fact = tellingFact(first);
  return `${head}${fact === null ? '' : joined(fact)} · ${percent(first.confidence)} ${causeWords(first.cause)}`;
}

/** `… blocked for 2 min by pid 2134`, but `… unreachable for 30 s, connection refused`. */
function joined(fact: string): string {
  return /^(?:by|with|since|held up by) /.test(fact) ? ` ${fact}` : `, ${fact}`;
}

function tellingFact(cause: RankedCause): string | null {
  const line = cause.evidence.find((one) => one.counted && one.weight > 0 && one.headline !== undefined);
  return line?.headline ?? null;
}

function sinceLine(onset: Interval, diagnosis: Diagnosis | null, { now, lookedSince }: PageContext): string {
  const ago = age(now - onset.latest);
  const from = clockTime(onset.earliest);
  const to = clockTime(onset.latest);
  // What a first look finds was there before: an onset as late as that look is the look's own time.
  const found = lookedSince !== undefined && onset.latest >= lookedSince - 1000;
  const between = from === to ? `${to} UTC (${ago} ago).` : `between ${from} and ${to} UTC (${ago} ago).`;
  const when = found ? `before ${to} UTC, when this look began; how long before is not known.` : between;
  if (diagnosis === null) return when;
  const changes = diagnosis.changes;
  if (changes === null) return `${when} Whether something was changed before could not be read.`;
  const lookback = duration(changes.lookbackMs / 1000);
  if (changes.seen.length === 0) {
    const unwatched = lookedSince === undefined ? '' : '; a single look knows of restarts only';
    return `${when} No change is known in the ${lookback} before${unwatched}.`;
  }
  const seen = changes.seen.slice(0, 3).map((change) => `${clockTime(change.at.latest)} ${change.summary}`);
  const more = changes.seen.length > 3 ? ` and ${changes.seen.length - 3} more` : '';
  return `${when} Changed in the ${lookback} before: ${seen.join('; ')}${more}.`;
}

type Add = (heading: string, value: number, lines: readonly string[]) => void;

function addCauses(add: Add, diagnosis: Diagnosis, watching: boolean): void {
  const [first, second] = diagnosis.causes;
  if (first === undefined) {
    add('LIKELY', 97, ['no known cause is left: all that this runbook knows was ruled out']);
    return;
  }
  if (diagnosis.verdict === 'cause') {
    const also = diagnosis.causes.slice(1).filter((cause) => cause.confidence >= 0.5);
    for (const cause of [first, ...also])
      add(cause === first ? 'LIKELY' : 'ALSO', cause === first ? 97 : 80, causeLines(cause));
    add('DO FIRST', 96, doFirst(first, watching));
    return;
  }
  const verdict = diagnosis.verdict === 'inconclusive' ? 'Could not see enough to say.' : 'Cause unclear.';
  const separate = diagnosis.wouldSeparate === null ? '' : ` What would tell them apart: ${diagnosis.wouldSeparate}.`;
  add('LIKELY', 97, [`${verdict} The best candidates:${separate}`]);
  for (const cause of [first, second]) if (cause !== undefined) add('MAYBE', 95, causeLines(cause));
  const look = first.mitigations.filter((one) => 'command' in one && one.risk === 'read-only').slice(0, 1);
  if (look.length > 0)
    add(
      'DO FIRST',
      96,
      look.flatMap((one) => ('command' in one ? [`look:    ${one.command}`] : [])),
    );
}

function causeLines(cause: RankedCause): readonly string[] {
  const lines = (wanted: (line: Evidence) => boolean): readonly string[] =>
    cause.evidence.filter(wanted).map((line) => line.observed);
  // The ledger keeps every line; the page says what carried weight, strongest first, and nothing twice.
  const supporting = [...new Set(lines((line) => line.weight > 0))].slice(0, 4);
  const against = [...new Set(lines((line) => line.weight < 0))].slice(0, 3);
  return [
    `${cause.title}  ${percent(cause.confidence)}`,
    ...labelled('for', supporting.length === 0 ? ['–'] : supporting),
    ...labelled('against', against.length === 0 ? ['–'] : against),
  ];
}

function labelled(label: string, lines: readonly string[]): readonly string[] {
  return lines.map((line, index) => `${(index === 0 ? label : '').padEnd(8)}${line}`);
}

type Shown = Extract<RenderedMitigation, { readonly command: string }>;

const MOST_COMMANDS = 3;
const MOST_BREAKDOWN = 5;

/** At most three commands, read-only first; what is withheld is said. */
function doFirst(cause: RankedCause, watching: boolean): readonly string[] {
  const shown = cause.mitigations.filter((one): one is Shown => 'command' in one);
  const act = shown.find((one) => one.risk !== 'read-only');
  const looks = shown.filter((one) => one.risk === 'read-only').map((one) => one.command);
  const first = act === undefined ? looks.slice(0, MOST_COMMANDS) : [act.precheck ?? looks[0] ?? []].flat();
  const lines = first.map(
    (command, index) => `${index === 0 ? 'look:' : 'and:'}${' '.repeat(index === 0 ? 4 : 5)}${command}`,
  );
  if (act !== undefined) {
    lines.push(`then:    ${act.command}`);
    if (act.alternative !== null) lines.push(`or:      ${act.alternative}`);
    lines.push(`risk:    ${riskWords(act)}`);
    if (act.undo !== null) lines.push(`undo:    ${act.undo}`);
    if (act.verify !== null && act.alternative === null) lines.push(`verify:  ${act.verify}`);
    if (act.effect !== null)
      lines.push(`expect:  ${act.effect}${watching ? '; runbookd checks and reports here' : ''}`);
  }
  // Where a step can be shown, the ones that cannot are in the details; where none can, the first says what is missing.
  const withheld = cause.mitigations.find((one) => 'withheld' in one);
  if (act === undefined && withheld !== undefined && 'withheld' in withheld) {
    lines.push(`withheld: ${withheld.title}: ${withheld.withheld}`);
  }
  return lines;
}

function riskWords(mitigation: Shown): string {
  const { risk, riskText } = mitigation;
  return riskText === '' || riskText.startsWith(risk) ? riskText || risk : `${risk}: ${riskText}`;
}

/** Variants of one cause that the same fact rules out are one item: `database unreachable: tls, hung (…)`. */
function ruledOutTexts(all: readonly RuledOut[]): readonly string[] {
  const groups = Map.groupBy(all, ({ cause, on, because }) => JSON.stringify([cause, on, because]));
  return [...groups.values()].map((group) => {
    const { cause, because } = group[0]!;
    const variants = group.flatMap(({ variant }) => (variant === null ? [] : [causeWords(variant)]));
    const names = variants.length === 0 ? '' : `${variants.length === 1 ? ',' : ':'} ${variants.join(', ')}`;
    return `${causeWords(cause)}${names} (${because})`;
  });
}

function notSeenLines(diagnosis: Diagnosis): readonly string[] {
  if (diagnosis.gaps.length === 0) return ['nothing: every question was answered'];
  const isUnset = (gap: Gap): boolean => gap.because === 'not_configured' && gap.detail === 'not configured';
  const unset = diagnosis.gaps.filter(isUnset);
  const lines = diagnosis.gaps
    .filter((gap) => !isUnset(gap))
    .map((gap) => {
      const hides = gap.hides.length === 0 ? '' : `; hides: ${byCause(gap.hides).join(', ')}`;
      const detail = gap.detail.startsWith(`${gap.what}: `) ? gap.detail.slice(gap.what.length + 2) : gap.detail;
      return `${gap.what}: ${detail}${hides}${gap.grant === null ? '' : `; to see it: ${gap.grant}`}`;
    });
  // What nobody asked for is no failure of tonight: one line.
  const keys = unset.map((gap) => (gap.grant === null ? gap.what : `${gap.what} (${gap.grant})`));
  return keys.length === 0 ? lines : [...lines, `not configured: ${keys.join(' · ')}`];
}

/** `external-service (down)`, `external-service (slow)` → `external service (down, slow)`. */
function byCause(names: readonly string[]): readonly string[] {
  const split = names.map((name) => /^(.*?)(?: \((.*)\))?$/.exec(name)!);
  return [...Map.groupBy(split, ([, cause]) => cause!)].map(([cause, all]) => {
    const variants = all.flatMap(([, , variant]) => (variant === undefined ? [] : [causeWords(variant)]));
    return variants.length === 0 ? causeWords(cause) : `${causeWords(cause)} (${variants.join(', ')})`;
  });
}

function otherwiseLine(diagnosis: Diagnosis): string {
  const shown = diagnosis.verdict === 'cause' ? 1 : 2;
  const rest = diagnosis.causes.slice(shown).filter((cause) => diagnosis.verdict !== 'cause' || cause.confidence < 0.5);
  const texts = rest.slice(0, 5).map((cause) => {
    const variant = cause.variant === null ? '' : `, ${causeWords(cause.variant)}`;
    return `${causeWords(cause.cause)}${variant} ${percent(cause.confidence)}`;
  });
  return [...texts, `unexplained ${percent(diagnosis.unexplained)}`].join(' · ');
}

function listOr(items: readonly string[], none: string): string {
  return items.length === 0 ? none : items.join(' · ');
}

function age(ms: number): string {
  return duration(Math.max(0, Math.round(ms / 1000)));
}

/** The page as plain text, headings in a column of their own. */
export function pageText(page: Page): string {
  const lines = [page.summary, ''];
  for (const section of page.sections) {
    section.lines.forEach((line, index) => {
      lines.push(`${(index === 0 ? section.heading : '').padEnd(12)}${line}`);
    });
  }
  return lines.join('\n');
}
