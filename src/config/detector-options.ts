/** A detector's configured options against its own specs. */

import { parseDuration } from './durations.ts';
import { invalid, type Path, type Problem, shown, suggest } from './problems.ts';
import type { OptionSpec, OptionSpecs, OptionValue } from './types.ts';

export interface CheckedOptions {
  /** What is valid of the configured options, in the option's own unit. */
  readonly values: Readonly<Record<string, OptionValue>>;
  readonly problems: readonly Problem[];
}

/**
 * Checks the options of detector `id`. An option counted in seconds or milliseconds may also be written as a duration
 * (`holdSeconds: 2m` is 120). `path` is where the options stand: `['detectors', id, 'options']`.
 */
export function validateDetectorOptions(
  id: string,
  specs: OptionSpecs,
  options: Readonly<Record<string, unknown>>,
  path: Path = ['detectors', id, 'options'],
): CheckedOptions {
  const values: Record<string, OptionValue> = Object.create(null);
  const problems: Problem[] = [];
  for (const [name, value] of Object.entries(options)) {
    const here = [...path, name];
    if (!Object.hasOwn(specs, name)) {
      const near = suggest(name, Object.keys(specs), `options of ${id}`);
      problems.push(invalid(here, `unknown option of ${id}${near}`));
      continue;
    }
    const checked = checkOption(specs[name]!, value);
    if (typeof checked === 'object') problems.push(invalid(here, checked.problem));
    else values[name] = checked;
  }
  return { values, problems };
}

function checkOption(spec: OptionSpec, value: unknown): OptionValue | { readonly problem: string } {
  if (spec.type === 'boolean') return typeof value === 'boolean' ? value : found(value, 'true or false');
  if (spec.type === 'string') {
    if (typeof value !== 'string') return found(value, 'text');
    if (spec.choices === undefined || spec.choices.includes(value)) return value;
    return { problem: `found ${shown(value)}${suggest(value, spec.choices, 'expected one of')}` };
  }
  const number = typeof value === 'string' ? inUnit(value, spec.unit) : value;
  const expected = expectedNumber(spec);
  if (typeof number !== 'number' || !Number.isFinite(number)) return found(value, expected);
  if (spec.type === 'integer' && !Number.isInteger(number)) return found(value, expected);
  if (number < (spec.minimum ?? -Infinity) || number > (spec.maximum ?? Infinity)) return found(value, expected);
  return number;
}

function found(value: unknown, expected: string): { readonly problem: string } {
  return { problem: `found ${shown(value)}, expected ${expected}` };
}

function inUnit(text: string, unit: string | undefined): number | null {
  if (unit !== 's' && unit !== 'ms') return null;
  const parsed = parseDuration(text);
  if (!parsed.ok) return null;
  return unit === 's' ? parsed.ms / 1000 : parsed.ms;
}

/** `a whole number from 1 to 3600 s`. */
export function expectedNumber(spec: Extract<OptionSpec, { type: 'number' | 'integer' }>): string {
  const kind = spec.type === 'integer' ? 'a whole number' : 'a number';
  const { minimum, maximum } = spec;
  const range =
    minimum !== undefined && maximum !== undefined
      ? ` from ${minimum} to ${maximum}`
      : minimum !== undefined
        ? ` of at least ${minimum}`
        : maximum !== undefined
          ? ` of at most ${maximum}`
          : '';
  return `${kind}${range}${spec.unit === undefined ? '' : ` (${spec.unit})`}`;
}
