/** Rules for the common shapes: a detector states what, these own how. */

export * from './gauge.ts';
export * from './trend.ts';
