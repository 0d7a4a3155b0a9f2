/** The part of `config/README.md` about signals that are bound by hand. */

import { SIGNALS } from '../src/watch.ts';

const BEGIN = '<!-- signals: generated, npm run generate -->';
const END = '<!-- /signals -->';

/** The text with its part between the marks made anew. Throws when the marks are not there. */
export function withSignals(readme: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`config/README.md has no part from ${BEGIN} to ${END}`);
  const rows = SIGNALS.filter(({ byHand }) => byHand === true).map(
    ({ signal, unit, description }) => `| \`${signal}\` | ${unit} | ${description} |`,
  );
  const table = ['| signal | unit | what |', '| --- | --- | --- |', ...rows].join('\n');
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${readme.slice(end)}`;
}
