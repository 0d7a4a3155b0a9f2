/** Pages and their tokens. A token is bound to its request, as the vendor's are: with other parameters it is refused. */

import { hashText } from './random.ts';

export const tokenFor = (request: unknown, position: number | string): string =>
  Buffer.from(JSON.stringify([position, hashText(JSON.stringify(request))])).toString('base64url');

/** The position in a token; `undefined` when it is not one of this request. */
export function positionOf(request: unknown, token: string): number | string | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (!Array.isArray(parsed) || parsed[1] !== hashText(JSON.stringify(request))) return undefined;
    const [position] = parsed as readonly unknown[];
    return typeof position === 'number' || typeof position === 'string' ? position : undefined;
  } catch {
    return undefined;
  }
}

/** One page of a list, and the token of the next one. */
export function page<T>(
  values: readonly T[],
  size: number,
  request: unknown,
  token: string | null | undefined,
  refuse: () => Error,
): { readonly values: readonly T[]; readonly next: string | undefined } {
  let from = 0;
  if (token !== null && token !== undefined && token !== '') {
    const position = positionOf(request, token);
    if (typeof position !== 'number') throw refuse();
    from = position;
  }
  const to = from + size;
  return { values: values.slice(from, to), next: to < values.length ? tokenFor(request, to) : undefined };
}
