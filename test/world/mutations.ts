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

export const pickOf =
  (next: () => number) =>
  <T>(all: readonly T[]): T =>
    all[Math.floor(next() * all.length)]!;

/** Stand in hostile texts, and in no text of ours. */
export const CANARY = 'hunter2hunter2';

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
  `password=${CANARY} sk_live_0123456789abcdef`,
];

type Path = readonly (string | number)[];

function pathsOf(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const entries: readonly [string | number, unknown][] = Array.isArray(value)
    ? value.map((one, index) => [index, one])
    : Object.entries(value);
  return [path, ...entries.flatMap(([key, one]) => pathsOf(one, [...path, key]))];
}

function at(value: unknown, path: Path): unknown {
  return path.reduce((one: unknown, key) => (one as Readonly<Record<string | number, unknown>>)[key], value);
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
  const pick = pickOf(next);
  const kind = next();
  if (kind < 0.1) return body.slice(0, Math.floor(next() * body.length));
  if (kind < 0.2) {
    const index = Math.floor(next() * body.length);
    return `${body.slice(0, index)}${String.fromCharCode(Math.floor(next() * 127))}${body.slice(index + 1)}`;
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

/** An answer that cannot be true, whatever stands behind it: not one of its values is another plausible one. */
export interface Malformed {
  readonly body: string | Buffer;
  /** For messages. */
  readonly what: string;
  /** Nobody can read any part of it. */
  readonly whole: boolean;
}

/** No answer of any format. */
function nothingOf(body: string, next: () => number, isXml = false): Malformed {
  const pick = pickOf(next);
  const nonsense: readonly (readonly [what: string, body: string | Buffer])[] = [
    ['empty', ''],
    ['cut', body.slice(0, Math.floor(next() * (body.trimEnd().length - 1)))],
    // Readers of XML may take the first of two documents.
    isXml ? ['empty', ''] : ['twice', `${body}${body}`],
    ['html', '<!doctype html><html><title>Sign in</title><body>Sign in</body></html>'],
    ['lists in lists', '['.repeat(5_000)],
    ['objects in objects', '{"a":'.repeat(5_000)],
    ['elements in elements', '<a>'.repeat(5_000)],
    ['UTF-16', Buffer.from(body, 'utf16le')],
    ['not UTF-8', Buffer.concat([Buffer.of(0xff, 0xfe, 0x00, 0x80), Buffer.from(body)])],
    ['zeros', Buffer.alloc(1_000)],
    ['noise', Buffer.from(Array.from({ length: 400 }, () => Math.floor(next() * 256)))],
    ['a word', 'OK'],
    ['a line of a log', `ERROR password=${CANARY}`],
  ];
  const [what, made] = pick(nonsense);
  return { what, body: made, whole: true };
}

/** Written as they stand, for what JSON.stringify does not write. */
const RAW = '\u0001raw:';
const raw = (text: string): string => `${RAW}${text}`;
const written = (value: unknown): string =>
  (JSON.stringify(value) ?? 'null').replace(/"\\u0001raw:((?:[^"\\]|\\.)*)"/g, (_, text: string) =>
    JSON.parse(`"${text}"`),
  );

/** Times as numbers, in seconds or milliseconds, of 2001 to 2064. */
const isEpoch = (value: number): boolean => (value > 1e9 && value < 3e9) || (value > 1e12 && value < 3e12);
const isTime = (text: string): boolean => /^\d{4}-\d{2}-\d{2}T/.test(text);

const LONG = 'a'.repeat(5_000);
const TEXTS: readonly string[] = [
  '',
  LONG,
  '\u202e\u001b[2J\u0000',
  '\ud800',
  '__proto__',
  '$(reboot)`reboot`; drop table users',
  `password=${CANARY} sk_live_0123456789abcdef`,
];
const OTHER_TYPES: readonly unknown[] = [null, {}, [], [[[]]], { length: 3 }, { __proto__x: 1, valueOf: 3 }];

