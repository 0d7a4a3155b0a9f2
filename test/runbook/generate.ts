/** The text of `detectors/RUNBOOK.md`: the runbook as it now stands, from the detectors and the map. */

import type { AnyDetector, Hypothesis, Mitigation } from '../../src/sdk/detector.ts';
import { DETECTORS, MAP, type Mapped, type Means } from './map.ts';
import { type Item, ORIGINAL, type Section } from './original.ts';

const HEAD = `# The runbook as it now stands

Generated from the detectors (\`npm run generate\`); do not edit. The sections are those of the troubleshooting runbook, in
its order. For each: what is checked by itself, with the causes that are weighed and what is looked at for them; then
the runbook's own lines, each with what stands for it now. Commands have their \`{values}\` filled in on the page; one whose
value is not known is withheld there.

What people knew to do is in the detectors: nothing below must be done by hand before the page comes.
`;

/** A cell or a list item on one line. */
const inline = (text: string): string => text.replace(/\s+/g, ' ').trim();
const code = (text: string): string => (text.includes('`') ? `\`\` ${inline(text)} \`\`` : `\`${inline(text)}\``);
const lowerFirst = (text: string): string => (/^[A-Z][a-z]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text);

/** Kinds of targets as people call one that others depend on. */
const DEPENDED_ON: Readonly<Record<string, string>> = { search: 'search engine', dependency: 'vendor' };

const where = (on: Hypothesis['on']): string =>
  on === 'self'
    ? ''
    : on === 'dependent'
      ? ' (of each target that depends on it)'
      : ` (of each ${DEPENDED_ON[on] ?? on} that it depends on)`;

/** `Lock contention: a session holds…` → the name of the cause, and what tells this variant. */
function titleParts(title: string): readonly [string, string] {
  const at = title.indexOf(': ');
  return at < 0 ? [title, ''] : [title.slice(0, at), title.slice(at + 2)];
}

/** One line for a cause however many variants it has: what they are, and what is looked at for any of them. */
function causeLine(variants: readonly Hypothesis[]): string {
  const [first] = variants;
  const [name] = titleParts(first!.title);
  const told = variants.map(({ variant, title }) => {
    const [, rest] = titleParts(title);
    return `${variant === undefined ? '' : `\`${variant}\` `}${rest}`.trim();
  });
  const kinds = told.filter((text) => text !== '').join('; ');
  const looks = [...new Set(variants.flatMap(({ probes }) => probes.map(({ title }) => inline(title))))];
  return `- **${name}**${where(first!.on)}${kinds === '' ? '.' : `: ${kinds}.`} Looks at: ${looks.join('; ')}.`;
}

function detectorText(detector: AnyDetector): string {
  const byCause = Map.groupBy(detector.hypotheses, ({ cause, on }) => `${cause} ${on}`);
  return [
    `**[${detector.title}](${detector.id}.md)** watches each ${detector.target}. ${detector.why}`,
    '',
    ...[...byCause.values()].map(causeLine),
  ].join('\n');
}

function commands({ title, risk, command, alternative }: Mitigation): string {
  const other = alternative === undefined ? '' : ` or ${code(alternative)}`;
  return `${inline(title)} (${risk}): ${code(command)}${other}`;
}

/** What stands for a line, in words. */
export function meansText(means: Means, detectors: ReadonlyMap<string, AnyDetector>): string {
  if ('question' in means) return `asked by itself (\`${means.question}\`)`;
  if ('contact' in means) return `the page names who owns it (\`contacts.${means.contact}\`)`;
  if ('part' in means) return `done by itself (\`${means.part}\`)`;
  const detector = detectors.get(means.detector);
  if (detector === undefined) return `${means.detector} is not there`;
  const link = `[${detector.title}](${detector.id}.md)`;
  if ('cause' in means) {
    const found = detector.hypotheses.find(
      ({ cause, variant }) => cause === means.cause && (means.variant === undefined || variant === means.variant),
    );
    return `weighed in ${link}: ${found === undefined ? means.cause : lowerFirst(found.title)}`;
  }
  if ('probe' in means) {
    const found = detector.hypotheses.flatMap(({ probes }) => probes).find(({ id }) => id === means.probe);
    return `looked at in ${link}: ${found === undefined ? means.probe : inline(found.title)}`;
  }
  if ('signal' in means) {
    const found = Object.values(detector.signals).find((one) => one.signal === means.signal);
    return `watched by ${link}: \`${means.signal}\`${found === undefined ? '' : `, ${found.description}`}`;
  }
  if ('mitigation' in means) {
    const found = detector.mitigations[means.mitigation];
    return found === undefined ? `step ${means.mitigation}` : commands(found);
  }
  return `watched by ${link}`;
}

function itemText(item: Item, mapped: Mapped, detectors: ReadonlyMap<string, AnyDetector>): string {
  const was = item.kind === 'command' ? code(item.text) : inline(item.text);
  const lines = mapped.by.map((means) => `  - ${meansText(means, detectors)}`);
  const corrected = mapped.corrected === undefined ? [] : [`  - corrected: ${inline(mapped.corrected)}`];
  return [`- ${was}`, ...lines, ...corrected].join('\n');
}

function sectionText(section: Section, detectors: ReadonlyMap<string, AnyDetector>): string {
  const own = (DETECTORS[section.id] ?? []).flatMap((id) => detectors.get(id) ?? []);
  const items = section.items.map((item) => itemText(item, MAP[item.id] ?? { by: [] }, detectors));
  return [
    `## ${section.title}`,
    ...(own.length === 0 ? [] : ['### Checked by itself', own.map(detectorText).join('\n\n')]),
    ...(own.length === 0 ? [] : ["### The runbook's lines"]),
    items.join('\n'),
  ].join('\n\n');
}

export function runbook(detectors: readonly AnyDetector[]): string {
  const byId = new Map(detectors.map((one) => [one.id, one]));
  const placed = new Set(Object.values(DETECTORS).flat());
  const others = detectors.filter(({ id }) => !placed.has(id));
  const beyond = others.length === 0 ? [] : ['## Beyond the runbook', ...others.map(detectorText)];
  return `${[HEAD.trimEnd(), ...ORIGINAL.map((section) => sectionText(section, byId)), ...beyond].join('\n\n')}\n`;
}
