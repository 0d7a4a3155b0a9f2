/** The part of `config/README.md` about AWS permissions: the policy, and what each action is for. */

import { ACTION_NAMES, AWS_ACTIONS } from '../src/sources/aws/actions.ts';
import { iamPolicy } from '../src/sources/aws/policy.ts';

const BEGIN = '<!-- iam: generated, npm run generate -->';
const END = '<!-- /iam -->';

/** The text with its part between the marks made anew. Throws when the marks are not there. */
export function withIamPolicy(readme: string): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`config/README.md has no part from ${BEGIN} to ${END}`);
  return `${readme.slice(0, begin + BEGIN.length)}\n\n${iamSection()}\n${readme.slice(end)}`;
}

function iamSection(): string {
  const table = ACTION_NAMES.map((name) => {
    const { why, hides, optional } = AWS_ACTIONS[name];
    const blind = hides.length === 0 ? '–' : hides.join(', ');
    return `| \`${name}\` | ${why} | ${blind} | ${optional ? 'yes' : ''} |`;
  });
  return [
    '```json',
    JSON.stringify(iamPolicy({}), null, 2),
    '```',
    '',
    '| action | what for | goes blind without it | optional |',
    '| --- | --- | --- | --- |',
    ...table,
    '',
  ].join('\n');
}
