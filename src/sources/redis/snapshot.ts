/** Which caches have answered, and where, as JSON and back. */

const VERSION = 1;

/** Addresses (host and port) by target. */
export function packAnswered(answered: ReadonlyMap<string, string>): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ version: VERSION, answered: [...answered] }));
}

/** Null for anything that is not what `packAnswered` made. */
export function unpackAnswered(bytes: Uint8Array): ReadonlyMap<string, string> | null {
  try {
    const state: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof state !== 'object' || state === null || !('version' in state) || !('answered' in state)) return null;
    const { version, answered } = state;
    if (version !== VERSION || !Array.isArray(answered)) return null;
    return new Map(
      answered.flatMap((entry: unknown): readonly (readonly [string, string])[] =>
        Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'string'
          ? [[entry[0], entry[1]]]
          : [],
      ),
    );
  } catch {
    return null;
  }
}
