/** What the functions of this folder take: plain or columnar numbers, finite, never changed by them. */
export type Numbers = readonly number[] | Float32Array | Float64Array;

/** simple-statistics copies its input by `slice()` and reads by index, which typed arrays do alike; its types say arrays only. */
export function asArray(values: Numbers): readonly number[] {
  return values as readonly number[];
}
