/** What the search source remembers of an engine, as JSON and back. */

export interface EngineState {
  /** Address (host and path) that has answered as an engine; another one has not answered yet. */
  readonly answered: string | null;
  /** Collections that were there once. */
  readonly collections: readonly string[];
}

const VERSION = 1;

export function packEngines(states: ReadonlyMap<string, EngineState>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, engines: [...states] }));
}

/** Null for anything that is not what `packEngines` made; parts that are not are left out. */
export function unpackEngines(bytes: Uint8Array): ReadonlyMap<string, EngineState> | null {
  try {
    const state: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!isRecord(state) || state['version'] !== VERSION || !Array.isArray(state['engines'])) return null;
    return new Map(
      state['engines'].flatMap((entry: unknown): readonly (readonly [string, EngineState])[] => {
        if (!Array.isArray(entry) || typeof entry[0] !== 'string' || !isRecord(entry[1])) return [];
        const { answered, collections } = entry[1];
        const names = Array.isArray(collections) ? collections.filter((each) => typeof each === 'string') : [];
        return [[entry[0], { answered: typeof answered === 'string' ? answered : null, collections: names }]];
      }),
    );
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
