/** `runbookd detectors [id]`: every detector with its causes, options and mitigations. */

import { closest } from 'fastest-levenshtein';
import { describeDetector } from '../expose/index.ts';
import { RunbookdError } from '../model/index.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';
import { prepare } from './prepare.ts';

export async function detectorsCommand(
  id: string | undefined,
  options: { readonly config?: string; readonly json?: boolean },
  io: Io,
  output: Output,
): Promise<number> {
  const { detectors } = await prepare(options, io, { configOptional: true });
  const one = id === undefined ? undefined : detectors.find((detector) => detector.id === id);
  if (id !== undefined && one === undefined) {
    throw new RunbookdError('DETECTOR_UNKNOWN', [
      id,
      closest(
        id,
        detectors.map((detector) => detector.id),
      ),
    ]);
  }
  if (options.json === true) {
    output.json(one === undefined ? detectors.map(describeDetector) : describeDetector(one));
    return EXIT.ok;
  }
  if (one === undefined) {
    output.table(
      ['DETECTOR', 'WATCHES', 'CAUSES', 'TITLE'],
      detectors.map((detector) => [detector.id, detector.target, String(detector.hypotheses.length), detector.title]),
    );
    return EXIT.ok;
  }
  output.line(output.paint('bold', `${one.id}: ${one.title}`));
  output.wrapped(one.why, 0);
  output.wrapped(`runbook: ${one.runbook}`, 0);
  output.line();
  output.table(
    ['CAUSE', 'VARIANT', 'WHAT'],
    one.hypotheses.map((cause) => [cause.cause, cause.variant ?? '', cause.title]),
  );
  output.line();
  output.table(
    ['OPTION', 'DEFAULT', 'UNIT', 'MEANING'],
    Object.entries(one.options).map(([name, spec]) => [name, String(spec.default), spec.unit ?? '', spec.description]),
  );
  output.line();
  output.table(
    ['MITIGATION', 'RISK', 'WHAT'],
    Object.entries(one.mitigations).map(([name, mitigation]) => [name, mitigation.risk, mitigation.title]),
  );
  return EXIT.ok;
}
