/**
 * The generated files of `config/`: `schema.json` for editors, and `default.yaml`, every key with its default and what
 * it is for. Both come from the schema and the detectors' own options; a test fails when they are out of date.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { DURATION_PATTERN } from './durations.ts';
import type { JsonSchema } from './json-schema.ts';
import { inputJsonSchema } from './schema.ts';
import type { DetectorShape, OptionSpec } from './types.ts';

const WIDTH = 116;

/** Text of the generated files by their path in the repository. */
export function generateConfigFiles(detectors: readonly DetectorShape[]): Readonly<Record<string, string>> {
  const sorted = [...detectors].sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    'config/schema.json': `${JSON.stringify(editorSchema(sorted), null, 2)}\n`,
    'config/default.yaml': defaultYaml(sorted),
  };
}

/** Writes them under `root`, the repository's directory. */
export function writeConfigFiles(root: string, detectors: readonly DetectorShape[]): void {
  for (const [path, text] of Object.entries(generateConfigFiles(detectors))) writeFileSync(join(root, path), text);
}

/** The schema of what people write. Detectors that are not ours are let through: `detectorsDir` may add any. */
function editorSchema(detectors: readonly DetectorShape[]): JsonSchema {
  const schema = inputJsonSchema();
  const section = schema.properties?.detectors ?? {};
  const anyDetector = section.additionalProperties;
  const generic = typeof anyDetector === 'object' ? anyDetector : {};
  const known = detectors.map(({ id, title, options }) => {
    const properties = Object.fromEntries(Object.entries(options).map(([name, spec]) => [name, optionSchema(spec)]));
    const own = { type: 'object', description: `options of ${id}`, properties, additionalProperties: false };
    return [id, { ...generic, description: title, properties: { ...generic.properties, options: own } }] as const;
  });
  const withDetectors = { ...section, properties: Object.fromEntries(known) };
  return { ...schema, title: 'runbookd configuration', properties: { ...schema.properties, detectors: withDetectors } };
}

function optionSchema(spec: OptionSpec): JsonSchema {
  const description = describe(spec);
  if (spec.type === 'boolean') return { type: 'boolean', default: spec.default, description };
  if (spec.type === 'string') {
    const choices = spec.choices === undefined ? {} : { enum: spec.choices };
    return { type: 'string', default: spec.default, description, ...choices };
  }
  const { type, minimum, maximum } = spec;
  const number = { type, ...(minimum === undefined ? {} : { minimum }), ...(maximum === undefined ? {} : { maximum }) };
  if (spec.unit !== 's' && spec.unit !== 'ms') return { ...number, default: spec.default, description };
  return { anyOf: [number, { type: 'string', pattern: DURATION_PATTERN }], default: spec.default, description };
}

function describe(spec: OptionSpec): string {
  const range = spec.type === 'number' || spec.type === 'integer' ? rangeText(spec.minimum, spec.maximum) : [];
  const choices = 'choices' in spec && spec.choices !== undefined ? [spec.choices.join(' | ')] : [];
  const notes = [...(spec.unit === undefined ? [] : [spec.unit]), ...range, ...choices];
  return notes.length === 0 ? spec.description : `${spec.description} (${notes.join(', ')})`;
}

function rangeText(minimum: number | undefined, maximum: number | undefined): readonly string[] {
  if (minimum !== undefined && maximum !== undefined) return [`${minimum} to ${maximum}`];
  if (minimum !== undefined) return [`at least ${minimum}`];
  return maximum === undefined ? [] : [`at most ${maximum}`];
}

function defaultYaml(detectors: readonly DetectorShape[]): string {
  const head = [
    '# yaml-language-server: $schema=./schema.json',
    ...comment(
      'Every key with its default. Generated: do not edit. Start from example.yaml, and write only what differs.',
    ),
  ];
  const shown = new Set<string>();
  const sections = Object.entries(inputJsonSchema().properties ?? {}).map(([key, schema]) =>
    key === 'detectors'
      ? [...comment(schema.description), ...detectorLines(detectors)]
      : propertyLines(key, schema, false, shown),
  );
  return `${[head, ...sections].map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

/** A map with more keys than that is shown once: `signals` is a part of every kind of target. */
const ONCE_FROM_KEYS = 4;

/** One key with its description. `off` when it stands in a part that is commented out; `shown` are maps that were. */
function propertyLines(key: string, schema: JsonSchema, off: boolean, shown: Set<string>): readonly string[] {
  const words = comment(schema.description);
  const properties = schema.properties;
  if (properties !== undefined) {
    const required = schema.required !== undefined;
    const inside = Object.entries(properties).flatMap(([name, child]) =>
      propertyLines(name, child, off || required, shown),
    );
    const lines = [...words, `${key}:`, ...indent(inside)];
    return required && !off ? lines.map(switchOff) : lines;
  }
  const members = schema.additionalProperties;
  if (typeof members === 'object' && members.properties !== undefined) {
    const identity = JSON.stringify(schema);
    if (shown.has(identity)) return [...comment(`${schema.description}, as above`), `${key}: {}`];
    if (Object.keys(members.properties).length >= ONCE_FROM_KEYS) shown.add(identity);
    const inside = Object.entries(members.properties).flatMap(([name, child]) =>
      propertyLines(name, child, true, shown),
    );
    const lines = [`${key}:`, ...indent(['NAME:', ...indent(inside)])];
    return [...words, ...(off ? lines : lines.map(switchOff))];
  }
  const value = schema.default ?? schema.examples?.[0];
  const open = typeof members === 'object' || schema.type === 'array';
  const example = schema.default === undefined || (open && schema.examples !== undefined);
  const lines = yamlLines(key, example ? (schema.examples?.[0] ?? value) : value);
  return [...words, ...(example && !off ? lines.map(switchOff) : lines)];
}

function yamlLines(key: string, value: unknown): readonly string[] {
  // Examples that need quotes in YAML bring them along.
  if (typeof value === 'string' && /^'.*'$/.test(value)) return [`${key}: ${value}`];
  return stringify({ [key]: value }, { singleQuote: true, lineWidth: 0 })
    .trimEnd()
    .split('\n');
}

function detectorLines(detectors: readonly DetectorShape[]): readonly string[] {
  if (detectors.length === 0) return ['detectors: {}'];
  const one = ({ id, title, options }: DetectorShape): readonly string[] => {
    const inside = Object.entries(options).flatMap(([name, spec]) => [
      ...comment(describe(spec)),
      ...yamlLines(name, spec.default),
    ]);
    return [...comment(title), `${id}:`, ...indent(['enabled: true', 'options:', ...indent(inside)])];
  };
  return ['detectors:', ...indent(detectors.flatMap(one))];
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`);
}

/** Comments in a part that is switched off get a second mark, so that taking the first away gives valid YAML. */
function switchOff(line: string): string {
  return `# ${line}`;
}

function comment(text: string | undefined): readonly string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of (text ?? '').split(' ').filter((part) => part !== '')) {
    if (line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return line === '#' ? lines : [...lines, line];
}
