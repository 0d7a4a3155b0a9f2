/** What every detector keeps, ours and others': checked when it is loaded and by `runbookd/testing`. */

import { messageOf } from '../model/index.ts';
import type { AnyDetector } from '../sdk/detector.ts';
import { parseTemplate } from '../sdk/template.ts';

const ID = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const LIFECYCLE = ['pollSeconds', 'holdSeconds', 'clearPolls', 'clearSeconds', 'flapHoldSeconds', 'rewalkSeconds'];

/** All breaches in words; empty when the detector is fit to run. `fileId` is the name of the file that it came from. */
export function breaches(value: unknown, fileId: string): readonly string[] {
  if (typeof value !== 'object' || value === null) {
    return [
      `expected an export named "detector" made by defineDetector, received ${value === null ? 'null' : typeof value}`,
    ];
  }
  const detector = value as Partial<AnyDetector>;
  const found: string[] = [];
  const text = (name: 'id' | 'title' | 'why' | 'runbook' | 'target'): void => {
    if (typeof detector[name] !== 'string' || detector[name] === '') found.push(`${name} must be a text`);
  };
  for (const name of ['id', 'title', 'why', 'runbook', 'target'] as const) text(name);
  if (typeof detector.id === 'string' && !ID.test(detector.id)) found.push(`id ${detector.id} must be kebab-case`);
  if (detector.id !== fileId) found.push(`id ${String(detector.id)} must be the file's name, ${fileId}`);
  if (typeof detector.rule !== 'function') found.push('rule must be a function');
  const options = detector.options ?? {};
  for (const name of LIFECYCLE)
    if (!(name in options)) found.push(`option ${name} is missing (lifecycleOptions gives it)`);
  for (const [name, spec] of Object.entries(options)) {
    if (typeof spec?.description !== 'string' || spec.description === '')
      found.push(`option ${name} has no description`);
    if (spec?.default === undefined) found.push(`option ${name} has no default`);
  }
  if (Object.keys(detector.signals ?? {}).length === 0) found.push('signals must name at least one');
  const mitigations = detector.mitigations ?? {};
  const hypotheses = detector.hypotheses ?? [];
  if (hypotheses.length === 0) found.push('hypotheses must hold at least one');
  const seen = new Set<string>();
  for (const hypothesis of hypotheses) {
    const name = `${hypothesis.cause}${hypothesis.variant === undefined ? '' : ` (${hypothesis.variant})`}`;
    const key = `${name}/${hypothesis.on}`;
    if (seen.has(key)) found.push(`hypothesis ${name} is there twice`);
    seen.add(key);
    if (!(hypothesis.prior > 0 && hypothesis.prior < 1))
      found.push(`hypothesis ${name}: prior must be between 0 and 1`);
    if (hypothesis.probes.length === 0) found.push(`hypothesis ${name} has no probe`);
    const probes = hypothesis.probes.map((probe) => probe.id);
    if (new Set(probes).size !== probes.length) found.push(`hypothesis ${name} has two probes of one id`);
    for (const id of hypothesis.requires ?? []) {
      if (!probes.includes(id)) found.push(`hypothesis ${name} requires probe ${id}, which it does not have`);
    }
    if (hypothesis.mitigations.length === 0) found.push(`hypothesis ${name} has no mitigation`);
    for (const id of hypothesis.mitigations) {
      if (!Object.hasOwn(mitigations, id)) found.push(`hypothesis ${name} names mitigation ${id}, which is not there`);
    }
  }
  for (const [id, mitigation] of Object.entries(mitigations)) {
    const { precheck, command, alternative, verify, undo } = mitigation;
    for (const template of [command, precheck, alternative, verify, undo]) {
      if (template === undefined) continue;
      try {
        parseTemplate(template);
      } catch (error) {
        found.push(`mitigation ${id}: ${messageOf(error)}`);
      }
    }
    if (mitigation.risk !== 'read-only' && mitigation.riskText === '') found.push(`mitigation ${id} has no riskText`);
    if (!hypotheses.some((hypothesis) => hypothesis.mitigations.includes(id))) {
      found.push(`mitigation ${id} belongs to no hypothesis`);
    }
  }
  return found;
}
