/** Cutting text to a receiver's limits without cutting a character: a code point is never split. */

/** At most `max` code points; a longer text ends at a word, if one ends in the last fifth, and with `…`. */
export function clipAtWord(text: string, max: number): string {
  // Two code units at most for a code point: a text that short cannot be over the limit.
  if (text.length <= max) return text;
  const points = Array.from(text.slice(0, max * 2 + 2));
  if (points.length <= max) return text;
  const head = points.slice(0, max - 1).join('');
  const space = head.search(/\s\S*$/u);
  return `${(space >= head.length * 0.8 ? head.slice(0, space) : head).trimEnd()}…`;
}

/** The longest run of whole lines from the start whose JSON form takes at most `maxBytes` of UTF-8. */
export function clipLines(lines: readonly string[], maxBytes: number): readonly string[] {
  let bytes = 2;
  let count = 0;
  for (const line of lines) {
    // The quotes of this line's JSON form stand for the escaped line break that joins it to the next.
    bytes += Buffer.byteLength(JSON.stringify(line));
    if (bytes > maxBytes) break;
    count += 1;
  }
  return lines.slice(0, count);
}
