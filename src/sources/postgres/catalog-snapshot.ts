/** The catalogue's state as JSON and back; values of settings in it are those that may be shown, or fingerprints. */

import type { EpochMs } from '../../model/glossary.ts';
import type { ServerIdentity } from './catalog.ts';
import type { IndexLook, IndexState, LostIndex } from './catalog-indexes.ts';
import type { Setting, Settings } from './catalog-settings.ts';

export interface CatalogState {
  readonly identity: ServerIdentity | null;
  readonly settings: Settings | null;
  readonly settingsAt: EpochMs;
  readonly look: IndexLook | null;
  readonly lost: readonly LostIndex[];
}

const VERSION = 1;

export function packCatalog({ identity, settings, settingsAt, look, lost }: CatalogState): unknown {
  return {
    version: VERSION,
    identity,
    settings: settings === null ? null : [...settings],
    settingsAt,
    look: look === null ? null : { ...look, indexes: [...look.indexes] },
    lost,
  };
}

/** Null for anything that is not what `packCatalog` made. */
export function unpackCatalog(state: unknown): CatalogState | null {
  try {
    const { version, identity, settings, settingsAt, look, lost } = state as Packed;
    if (version !== VERSION || !Array.isArray(lost) || !Number.isFinite(settingsAt)) return null;
    return {
      identity: identity === null || typeof identity.started !== 'string' ? null : identity,
      settings: settings === null ? null : new Map(settings),
      settingsAt,
      look: look === null ? null : { ...look, indexes: new Map(look.indexes) },
      lost,
    };
  } catch {
    return null;
  }
}

interface Packed {
  readonly version: number;
  readonly identity: ServerIdentity | null;
  readonly settings: readonly (readonly [string, Setting])[] | null;
  readonly settingsAt: EpochMs;
  readonly look: (Omit<IndexLook, 'indexes'> & { readonly indexes: readonly (readonly [string, IndexState])[] }) | null;
  readonly lost: readonly LostIndex[];
}
