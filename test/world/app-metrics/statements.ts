/** How often the api asks its database, for the statements that a real server then counts. */

import { type AreaOptions, createArea } from './area.ts';

export interface StatementEffects {
  /** Look-ups of one row: a loop around a query makes many of them. */
  readonly lookupsFactor?: number;
}

/** Few, so that they cost hardly any time: what counts is how often they come against before. */
const LOOKUPS_PER_MINUTE = 30;
const LISTS_PER_MINUTE = 12;

export function statementMetrics(options: AreaOptions) {
  const { affect, product } = createArea<StatementEffects>('statements', options);
  return {
    affect,
    perMinute: (at: number) => ({
      lookups: Math.round(LOOKUPS_PER_MINUTE * product(at, (one) => one.lookupsFactor)),
      lists: LISTS_PER_MINUTE,
    }),
  };
}
