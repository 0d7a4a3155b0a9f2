/** Rules for the common shapes: a detector states what, these own how. */

export * from './error-rate.ts';
export * from './gauge.ts';
export * from './lost-requests.ts';
export * from './percentile.ts';
export * from './trend.ts';
