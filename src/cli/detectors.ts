/** `runbookd detectors [id]`: every detector with its causes and options. */

import { closest } from 'fastest-levenshtein';
import { RunbookdError } from '../model/index.ts';
import type { AnyDetector } from '../sdk/detector.ts';
import type { Io, Output } from './output.ts';
import { EXIT } from './output.ts';
import { prepare } from './prepare.ts';

/** The JSON of a detector, the same as the API's. */
export function describeDetectorJson(detector: AnyDetector): object {
  return {
    id: detector.id,
    title: detector.title,
    why: detector.why,
    runbook: detector.runbook,
    target: detector.target,
    signals: Object.values(detector.signals),
    options: detector.options,
    causes: detector.hypotheses.map((one) => ({
      cause: one.cause,
      variant: one.variant ?? null,
      on: one.on,
      title: one.title,
      prior: one.prior,
      probes: one.probes.map(({ id, factor, title }) => ({ id, factor, title })),
      mitigations: one.mitigations,
    })),
    mitigations: Object.entries(detector.mitigations).map(([id, one]) => ({
      id,
      title: one.title,
      risk: one.risk,
      command: one.command,
      alternative: one.alternative ?? null,
    })),
  };
}

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
    output.json(one === undefined ? detectors.map(describeDetectorJson) : describeDetectorJson(one));
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
  output.line(`${one.why}`);
  output.line(`runbook: ${one.runbook}`);
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
  return EXIT.ok;
}