/** What can never stand where `value` stands. `undefined` takes it away. */
function hostileTo(value: unknown, next: () => number): unknown {
  const pick = pickOf(next);
  if (next() < 0.15) return undefined;
  // An empty list may be a true one.
  if (next() < 0.25) return pick(OTHER_TYPES.filter((one) => !Array.isArray(one) || !Array.isArray(value)));
  if (typeof value === 'number') {
    const negative = value >= 0 ? [-1, -value - 1, -1e308, raw('-1e999')] : [];
    const numbers = [raw('1e308'), raw('1e999'), 1e300, 1e40, raw('NaN'), raw('Infinity'), raw('0x10'), raw('007')];
    const times = isEpoch(value) ? [value * 1_000, value / 1_000, value * 3, 253_402_300_800, 9e15] : [];
    return pick([...negative, ...numbers, ...times, true, 'NaN', 'Infinity', '-1', '1e999', 'x', '', [value]]);
  }
  if (typeof value === 'boolean') return pick(['yes', 5, 'true ', [value]]);
  if (typeof value === 'string') {
    const numbers = /^\d+(?:\.\d+)?$/.test(value)
      ? ['-1', '-0.5', '1e308', 'NaN', '0x10', '9'.repeat(400), ' ', '٣']
      : [];
    const times = isTime(value)
      ? ['9999-12-31T23:59:59Z', '0001-01-01T00:00:00Z', 'yesterday', '2026-13-45T99:99:99Z']
      : [];
    return pick<unknown>([...numbers, ...numbers, ...times, ...times, ...TEXTS, -1, raw('1e999'), true, [value]]);
  }
  if (Array.isArray(value)) return pick<unknown>([null, {}, 'x', 5, { length: 3 }, [null], [[]], [value], [{}], ['']]);
  return pick<unknown>([null, [], 'x', 5, {}, [value], true]);
}

/** With a second key of the same name, one of them hostile; or keys that are those of every object. */
function withKeys(value: unknown, path: Path, next: () => number): unknown {
  const fields = at(value, path) as Readonly<Record<string, unknown>>;
  const names = Object.keys(fields);
  const pick = pickOf(next);
  if (names.length === 0 || next() < 0.4) {
    const extra =
      '"__proto__":{"status":"x","length":9},"constructor":{"prototype":null},"toString":1,"hasOwnProperty":0';
    const own = written(fields).slice(1, -1);
    return replaced(value, path, raw(`{${extra}${own === '' ? '' : `,${own}`}}`));
  }
  const name = pick(names);
  const hostile = hostileTo(fields[name], next);
  const others = Object.entries(fields).map(([key, one]) => `${JSON.stringify(key)}:${written(one)}`);
  const second = `${JSON.stringify(name)}:${written(hostile === undefined ? null : hostile)}`;
  const both = next() < 0.5 ? [...others, second] : [second, ...others];
  return replaced(value, path, raw(`{${both.join(',')}}`));
}

/** Of a list of columns that belong together (times and values) one is longer or shorter then. */
function withElements(value: unknown, path: Path, next: () => number): unknown {
  const list = at(value, path) as readonly unknown[];
  const index = Math.floor(next() * list.length);
  const kind = next();
  const isPlain = list.every((one) => typeof one !== 'object' || one === null);
  if (list.length === 0 || kind < 0.2) return replaced(value, path, [...list, null]);
  // A list of records may always be one shorter, and would then be another true answer.
  if (isPlain && kind < 0.5) return replaced(value, path, list.toSpliced(index, 1));
  if (kind < 0.8) return replaced(value, path, list.toSpliced(index, 0, list[index]));
  return replaced(value, path, list.toSpliced(index, 1, hostileTo(list[index], next)));
}

