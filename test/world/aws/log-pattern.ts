/**
 * Filter patterns of CloudWatch Logs ("Filter pattern syntax" of the user guide), the basics: terms, quoted phrases,
 * `?`optional and `-`excluded terms, `%regular expressions%`, and `{ $.field = value }` on JSON lines with && and ||.
 * Space-delimited patterns (`[ip, user, …]`) are not spoken: they are refused rather than misread.
 */

export class PatternError extends Error {}

export type Matcher = (message: string) => boolean;

export function compilePattern(pattern: string): Matcher {
  const text = pattern.trim();
  if (text === '') return () => true;
  if (text.startsWith('{')) return compileJson(text);
  if (text.startsWith('[')) throw new PatternError('space-delimited patterns are not spoken here');
  return compileTerms(text);
}

function compileTerms(text: string): Matcher {
  const all: Matcher[] = [];
  const any: Matcher[] = [];
  const none: Matcher[] = [];
  const token = /\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|%([^%]+)%|([^\s"]+))/gy;
  let end = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [, sign, quoted, regular, bare] = match;
    end = token.lastIndex;
    if (bare !== undefined && !/^[A-Za-z0-9_]+$/.test(bare)) {
      throw new PatternError(
        `Invalid filter pattern: ${bare} has other characters than letters, digits and _, and no quotes`,
      );
    }
    const term = quoted?.replace(/\\(.)/g, '$1') ?? bare;
    const matcher: Matcher =
      regular === undefined
        ? (message) => message.includes(term!)
        : (
            (re) => (message) =>
              re.test(message)
          )(new RegExp(regular));
    (sign === '?' ? any : sign === '-' ? none : all).push(matcher);
  }
  if (text.slice(end).trim() !== '') throw new PatternError(`Invalid filter pattern at: ${text.slice(end)}`);
  return (message) =>
    all.every((matches) => matches(message)) &&
    // Optional terms count only among themselves.
    (any.length === 0 || all.length > 0 || any.some((matches) => matches(message))) &&
    !none.some((matches) => matches(message));
}

type Test = (value: unknown) => boolean;

function compileJson(text: string): Matcher {
  const tokens = [
    ...text.matchAll(
      /\s*(\{|\}|\(|\)|&&|\|\||!=|>=|<=|=|>|<|\$(?:\.[A-Za-z0-9_-]+|\["[^"]+"\]|\[\d+\])+|"(?:[^"\\]|\\.)*"|[^\s{}()=<>!&|"]+)/g,
    ),
  ].map(([, token]) => token!);
  let position = 0;
  const peek = (): string | undefined => tokens[position];
  const next = (): string => {
    const token = tokens[position];
    if (token === undefined) throw new PatternError(`Invalid filter pattern: ${text} ends early`);
    position += 1;
    return token;
  };
  const expect = (wanted: string): void => {
    const token = next();
    if (token !== wanted) throw new PatternError(`Invalid filter pattern: ${token} where ${wanted} was expected`);
  };
  const either = (): Test => {
    let left = both();
    while (peek() === '||') {
      next();
      const [a, b] = [left, both()];
      left = (value) => a(value) || b(value);
    }
    return left;
  };
  const both = (): Test => {
    let left = one();
    while (peek() === '&&') {
      next();
      const [a, b] = [left, one()];
      left = (value) => a(value) && b(value);
    }
    return left;
  };
  const one = (): Test => {
    if (peek() === '(') {
      next();
      const inner = either();
      expect(')');
      return inner;
    }
    const selector = next();
    if (!selector.startsWith('$')) throw new PatternError(`Invalid filter pattern: ${selector} is no selector`);
    const path = [...selector.matchAll(/\.([A-Za-z0-9_-]+)|\["([^"]+)"\]|\[(\d+)\]/g)].map(
      ([, a, b, c]) => a ?? b ?? c!,
    );
    return comparison(path, next(), next());
  };
  expect('{');
  const test = either();
  expect('}');
  if (position !== tokens.length) throw new PatternError(`Invalid filter pattern: ${text} goes on after }`);
  return (message) => {
    if (!message.startsWith('{')) return false;
    try {
      return test(JSON.parse(message) as unknown);
    } catch {
      return false;
    }
  };
}

function comparison(path: readonly string[], operator: string, wanted: string): Test {
  const at = (value: unknown): unknown =>
    path.reduce<unknown>((inner, key) => {
      if (inner === null || typeof inner !== 'object') return undefined;
      return Object.hasOwn(inner, key) ? (inner as Readonly<Record<string, unknown>>)[key] : undefined;
    }, value);
  if (operator === 'IS' && wanted === 'NULL') return (value) => at(value) === null;
  if (operator === 'IS' && (wanted === 'TRUE' || wanted === 'FALSE'))
    return (value) => at(value) === (wanted === 'TRUE');
  if (operator === 'NOT' && wanted === 'EXISTS') return (value) => at(value) === undefined;
  const quoted = wanted.startsWith('"');
  const text = quoted ? wanted.slice(1, -1).replace(/\\(.)/g, '$1') : wanted;
  const number = Number(text);
  const numeric = !quoted && !Number.isNaN(number);
  const equal: Test = (value) => {
    const found = at(value);
    if (numeric) return found === number;
    if (typeof found !== 'string') return false;
    return glob(text).test(found);
  };
  switch (operator) {
    case '=':
      return equal;
    case '!=':
      return (value) => at(value) !== undefined && !equal(value);
    case '>':
    case '<':
    case '>=':
    case '<=': {
      if (!numeric) throw new PatternError(`Invalid filter pattern: ${operator} needs a number, not ${wanted}`);
      const order = (found: number): boolean =>
        operator === '>'
          ? found > number
          : operator === '<'
            ? found < number
            : operator === '>='
              ? found >= number
              : found <= number;
      return (value) => {
        const found = at(value);
        return typeof found === 'number' && order(found);
      };
    }
    default:
      throw new PatternError(`Invalid filter pattern: unknown operator ${operator}`);
  }
}

const glob = (text: string): RegExp =>
  new RegExp(
    `^${text
      .split('*')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );
