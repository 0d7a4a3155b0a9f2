/** What the parts of the resolution share. */

import { RunbookdError } from '../model/index.ts';
import { invalid, type Path, type Problem } from './problems.ts';
import { createSecret, type Secret, type SecretContext } from './secrets.ts';
import type { DetectorShape, SignalShape } from './types.ts';

/** What the signals of a configuration are checked against. */
export interface KnownSignals {
  /** Every signal that a source of ours gives, or that is bound by hand. */
  readonly all: readonly SignalShape[];
  /** Those that databases have anyhow. */
  readonly ofDatabases: readonly string[];
}

export interface ResolveContext extends SecretContext {
  readonly origin: string;
  /** Whether a path was written at all, also with a value that was refused. */
  readonly written: (path: Path) => boolean;
  /** Whether something at that path or below it was refused already, and taken out. */
  readonly refused: (path: Path) => boolean;
  readonly detectors: readonly DetectorShape[] | null;
  /** Throws when a command template is not valid. */
  readonly checkCommand: ((template: string) => void) | null;
  readonly signals: KnownSignals | null;
  /** What is wrong with a query of the user's own, null when it may run. */
  readonly checkQuery: ((sql: string) => string | null) | null;
}

export type Report = (problem: Problem) => void;

/** A record without prototype: a name such as `constructor` is found only when it was configured. */
export function mapRecord<T, U>(
  record: Readonly<Record<string, T>>,
  map: (key: string, value: T) => U,
): Record<string, U> {
  const mapped: Record<string, U> = Object.create(null);
  for (const [key, value] of Object.entries(record)) mapped[key] = map(key, value);
  return mapped;
}

/** Its own contact, or the one that `contacts` has by its name. */
export function contactOf(
  name: string,
  own: string | undefined,
  contacts: Readonly<Record<string, string>>,
): string | null {
  return own ?? (Object.hasOwn(contacts, name) ? contacts[name]! : null);
}

export interface ReadSecret {
  readonly secret: Secret;
  readonly value: string;
}

/** The handle of a secret that can be read now. The value is for checks and goes no further. */
export function readable(ref: string, path: Path, context: SecretContext, report: Report): ReadSecret | null {
  const secret = createSecret(ref, context);
  try {
    return { secret, value: secret.read() };
  } catch (error) {
    if (!(error instanceof RunbookdError)) throw error;
    report({ code: 'SECRET_MISSING', path, message: error.message });
    return null;
  }
}

/** A value that is sent in a header: one line of printable characters. */
export function headerSecret(ref: string, path: Path, context: SecretContext, report: Report): Secret {
  const read = readable(ref, path, context, report);
  if (read !== null && !/^[\x21-\x7e]([\x20-\x7e]{0,8190}[\x21-\x7e])?$/.test(read.value)) {
    report(invalid(path, `${ref} is not fit for a header, expected one line of printable ASCII`));
  }
  return read?.secret ?? createSecret(ref, context);
}
