/**
 * What went wrong with a query of the user's own, told by its SQLSTATE alone: the server's words repeat the query and
 * what it read. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

import type { UnknownBecause } from '../../../model/question.ts';
import { isUnreachable, sqlstateOf } from '../failure.ts';

export interface Trouble {
  readonly because: UnknownBecause;
  readonly words: string;
  readonly grant: string | null;
}

export interface TroubleContext {
  readonly timeoutMs: number;
  /** Our role, quoted for a GRANT; null before it is known. */
  readonly role: string | null;
  readonly relations: readonly { readonly schema: string; readonly name: string }[];
}

const WORDS: Readonly<Record<string, readonly [UnknownBecause, string]>> = {
  '22012': ['error', 'divides by zero'],
  '25006': ['not_configured', 'writes, which a read-only transaction refuses'],
  '3F000': ['not_configured', 'names a schema that is not there'],
  '42601': ['not_configured', 'is not SQL to this server'],
  '42702': ['not_configured', 'names a column that could be one of several'],
  '42703': ['not_configured', 'names a column that is not there'],
  '42804': ['not_configured', 'mixes types'],
  '42883': [
    'not_configured',
    'names a function or operator that is not there (with its schema: the search path is pg_catalog)',
  ],
  '42P01': ['not_configured', 'names a table that is not there'],
  '53200': ['error', 'ran out of memory'],
  '53400': ['error', 'is over a limit of the server (temporary files)'],
  '55P03': ['timeout', 'waited for a lock and gave up'],
};

export function troubleOf(error: unknown, context: TroubleContext): Trouble {
  const state = sqlstateOf(error);
  if (isUnreachable(error)) return { because: 'error', words: 'not asked, the server cannot be reached', grant: null };
  if (state === null) return { because: 'error', words: 'failed', grant: null };
  const withState = (words: string): string => `${words} (SQLSTATE ${state})`;
  if (state === '57014') {
    return { because: 'timeout', words: withState(`no answer within ${context.timeoutMs} ms`), grant: null };
  }
  if (state === '42501') {
    return { because: 'denied', words: withState('may not read what it names'), grant: grantOf(context) };
  }
  const [because, words] = WORDS[state] ?? (['error', 'failed'] as const);
  return { because, words: withState(words), grant: null };
}

function grantOf({ role, relations }: TroubleContext): string | null {
  if (relations.length === 0) return null;
  const to = role ?? 'the role';
  // Everybody may use public unless that was taken away.
  const schemas = [...new Set(relations.map(({ schema }) => schema))].filter((schema) => schema !== 'public');
  const usage = schemas.length === 0 ? '' : `GRANT USAGE ON SCHEMA ${schemas.join(', ')} TO ${to}; `;
  return `${usage}GRANT SELECT ON ${relations.map(({ schema, name }) => `${schema}.${name}`).join(', ')} TO ${to};`;
}
