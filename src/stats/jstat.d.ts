/** What is used of jstat 1.9, which brings no types. https://jstat.github.io/all.html */
declare module 'jstat' {
  interface JStat {
    /** Regularised lower incomplete gamma function P(a, x). NaN for a <= 0 or x < 0. */
    lowRegGamma(a: number, x: number): number;
    /** Regularised incomplete beta function I_x(a, b). False for x outside 0…1. */
    ibeta(x: number, a: number, b: number): number | false;
    readonly normal: { inv(p: number, mean: number, sd: number): number };
  }
  const exported: { readonly jStat: JStat };
  // CommonJS: Node gives its exports as the default import.
  export = exported;
}
