/** What the server and the network throw, as errors of ours. The original, with its SQLSTATE, stays as `cause`. */

import { messageOf, RunbookdError } from '../../model/errors.ts';
import type { UnknownAnswer, UnknownBecause } from '../../model/question.ts';
import { printable } from './text.ts';

/** Longest server message that is passed on, in characters. */
const MESSAGE_LIMIT = 300;

/** SQLSTATE of the error or of what caused it; null when no server spoke. */
export function sqlstateOf(error: unknown): string | null {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1) {
    const code = (each as { readonly code?: unknown }).code;
    // Node's own codes of five letters (`EPIPE`) are all letters; every class of SQLSTATE holds a digit.
    if (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code)) return code;
  }
  return null;
}

/** The error's own words on one line, without the password should a server ever repeat it. */
export function wordsOf(error: unknown, password: string | null): string {
  const message = messageOf(error).replace(/postgres(?:ql)?:\/\/\S+/g, '(url)');
  const redacted = password === null || password === '' ? message : withoutPassword(message, password);
  return printable(redacted, MESSAGE_LIMIT);
}

/** One that is too short to be found inside other words without tearing them apart is only taken out as a word. */
const SHORT_PASSWORD = 6;

function withoutPassword(message: string, password: string): string {
  if (password.length >= SHORT_PASSWORD) return message.replaceAll(password, '(password)');
  const escaped = password.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return message.replace(new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?![\\p{L}\\p{N}])`, 'gu'), '(password)');
}

/** What a connection attempt threw: every SQLSTATE of a refused login is a failed connect, also 42501 and 53300. */
export function connectFailure(target: string, error: unknown, password: string | null): RunbookdError {
  return new RunbookdError('POSTGRES_CONNECT', [target, wordsOf(error, password)], error);
}

/**
 * What a statement threw. A server that ends our session (class 57P), has no memory of it (08) or hangs up is a lost
 * connection; 57014 is its statement timeout.
 */
export function queryFailure(
  target: string,
  check: string,
  timeoutMs: number,
  error: unknown,
  password: string | null,
): RunbookdError {
  const state = sqlstateOf(error);
  const words = wordsOf(error, password);
  if (state === null || state.startsWith('08') || state.startsWith('57P')) {
    return new RunbookdError('POSTGRES_CONNECT', [target, words], error);
  }
  if (state === '57014') return new RunbookdError('POSTGRES_TIMEOUT', [target, check, timeoutMs], error);
  if (state === '42501') return new RunbookdError('POSTGRES_DENIED', [target, check, words], error);
  return new RunbookdError('POSTGRES_QUERY', [target, check, words], error);
}

export function becauseOf(error: unknown): UnknownBecause {
  if (!(error instanceof RunbookdError)) return 'error';
  if (error.code === 'POSTGRES_TIMEOUT' || error.code === 'ABORTED') return 'timeout';
  return error.code === 'POSTGRES_DENIED' ? 'denied' : 'error';
}

/** True when no session could be had or it gave no sign of life: the server as a whole, not one check, is the matter. */
export function isUnreachable(error: unknown): boolean {
  if (!(error instanceof RunbookdError)) return false;
  return error.code === 'POSTGRES_CONNECT' || (error.code === 'POSTGRES_TIMEOUT' && sqlstateOf(error) === null);
}

export function unknownAnswer<K extends UnknownAnswer['kind']>(kind: K, error: unknown): UnknownAnswer<K> {
  return { state: 'unknown', kind, because: becauseOf(error), detail: messageOf(error) };
}
