/** The values of a detector's options: the configured ones over the defaults. */

import type { AnyDetector } from '../sdk/detector.ts';
import type { LifecycleOptions } from './lifecycle.ts';

export type Values = Readonly<Record<string, number | boolean | string>>;

/** Every option present. Configured values were checked against the specs when the configuration was loaded. */
export function optionValues(detector: AnyDetector, configured: Values = {}): Values {
  const values: Record<string, number | boolean | string> = {};
  for (const [name, spec] of Object.entries(detector.options)) values[name] = configured[name] ?? spec.default;
  return values;
}

export function lifecycleOf(values: Values): LifecycleOptions {
  return {
    holdMs: Number(values.holdSeconds) * 1000,
    clearPolls: Number(values.clearPolls),
    clearMs: Number(values.clearSeconds) * 1000,
    flapHoldMs: Number(values.flapHoldSeconds) * 1000,
  };
}
