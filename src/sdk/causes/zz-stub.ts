// temporary
import type { Reading } from '../../model/index.ts';
import { beyond } from '../rules/index.ts';
export * from './deployment.ts';
export * from './external-service.ts';
export * from './uneven.ts';
interface R { ratio: number; floorSeconds: number; need: number; of: number; minimumSamples: number; clearShare: number }
export function percentileAbove(latency: Reading, requests: Reading | undefined, rule: R, active: boolean) {
  const last = latency.samples.at(-1);
  void requests;
  if (last === undefined || !last.band.ready) return { state: 'not_ready' as const, because: 'x' };
  const baseline = last.band.expected;
  const limit = Math.max(baseline * rule.ratio, baseline + rule.floorSeconds);
  const d = beyond(latency, { limit, clear: limit - rule.clearShare * (limit - baseline), need: rule.need, of: rule.of }, active);
  if (d === null) return { state: 'clear' as const, at: last.at, value: last.value, baseline };
  return { state: 'departed' as const, departure: { at: last.at, value: last.value, baseline, limit, worst: d.worst.value, onset: d.onset } };
}
