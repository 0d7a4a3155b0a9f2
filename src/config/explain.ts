/** The schema's complaints, as problems in the words of a person who reads the file. */

import type { z } from 'zod';
import { type JsonSchema, schemaAt } from './json-schema.ts';
import { invalid, kindOf, type Path, type Problem, shown, suggest } from './problems.ts';
import { configSchema, inputJsonSchema, type RawConfig } from './schema.ts';

type Issue = z.core.$ZodIssue;

/**
 * Checks `raw` against the schema. What is wrong is reported and taken out, so that the rest can be resolved and its
 * problems reported in the same run.
 */
export function checkShape(raw: unknown): { readonly config: RawConfig; readonly problems: readonly Problem[] } {
  const schema = inputJsonSchema();
  const input = withoutEmptySections(raw ?? {}, schema);
  const first = configSchema.safeParse(input);
  if (first.success) return { config: first.data, problems: [] };
  const problems = first.error.issues.flatMap((issue) => explain(issue, input, schema));
  let pruned: unknown = structuredClone(input);
  let issues: readonly Issue[] = first.error.issues;
  // Taking out a required value makes its map invalid in turn, so this climbs at most the depth of the schema.
  for (let round = 0; round < 12; round++) {
    for (const issue of issues) pruned = prune(pruned, issue);
    const again = configSchema.safeParse(pruned);
    if (again.success) return { config: again.data, problems };
    issues = again.error.issues;
  }
  return { config: configSchema.parse({}), problems };
}

/** `notify:` with nothing under it is an empty map to people, and null to YAML. */
function withoutEmptySections(value: unknown, schema: JsonSchema | undefined): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const kept: Record<string, unknown> = Object.create(null);
  for (const [key, child] of Object.entries(value)) {
    const childSchema = schema === undefined ? undefined : schemaAt(schema, [key]);
    if (child === null && childSchema?.type === 'object' && childSchema.required === undefined) continue;
    kept[key] = withoutEmptySections(child, childSchema);
  }
  return kept;
}

function explain(issue: Issue, input: unknown, schema: JsonSchema): readonly Problem[] {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  const node = schemaAt(schema, path);
  if (issue.code === 'unrecognized_keys') {
    const known = [node, ...(node?.anyOf ?? [])].flatMap((one) => Object.keys(one?.properties ?? {}));
    return issue.keys.map((key) =>
      invalid([...path, key], isAwsKey(path, key) ? NO_AWS_KEYS : `unknown key${suggest(key, known, 'known keys')}`),
    );
  }
  if (issue.code === 'invalid_key') {
    return [invalid(path, `found the key ${shown(path.at(-1))}, ${issue.issues[0]?.message ?? 'expected another'}`)];
  }
  const value = valueAt(input, path);
  if (value === undefined) return [invalid(path, `is missing, expected ${expectedOf(node)}`)];
  if (issue.code === 'invalid_type') {
    return [invalid(path, `found ${foundOf(value, node)}, expected ${expectedOf(node)}${quoteHint(value, node)}`)];
  }
  if (issue.code === 'invalid_value') {
    const choices = (issue.values ?? []).map(String);
    return [invalid(path, `found ${shown(value)}${suggest(String(value), choices, 'expected one of')}`)];
  }
  if (issue.code === 'invalid_union') {
    const branch = issue.errors.find((issues) => !issues.some((one) => one.path.length === 0 && isWrongType(one)));
    const inside = branch?.map((one) => ({ ...one, path: [...issue.path, ...one.path] }) as Issue);
    if (inside !== undefined) return inside.flatMap((one) => explain(one, input, schema));
  }
  if (issue.code === 'too_small' || issue.code === 'too_big')
    return [invalid(path, `found ${sizeOf(value) ?? foundOf(value, node)}, expected ${expectedOf(node)}`)];
  if (node?.writeOnly === true) return [invalid(path, issue.message)];
  const says = issue.message.startsWith('has ') ? issue.message : `found ${foundOf(value, node)}, ${issue.message}`;
  return [invalid(path, says)];
}

function isWrongType(issue: Issue): boolean {
  return issue.code === 'invalid_type';
}

const NO_AWS_KEYS =
  'keys of AWS are never taken from here; credentials come from the default chain of the SDK ' +
  '(environment, shared files, IRSA, Pod Identity, task or instance role), and from there into roleArn';

/** `accessKeyId`, `aws_secret_access_key`, `sessionToken`, `profile`… under `aws` or one of its accounts. */
function isAwsKey(path: Path, key: string): boolean {
  return path[0] === 'aws' && /access_?key|secret|session_?token|password|credential|profile/i.test(key);
}

/** The value only where a scalar was expected and it is no secret: text in place of a map could be anything. */
function foundOf(value: unknown, node: JsonSchema | undefined): string {
  const showable = node !== undefined && node.writeOnly !== true && node.type !== 'object';
  return showable ? shown(value) : kindOf(value);
}

function expectedOf(node: JsonSchema | undefined): string {
  const example = node?.examples?.[0];
  const such = typeof example === 'string' ? ` such as ${example}` : '';
  if (node?.type === 'string') return `text${such}`;
  if (node?.type === 'boolean') return 'true or false';
  if (node?.type === 'number' || node?.type === 'integer') return numberText(node);
  if (node?.type === 'array') return `a list of ${itemsText(node)}values`;
  if (node?.type !== 'object') return 'another value';
  const keys = Object.keys(node.properties ?? {});
  return keys.length === 0 ? 'a map' : `a map with ${keys.slice(0, 8).join(', ')}`;
}

function sizeOf(value: unknown): string | null {
  return Array.isArray(value) ? `a list of ${value.length}` : null;
}

function itemsText({ minItems, maxItems }: JsonSchema): string {
  if (maxItems === undefined) return '';
  return minItems === undefined ? `at most ${maxItems} ` : `${minItems} to ${maxItems} `;
}

function numberText({ type, minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  const kind = type === 'integer' ? 'a whole number' : 'a number';
  const from = exclusiveMinimum === undefined ? (minimum ?? null) : null;
  const above = exclusiveMinimum === undefined ? '' : ` above ${exclusiveMinimum}`;
  if (maximum === undefined) return `${kind}${above}${from === null ? '' : ` of at least ${from}`}`;
  return from === null ? `${kind}${above}, at most ${maximum}` : `${kind} from ${from} to ${maximum}`;
}

function quoteHint(value: unknown, node: JsonSchema | undefined): string {
  if (node?.type !== 'string' || node.writeOnly === true) return '';
  if (value === null) return '; text that begins with # must be in quotes';
  if (typeof value !== 'number' && typeof value !== 'boolean') return '';
  return new RegExp(node.pattern ?? '').test(String(value)) ? `; write it in quotes: '${value}'` : '';
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>((here, key) => (isContainer(here) ? here[key] : undefined), input);
}

function prune(input: unknown, issue: Issue): unknown {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)));
  if (issue.code === 'unrecognized_keys') {
    const holder = valueAt(input, path);
    for (const key of issue.keys) if (isContainer(holder)) delete holder[key];
    return input;
  }
  // A missing value cannot be taken out; the map that misses it can.
  let end = path.length;
  while (end > 0 && valueAt(input, path.slice(0, end)) === undefined) end--;
  if (end === 0) return {};
  const holder = valueAt(input, path.slice(0, end - 1));
  // A hole in a list would be the next thing wrong with it.
  if (Array.isArray(holder)) holder.splice(Number(path[end - 1]), 1);
  else if (isContainer(holder)) delete holder[path[end - 1]!];
  return input;
}

function isContainer(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}
