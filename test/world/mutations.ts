/** Answers as a broken or lying upstream gives them, made from true ones: the same for the same seed. */

/** mulberry32: a failure can be had again. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const HOSTILE: readonly unknown[] = [
  null,
  true,
  '',
  'NaN',
  '-1',
  '1e309',
  '0x10',
  -1,
  -0.5,
  0.5,
  1e300,
  1e15,
  [],
  [null],
  [[1]],
  {},
  { length: 3 },
  'a'.repeat(5_000),
  '\u202e\u001b[2J',
  '\ud800',
  'password=hunter2hunter2 sk_live_0123456789abcdef',
];

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const entries: readonly [string | number, unknown][] = Array.isArray(value)
    ? value.map((one, index) => [index, one])
    : Object.entries(value);
  return [path, ...entries.flatMap(([key, one]) => pathsOf(one, [...path, key]))];
}

function replaced(value: unknown, path: Path, by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  if (Array.isArray(value)) return value.map((one, index) => (index === key ? replaced(one, rest, by) : one));
  const fields = value as Readonly<Record<string, unknown>>;
  const { [key]: _gone, ...others } = fields;
  return rest.length === 0 && by === undefined ? others : { ...fields, [key]: replaced(fields[key], rest, by) };
}

/** One to three faults: cut, a byte changed, a part replaced or taken away, not the expected JSON at all. */
export function mutated(body: string, next: () => number): string {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(next() * all.length)]!;
  const kind = next();
  if (kind < 0.1) return body.slice(0, Math.floor(next() * body.length));
  if (kind < 0.2) {
    const at = Math.floor(next() * body.length);
    return `${body.slice(0, at)}${String.fromCharCode(Math.floor(next() * 127))}${body.slice(at + 1)}`;
  }
  if (kind < 0.25)
    return pick(['', 'null', '[]', '{}', '[[]]', '"x"', '['.repeat(5_000), '<html></html>', '[{}]', '1']);
  let value: unknown = JSON.parse(body);
  for (let faults = 1 + Math.floor(next() * 3); faults > 0; faults -= 1) {
    value = replaced(value, pick(pathsOf(value)), next() < 0.2 ? undefined : pick(HOSTILE));
    if (typeof value !== 'object' || value === null) break;
  }
  return JSON.stringify(value) ?? '';
}
