/** What is wrong with a configuration: collected as data, reported all at once, without ever showing a secret. */

import { distance } from 'fastest-levenshtein';
import { RunbookdError } from '../model/index.ts';

export type Path = readonly (string | number)[];

export interface Problem {
  readonly code: 'CONFIG_INVALID' | 'SECRET_MISSING';
  readonly path: Path;
  /** What was found and what was expected. */
  readonly message: string;
}

export function invalid(path: Path, message: string): Problem {
  return { code: 'CONFIG_INVALID', path, message };
}

/** `databases.main-db.url`, `detectorsDir[0]`; keys that others chose are cut and made printable. */
export function pathText(path: Path): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? printable(key, 60) : `${text}.${printable(key, 60)}`;
  }, '');
}

/** One error for all problems, in the order of the files. Only missing secrets make it SECRET_MISSING. */
export function problemsError(
  problems: readonly Problem[],
  where: (path: Path) => { readonly place: string; readonly line: number },
): RunbookdError {
  const lines = problems
    .map((problem) => ({ problem, ...where(problem.path) }))
    .sort((a, b) => a.line - b.line)
    .map(({ problem, place }) => {
      const path = pathText(problem.path);
      return { place: path === '' ? place : `${place}: ${path}`, message: problem.message };
    });
  const [first, ...others] = lines;
  const rest = others.map(({ place, message }) => `\n${place}: ${message}`).join('');
  if (problems.every(({ code }) => code === 'SECRET_MISSING')) {
    return new RunbookdError('SECRET_MISSING', [first!.place, `${first!.message}${rest}`]);
  }
  return new RunbookdError('CONFIG_INVALID', [`${first!.place}: ${first!.message}${rest}`]);
}

/** `; did you mean "databases"?`, or the list of what there is when nothing is near. */
export function suggest(wrong: string, known: readonly string[], what: string): string {
  const near = nearest(wrong, known);
  if (near !== null) return `; did you mean "${near}"?`;
  if (known.length === 0) return '';
  const shown = known.slice(0, 15).join(', ');
  return `; ${what}: ${shown}${known.length > 15 ? `, and ${known.length - 15} more` : ''}`;
}

/** The known word with the smallest edit distance, if it is near enough to be a slip of the pen. */
export function nearest(wrong: string, known: readonly string[]): string | null {
  const word = wrong.slice(0, 100).toLowerCase();
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(word, candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, Math.floor(word.length / 3)) ? best.candidate : null;
}

/** A value as a message shows it: short, printable, without a URL's user part or a password. Not for secrets. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(printable(value.replace(/\/\/\S*@/g, '//***@').replace(/(password=)\S+/gi, '$1***'), 80));
}

/** Only the kind of a value, where the value could be a secret. */
export function kindOf(value: unknown): string {
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'a number';
  if (typeof value === 'boolean') return 'true or false';
  return shown(value);
}

export function printable(text: string, limit: number): string {
  const clean = text.replace(/[^\x20-\x7e\u00a0-\u024f]/g, '?');
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean;
}
