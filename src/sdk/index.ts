/** `runbookd/sdk`: everything that a detector may touch. */

export type * from '../model/index.ts';
export * from './causes/index.ts';
export * from './detector.ts';
export * from './evidence.ts';
export * from './format.ts';
export * from './options.ts';
export * from './rules/index.ts';
export { SLOTS, type SlotName, type SlotType } from './slots.ts';
