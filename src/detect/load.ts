/**
 * Loading detectors: a directory is the registry, ours and the user's alike. Each `<id>.ts` or `<id>.js` that is not a
 * test exports `detector`. A mounted file anywhere may import `runbookd/sdk`: a resolve hook maps that to ours.
 * Symlinks are followed as Kubernetes mounts ConfigMaps through them; names beginning with a dot are not read.
 */

import { readdirSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { basename, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf, RunbookdError } from '../model/index.ts';
import type { AnyDetector } from '../sdk/detector.ts';
import { breaches } from './contract.ts';

/** Maps `runbookd/sdk` to this program's own, wherever the importing file lies. Call once, before `loadDetectors`. */
export function mapSdk(urls: { readonly sdk: string; readonly testing: string }): { deregister(): void } {
  const known: Readonly<Record<string, string>> = { 'runbookd/sdk': urls.sdk, 'runbookd/testing': urls.testing };
  return registerHooks({
    resolve(specifier, context, next) {
      const url = known[specifier];
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
  });
}

/** The ids of the detector files of a directory, sorted. Throws DETECTOR_LOAD when it cannot be read. */
export function detectorFiles(directory: string): readonly { readonly id: string; readonly file: string }[] {
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    throw new RunbookdError('DETECTOR_LOAD', [`directory ${directory}`, messageOf(error)], error);
  }
  return names
    .filter((name) => !name.startsWith('.') && /\.(ts|js|mjs)$/.test(name) && !/\.(test|d)\.[a-z]+$/.test(name))
    .map((name) => ({ id: basename(name, extname(name)), file: resolve(join(directory, name)) }))
    .filter(({ file }) => statSync(file, { throwIfNoEntry: false })?.isFile() === true)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * All detectors of the directories, sorted by id; a later directory replaces a detector of the same id.
 * Throws DETECTOR_LOAD or DETECTOR_CONTRACT, naming the file and every breach.
 */
export async function loadDetectors(directories: readonly string[]): Promise<readonly AnyDetector[]> {
  const byId = new Map<string, AnyDetector>();
  for (const directory of directories) {
    for (const { id, file } of detectorFiles(directory)) byId.set(id, await loadOne(id, file));
  }
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function loadOne(id: string, file: string): Promise<AnyDetector> {
  let module: { readonly detector?: unknown };
  try {
    module = await import(pathToFileURL(file).href);
  } catch (error) {
    throw new RunbookdError('DETECTOR_LOAD', [file, messageOf(error)], error);
  }
  const found = breaches(module.detector, id);
  if (found.length > 0) throw new RunbookdError('DETECTOR_CONTRACT', [file, found.join('; ')]);
  return module.detector as AnyDetector;
}
