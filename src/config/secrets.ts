/**
 * Secrets are named, never written: `env:NAME` or `file:PATH`. They are read when they are used, so a mounted file can
 * be rotated without a restart, and they print as `<secret>` wherever they turn up.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { inspect } from 'node:util';
import { messageOf, RunbookdError } from '../model/index.ts';

export interface Secret {
  /** What the configuration says (`env:DATABASE_URL`): fit for messages. */
  readonly ref: string;
  /** The present value. Throws SECRET_MISSING, naming the reference and never the value. */
  read(): string;
}

export const SECRET_REF = /^(env:[A-Za-z_][A-Za-z0-9_]*|file:[^\0]+)$/;

const PRINTED = '<secret>';
const MAX_BYTES = 65_536;

export interface SecretContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative paths of `file:` begin here. */
  readonly baseDir: string;
}

/** `ref` must match `SECRET_REF`. */
export function createSecret(ref: string, { env, baseDir }: SecretContext): Secret {
  const name = ref.slice(ref.indexOf(':') + 1);
  return seal(
    ref,
    ref.startsWith('env:') ? () => fromEnv(ref, env[name]) : () => fromFile(ref, resolve(baseDir, name)),
  );
}

/** A value that the configuration may hold in the open, such as a database URL without a password. */
export function openValue(value: string): Secret {
  return seal(value, () => value);
}

function seal(ref: string, read: () => string): Secret {
  const hidden = { value: () => PRINTED };
  return Object.freeze(
    Object.defineProperties({ ref, read }, { toJSON: hidden, toString: hidden, [inspect.custom]: hidden }),
  );
}

function fromEnv(ref: string, value: string | undefined): string {
  if (value === undefined) throw new RunbookdError('SECRET_MISSING', [ref, 'environment variable is not set']);
  return filled(ref, value, 'environment variable');
}

function fromFile(ref: string, path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why = code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read (${code ?? messageOf(error)})`;
    throw new RunbookdError('SECRET_MISSING', [ref, why]);
  }
  if (text.length > MAX_BYTES) throw new RunbookdError('SECRET_MISSING', [ref, 'file is larger than 64 kB']);
  return filled(ref, text, 'file');
}

/** Editors and `echo` end files with a line break that belongs to nobody's password. */
function filled(ref: string, text: string, where: string): string {
  const value = text.replace(/[\r\n]+$/, '');
  if (value.trim() === '') throw new RunbookdError('SECRET_MISSING', [ref, `${where} is empty`]);
  return value;
}