/** One to three faults in a JSON text, or no JSON at all. */
export function malformedJson(body: string, next: () => number): Malformed {
  if (next() < 0.15) return nothingOf(body, next);
  const pick = pickOf(next);
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return nothingOf(body, next);
  }
  if (typeof value !== 'object' || value === null || next() < 0.04) {
    return { what: 'another value', body: pick(['null', '1', '"x"', 'true', '[[]]', '[{}]', '[null]']), whole: false };
  }
  const done: string[] = [];
  const faults = 1 + Math.floor(next() * 3);
  for (let fault = 0; fault < faults; fault += 1) {
    const path = pick(pathsOf(value));
    const one = at(value, path);
    const isObject = typeof one === 'object' && one !== null && !Array.isArray(one);
    done.push(path.join('.') || '(root)');
    if (isObject && next() < 0.3) value = withKeys(value, path, next);
    else if (Array.isArray(one) && next() < 0.4) value = withElements(value, path, next);
    else value = replaced(value, path, hostileTo(one, next));
    // What is written as it stands is no part that another fault could be in.
    if (typeof value !== 'object' || value === null || JSON.stringify(value)?.includes('\\u0001raw:{')) break;
  }
  return { what: `changed ${done.join(', ')}`, body: written(value), whole: false };
}

const ENTITIES = `<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">${Array.from('bcdefghi')
  .map((name, index) => `<!ENTITY ${name} "${`&${'abcdefgh'[index]};`.repeat(10)}">`)
  .join('')}]>`;

function hostileText(text: string, next: () => number): string {
  const pick = pickOf(next);
  if (text === 'true' || text === 'false') return pick(['', 'maybe', '5', ' ']);
  if (/^-?\d+(?:\.\d+)?$/.test(text))
    // The AWS SDK reads 0x10 as the number that it is.
    return pick(['', '-1', 'NaN', '1e308', '1e999', '9'.repeat(400), 'x', '<a>1</a>', '-9e99']);
  if (isTime(text)) return pick(['', '9999-12-31T23:59:59Z', '0001-01-01T00:00:00Z', 'yesterday', '5', '-1', '1e308']);
  return pick(['', LONG, '\u202e', '<a/>', '<![CDATA[ ]]>', '&i;', `password=${CANARY}`, '-1', '$(reboot)']);
}

/** The same for XML as the query protocols of AWS have it: elements without attributes. */
export function malformedXml(body: string, next: () => number): Malformed {
  if (next() < 0.15) return nothingOf(body, next, true);
  const leaves = [...body.matchAll(/<([A-Za-z]\w*)>([^<>]*)<\/\1>/g)];
  const pick = pickOf(next);
  const kind = next();
  const inserted = (index: number, text: string, gone = 0): string =>
    body.slice(0, index) + text + body.slice(index + gone);
  if (kind < 0.08) {
    const prologue = body.indexOf('?>') + 2;
    const made = inserted(prologue, ENTITIES).replace(/>([^<>]{3,})</, '>&i;<');
    return { what: 'entities in entities', body: made, whole: false };
  }
  if (kind < 0.16) {
    const tags = [...body.matchAll(/<\/?[A-Za-z]\w*>/g)];
    const tag = pick(tags);
    return { what: `without ${tag[0]}`, body: inserted(tag.index, '', tag[0].length), whole: false };
  }
  if (leaves.length === 0) return nothingOf(body, next, true);
  const leaf = pick(leaves);
  const [all, name = '', text = ''] = leaf;
  const changed = `<${name}>${hostileText(text, next)}</${name}>`;
  if (kind < 0.4) return { what: `without ${name}`, body: inserted(leaf.index, '', all.length), whole: false };
  if (kind < 0.5) return { what: `${name} twice`, body: inserted(leaf.index, changed + all, all.length), whole: false };
  if (kind < 0.6) {
    const nested = `<${name}>${'<a>'.repeat(2_000)}${text}${'</a>'.repeat(2_000)}</${name}>`;
    return { what: `${name} deep`, body: inserted(leaf.index, nested, all.length), whole: false };
  }
  if (kind < 0.65) {
    const renamed = `<__proto__>${text}</__proto__>`;
    return { what: `${name} renamed`, body: inserted(leaf.index, renamed, all.length), whole: false };
  }
  return { what: `changed ${name}`, body: inserted(leaf.index, changed, all.length), whole: false };
}
