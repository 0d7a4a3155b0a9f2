import { type ErrorCode, messageOf, RunbookdError } from '../model/errors.ts';

/** Primary result codes, https://www.sqlite.org/rescode.html; the low byte of `errcode`. */
const BUSY = 5;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === BUSY;
}

export function isDamage(error: unknown): boolean {
  const code = resultCode(error);
  return code === CORRUPT || code === NOT_A_DATABASE || error instanceof SyntaxError;
}

/** What is wrong and what to do, so that nobody starts with an empty store by accident. */
export function damaged(path: string, what: string, cause?: unknown): RunbookdError {
  const todo =
    `restore a copy of it, or move ${path}, ${path}-wal and ${path}.holder away to start empty ` +
    '(open incidents and undelivered pages in it are then lost)';
  return new RunbookdError('STORE_DAMAGED', [path, `${what}; ${todo}`], cause);
}

/** Turns whatever a query threw into an error of the catalogue. */
export function storeFailure(path: string, code: ErrorCode, error: unknown): RunbookdError {
  if (error instanceof RunbookdError) return error;
  return isDamage(error)
    ? damaged(path, messageOf(error), error)
    : new RunbookdError(code, [path, messageOf(error)], error);
}
