/**
 * YAML to plain data that remembers where everything stands. One file, or a directory whose *.yaml and *.yml are merged
 * in name order: maps are merged, anything else is replaced by the later file. The YAML 1.2 core schema, one document,
 * text keys, no tags, few aliases: a configuration is data that a person can read.
 */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import { messageOf, RunbookdError } from '../model/index.ts';
import type { Path } from './problems.ts';

/** Limits against resource exhaustion; a configuration with a thousand targets stays far below them. */
const MAX_BYTES = 1_000_000;
const MAX_FILES = 100;
const MAX_NODES = 50_000;
const MAX_DEPTH = 20;
const MAX_ALIASES = 100;

/** A place in a file; `file` counts the files in their order. */
interface Place {
  readonly file: number;
  readonly line: number;
}

type Tree = Place &
  (
    | { readonly kind: 'map'; readonly entries: ReadonlyMap<string, Tree> }
    | { readonly kind: 'list'; readonly items: readonly Tree[] }
    | { readonly kind: 'scalar'; readonly value: unknown }
  );

export interface YamlSource {
  /** Maps without prototype, lists and scalars. An empty file gives an empty map. */
  readonly value: unknown;
  /** The place of the deepest part of the path that is there. */
  where(path: Path): { readonly place: string; readonly line: number };
}

/** Throws CONFIG_FILE (cannot be read, too large) or CONFIG_SYNTAX (every syntax error of every file). */
export function readYaml(path: string): YamlSource {
  const files = listFiles(path);
  let size = 0;
  const trees: Tree[] = [];
  const errors: string[] = [];
  for (const [index, file] of files.entries()) {
    const text = readText(file);
    size += text.length;
    if (size > MAX_BYTES) throw new RunbookdError('CONFIG_FILE', [path, 'larger than 1 MB']);
    const parsed = parse(text, index);
    if (parsed.tree !== null) trees.push(parsed.tree);
    errors.push(...parsed.errors.map(({ line, message }) => `${file}:${line}: not valid YAML: ${message}`));
  }
  if (errors.length > 0) {
    const [place = path, message = ''] = errors.join('\n').split(/: not valid YAML: (.*)/s);
    throw new RunbookdError('CONFIG_SYNTAX', [place, message]);
  }
  const empty: Tree = { kind: 'map', entries: new Map(), file: 0, line: 1 };
  const tree = trees.reduce(merge, empty);
  return {
    value: plain(tree),
    where: (wanted) => {
      const { file, line } = locate(tree, wanted);
      return { place: `${files[file] ?? path}:${line}`, line: file * MAX_BYTES + line };
    },
  };
}

function listFiles(path: string): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => /^[^.].*\.ya?ml$/.test(name));
    if (names.length > MAX_FILES) throw new Error(`has ${names.length} YAML files, expected at most ${MAX_FILES}`);
    if (names.length === 0) throw new Error('directory has no *.yaml or *.yml file');
    return names.sort().map((name) => join(path, name));
  } catch (error) {
    throw new RunbookdError('CONFIG_FILE', [path, messageOf(error)], error);
  }
}

function readText(file: string): string {
  try {
    if (statSync(file).size > MAX_BYTES) throw new Error('larger than 1 MB');
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new RunbookdError('CONFIG_FILE', [file, messageOf(error)], error);
  }
}

interface SyntaxProblem {
  readonly line: number;
  readonly message: string;
}

function parse(text: string, file: number): { readonly tree: Tree | null; readonly errors: readonly SyntaxProblem[] } {
  const lines = new LineCounter();
  // prettyErrors would quote the source, secrets included.
  const options = { lineCounter: lines, prettyErrors: false, schema: 'core', resolveKnownTags: false } as const;
  const document = parseDocument(text, { ...options, stringKeys: true, uniqueKeys: false, merge: false });
  const errors = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
    line: Math.max(1, lines.linePos(pos[0]).line),
    message: syntaxMessage(code, message),
  }));
  // A broken line makes the parser stumble on: the first error of a line is about the text, the others about itself.
  const firsts = errors.filter(({ line }, index) => errors.findIndex((other) => other.line === line) === index);
  if (firsts.length > 0) return { tree: null, errors: firsts.slice(0, 5) };
  try {
    return { tree: document.contents === null ? null : convert(document, document.contents, lines, file), errors: [] };
  } catch (error) {
    if (!(error instanceof TreeError)) throw error;
    return { tree: null, errors: [{ line: error.line, message: error.message }] };
  }
}

/** Some of the parser's messages quote the source after a colon. */
function syntaxMessage(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'several documents (---) in one file, expected one';
  if (code === 'TAG_RESOLVE_FAILED') return 'tags (!…) are not allowed';
  if (code === 'RESOURCE_EXHAUSTION') return 'nested too deeply';
  const text = message.replace(/: ".*$/s, '').split('\n')[0]!;
  return text.charAt(0).toLowerCase() + text.slice(1);
}

class TreeError extends Error {
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

function convert(document: Document.Parsed, contents: ParsedNode, lines: LineCounter, file: number): Tree {
  let nodes = 0;
  let aliases = 0;
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  const visit = (node: ParsedNode | null, line: number, depth: number): Tree => {
    if (depth > MAX_DEPTH) throw new TreeError(line, 'nested too deeply');
    if (++nodes > MAX_NODES) throw new TreeError(line, `more than ${MAX_NODES} values`);
    if (isAlias(node)) {
      if (++aliases > MAX_ALIASES) throw new TreeError(line, `more than ${MAX_ALIASES} aliases (*name) in use`);
      const target = node.resolve(document) as ParsedNode | undefined;
      if (target === undefined) throw new TreeError(line, 'alias (*name) before its anchor (&name)');
      return visit(target, line, depth + 1);
    }
    if (isMap(node)) {
      const entries = new Map<string, Tree>();
      for (const pair of node.items) {
        const key = pair.key as ParsedNode;
        const keyLine = key?.range ? lineAt(key.range[0]) : line;
        const name = isScalar(key) ? String(key.value) : '';
        if (name === '__proto__') throw new TreeError(keyLine, 'the key __proto__ is not allowed');
        // Checked here because the parser compares each key with all others: minutes for a hostile file.
        if (entries.has(name)) throw new TreeError(keyLine, 'the same key twice in one map');
        entries.set(name, visit(pair.value as ParsedNode | null, keyLine, depth + 1));
      }
      return { kind: 'map', entries, file, line };
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => {
        const range = (item as ParsedNode | null)?.range;
        return visit(item as ParsedNode | null, range ? lineAt(range[0]) : line, depth + 1);
      });
      return { kind: 'list', items, file, line };
    }
    return { kind: 'scalar', value: isScalar(node) ? node.value : null, file, line };
  };
  return visit(contents, 1, 0);
}

function merge(earlier: Tree, later: Tree): Tree {
  if (earlier.kind !== 'map' || later.kind !== 'map') return later;
  const entries = new Map(earlier.entries);
  for (const [key, tree] of later.entries) {
    const before = entries.get(key);
    entries.set(key, before === undefined ? tree : merge(before, tree));
  }
  return { ...later, entries };
}

function plain(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value;
  if (tree.kind === 'list') return tree.items.map(plain);
  const map: Record<string, unknown> = Object.create(null);
  for (const [key, value] of tree.entries) map[key] = plain(value);
  return map;
}

function locate(tree: Tree, path: Path): Place {
  let here = tree;
  for (const key of path) {
    const next =
      here.kind === 'map' ? here.entries.get(String(key)) : here.kind === 'list' ? here.items[Number(key)] : undefined;
    if (next === undefined) break;
    here = next;
  }
  return here;
}
