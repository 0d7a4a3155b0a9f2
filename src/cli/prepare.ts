/** What every command needs first: the configuration and the detectors that it speaks of. */

import type { Config } from '../config/index.ts';
import { loadConfig } from '../config/index.ts';
import type { AnyDetector } from '../sdk/detector.ts';
import { parseTemplate } from '../sdk/template.ts';
import { KNOWN_SIGNALS, loadAllDetectors } from '../watch.ts';
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
  const given = {
    ...(path === undefined ? {} : { path }),
    env: io.env,
    checkCommand: parseTemplate,
    signals: KNOWN_SIGNALS,
  };
  // The options of a detector can only be checked once it is known, and the configuration says where to find it.
  const first = loadConfig(given);
  const detectors = await loadAllDetectors(first.detectorsDir);
  const checkQuery = await queryCheckOf(first);
  return { config: loadConfig({ ...given, detectors, ...(checkQuery !== null && { checkQuery }) }), detectors };
}

/** Who has no queries of his own does not load a parser of SQL. */
async function queryCheckOf({ databases }: Config): Promise<((sql: string) => string | null) | null> {
  if (Object.values(databases).every(({ queries }) => Object.keys(queries).length === 0)) return null;
  const { checkSignalQuery } = await import('../sources/postgres/queries/check-query.ts');
  return checkSignalQuery;
}

/** The same, for commands that cannot do without. */
export async function prepareConfig(
  options: { readonly config?: string },
  io: Io,
): Promise<Prepared & { config: Config }> {
  const { config, detectors } = await prepare(options, io);
  return { config: config as Config, detectors };
}
