/** What the handlers of the query protocols share. */

import { page } from './paging.ts';
import { ApiError, type Call } from './protocol.ts';
import type { XmlValue } from './xml.ts';

export type QueryApi = Readonly<Record<string, (call: Call, now: number) => Readonly<Record<string, XmlValue>>>>;

/** A page of a query API's list, by its own names of size and token. */
export function pageOf<T>(
  call: Call,
  values: readonly T[],
  sizeKey: string,
  tokenKey: string,
  usual: number,
  most: number,
  least = 1,
) {
  const { form } = call;
  const size = Number(form.get(sizeKey) ?? usual);
  if (!(size >= least && size <= most)) {
    throw new ApiError(
      'InvalidParameterValue',
      `${sizeKey} must be between ${least} and ${most}: ${form.get(sizeKey)}`,
    );
  }
  const request = [...form.entries()].filter(([key]) => key !== tokenKey);
  return page(
    values,
    size,
    request,
    form.get(tokenKey),
    () => new ApiError('InvalidParameterValue', `Invalid ${tokenKey}`),
  );
}
