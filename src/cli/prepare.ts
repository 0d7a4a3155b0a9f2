/** What every command needs first: the configuration and the detectors that it speaks of. */

import type { Config } from '../config/index.ts';
import { loadConfig } from '../config/index.ts';
import type { AnyDetector } from '../sdk/detector.ts';
import { parseTemplate } from '../sdk/template.ts';
import { loadAllDetectors } from '../watch.ts';
import type { Io } from './output.ts';

export interface Prepared {
  readonly config: Config | null;
  readonly detectors: readonly AnyDetector[];
}

/** Throws the configuration's errors. With `configOptional`, nothing to watch is no error. */
export async function prepare(
  options: { readonly config?: string },
  io: Io,
  { configOptional = false }: { readonly configOptional?: boolean } = {},
): Promise<Prepared> {
  const path = options.config ?? io.env.RUNBOOKD_CONFIG;
  // Only a file can name detectors of its own: what the environment says to watch changes nothing about them.
  if (configOptional && path === undefined) {
    return { config: null, detectors: await loadAllDetectors([]) };
  }
  const given = { ...(path === undefined ? {} : { path }), env: io.env, checkCommand: parseTemplate };
  // The options of a detector can only be checked once it is known, and the configuration says where to find it.
  const detectors = await loadAllDetectors(loadConfig(given).detectorsDir);
  return { config: loadConfig({ ...given, detectors }), detectors };
}

/** The same, for commands that cannot do without. */
export async function prepareConfig(
  options: { readonly config?: string },
  io: Io,
): Promise<Prepared & { config: Config }> {
  const { config, detectors } = await prepare(options, io);
  return { config: config as Config, detectors };
}
