export * from './clamp.ts';
export * from './mad.ts';
export * from './median.ts';
export * from './numbers.ts';
export * from './quantile.ts';
export * from './sigmoid.ts';
export * from './slope.ts';
