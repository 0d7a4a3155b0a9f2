/**
 * Mitigations with real values. A template is shell words; a slot stands inside a word and is filled after the words
 * are split, so that a value can never become another word. A value that is unknown or not of its slot's type
 * withholds the command: nothing is escaped into shape.
 */

import type { RenderedMitigation, SlotValues } from '../model/index.ts';
import type { Mitigation } from '../sdk/detector.ts';
import type { SlotName, SlotType } from '../sdk/slots.ts';
import { SLOTS } from '../sdk/slots.ts';
import { parseTemplate, SLOT } from '../sdk/template.ts';

export interface RenderOptions {
  /** Which command stands first: the runbook's own, or the AWS CLI / psql alternative. */
  readonly commands: 'runbook' | 'aws';
  /** The user's replacements by `<detector>.<mitigation>`. */
  readonly overrides: Readonly<Record<string, string>>;
}

export type Rendered = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly because: string };

/** The argv of a template, or why it is withheld. */
export function fillWords(
  template: string,
  slots: SlotValues,
): { readonly ok: true; readonly argv: readonly string[] } | { readonly ok: false; readonly because: string } {
  const argv: string[] = [];
  for (const word of parseTemplate(template)) {
    let text = '';
    for (const part of word) {
      if ('text' in part) {
        text += part.text;
        continue;
      }
      const type: SlotType = SLOTS[part.slot];
      const value = slots[part.slot];
      if (value === undefined || value === '')
        return { ok: false, because: `{${part.slot}} is not known (${type.description})` };
      if (!type.pattern.test(String(value))) {
        return {
          ok: false,
          because: `{${part.slot}} has a value that is unsafe in a command (expected ${type.description})`,
        };
      }
      if (type.words === true && word.length === 1) {
        argv.push(...String(value).split(' '));
        text = '';
      } else {
        text += String(value);
      }
    }
    if (text !== '' || !(word.length === 1 && 'slot' in word[0]!)) argv.push(text);
  }
  return { ok: true, argv };
}

/** One shell word, quoted so that sh, bash, dash and zsh read exactly it. */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return /["$`\\!]/.test(word) ? `'${word.replaceAll("'", `'\\''`)}'` : `"${word}"`;
}

export function renderCommand(template: string, slots: SlotValues): Rendered {
  const filled = fillWords(template, slots);
  return filled.ok ? { ok: true, text: filled.argv.map(quoteWord).join(' ') } : filled;
}

/** Prose with slots: unknown ones read `?`. Never meant to be pasted. */
function fillText(text: string, slots: SlotValues): string {
  return text.replace(SLOT, (whole, name: string) => {
    if (!Object.hasOwn(SLOTS, name)) return whole;
    const value = String(slots[name] ?? '?');
    return SLOTS[name as SlotName].pattern.test(value) ? value : '?';
  });
}

export function renderMitigation(
  detector: string,
  id: string,
  mitigation: Mitigation,
  slots: SlotValues,
  options: RenderOptions,
): RenderedMitigation {
  const optional = (template: string | undefined): string | null => {
    if (template === undefined) return null;
    const rendered = renderCommand(template, slots);
    return rendered.ok ? rendered.text : null;
  };
  const override = options.overrides[`${detector}.${id}`];
  // What the user replaced is never shown, not even when the replacement cannot be filled.
  const own =
    mitigation.alternative === undefined ? [mitigation.command] : [mitigation.command, mitigation.alternative];
  const templates = override === undefined ? own : [override];
  if (options.commands === 'aws') templates.reverse();
  const rendered = templates.map((template) => renderCommand(template, slots));
  const texts = rendered.flatMap((one) => (one.ok ? [one.text] : []));
  const title = fillText(mitigation.title, slots);
  const command = texts[0];
  if (command === undefined) {
    const first = rendered[0]!;
    return { id, title, withheld: first.ok ? 'no command' : first.because };
  }
  return {
    id,
    title,
    risk: mitigation.risk,
    riskText: fillText(mitigation.riskText, slots),
    precheck: optional(mitigation.precheck),
    command,
    alternative: texts[1] ?? null,
    verify: optional(mitigation.verify),
    undo: optional(mitigation.undo),
    effect: mitigation.effect === undefined ? null : fillText(mitigation.effect.expect, slots),
    slots: safeSlots(slots),
  };
}

/** The values that fit their slot's type: what does not, in no command and in no recorded step. */
function safeSlots(slots: SlotValues): SlotValues {
  const fits = ([name, value]: readonly [string, string | number]): boolean =>
    Object.hasOwn(SLOTS, name) && SLOTS[name as SlotName].pattern.test(String(value));
  return Object.fromEntries(Object.entries(slots).filter(fits));
}
