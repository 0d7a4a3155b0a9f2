/** Command templates: shell words with typed slots inside them. Parsing only; `diagnose/render.ts` fills them. */

import { RunbookdError } from '../model/index.ts';
import type { SlotName } from './slots.ts';
import { SLOTS } from './slots.ts';

export type Part = { readonly text: string } | { readonly slot: SlotName };
export type Word = readonly Part[];

/** A slot in a word or in prose. */
export const SLOT = /\{([A-Za-z]+)\}/g;

/**
 * Splits a template into words: blanks separate, quotes group and are removed, `\` is not an escape. Throws TEMPLATE
 * for an unclosed quote, a slot that does not exist, or a character that is not printable ASCII.
 */
export function parseTemplate(template: string): readonly Word[] {
  const fail = (problem: string): never => {
    throw new RunbookdError('TEMPLATE', [JSON.stringify(template), problem]);
  };
  if (!/^[\x20-\x7e]+$/.test(template)) fail('only printable ASCII is allowed');
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (const char of template) {
    if (quote !== '') {
      if (char === quote) quote = '';
      else word += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (char === ' ') {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (quote !== '') fail(`quote ${quote} is not closed`);
  if (word !== null) words.push(word);
  return words.map((text) => {
    const parts: Part[] = [];
    let end = 0;
    for (const match of text.matchAll(SLOT)) {
      const name = match[1]!;
      if (!Object.hasOwn(SLOTS, name)) fail(`there is no slot {${name}}; slots: ${Object.keys(SLOTS).join(', ')}`);
      if (match.index > end) parts.push({ text: text.slice(end, match.index) });
      parts.push({ slot: name as SlotName });
      end = match.index + match[0].length;
    }
    if (end < text.length || parts.length === 0) parts.push({ text: text.slice(end) });
    return parts;
  });
}
