/** What the parts of the resolution share. */

import { RunbookdError } from '../model/index.ts';
import type { Path, Problem } from './problems.ts';
import { createSecret, type Secret, type SecretContext } from './secrets.ts';
import type { DetectorShape } from './types.ts';

export interface ResolveContext extends SecretContext {
  readonly origin: string;
  /** Whether a path was written at all, also with a value that was refused. */
  readonly written: (path: Path) => boolean;
  /** Whether something at that path or below it was refused already, and taken out. */
  readonly refused: (path: Path) => boolean;
  readonly detectors: readonly DetectorShape[] | null;
  /** Throws when a command template is not valid. */
  readonly checkCommand: ((template: string) => void) | null;
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
