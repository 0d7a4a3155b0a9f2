/** Loading the configuration: from a file, a directory, or from the environment alone. */

import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { RunbookdError } from '../model/index.ts';
import { checkShape } from './explain.ts';
import { type Path, problemsError } from './problems.ts';
import { resolveConfig } from './resolve.ts';
import type { KnownSignals } from './resolve-parts.ts';
import { TARGET_KINDS } from './target-names.ts';
import type { Config, DetectorShape } from './types.ts';
import { readYaml, type YamlSource } from './yaml.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  /** A YAML file or a directory of them; without it the environment says what to watch. */
  readonly path?: string;
  readonly env: Env;
  /**
   * When given, detectors, their options and mitigations are checked against them. `detectorsDir` says where to load
   * them from, so a program loads twice: first without, then with them.
   */
  readonly detectors?: readonly DetectorShape[];
  /** Throws a RunbookdError when a command template of `mitigations` is not valid. */
  readonly checkCommand?: (template: string) => void;
  /** When given, signals that are bound by hand, and queries, are checked against them. */
  readonly signals?: KnownSignals;
  /** What is wrong with a query of the user's own, null when it may run. */
  readonly checkQuery?: (sql: string) => string | null;
  /** A configuration without any target is taken, for finding out what could be one. */
  readonly mayBeEmpty?: boolean;
}

/**
 * Throws CONFIG_FILE, CONFIG_SYNTAX, CONFIG_INVALID (every problem, one a line), SECRET_MISSING (when nothing else is
 * wrong) or CONFIG_EMPTY.
 */
export function loadConfig(options: LoadOptions): Config {
  if (options.path === undefined) return configFromEnv(options.env, options);
  const path = options.path;
  const source = readYaml(path);
  const baseDir = statSync(path).isDirectory() ? resolve(path) : dirname(resolve(path));
  const config = build(source, { ...options, origin: path, baseDir });
  if (TARGET_KINDS.every((kind) => Object.keys(config[kind]).length === 0) && options.mayBeEmpty !== true) {
    throw new RunbookdError('CONFIG_EMPTY', [
      `${path} has no ${TARGET_KINDS.slice(0, -1).join(', ')} or ${TARGET_KINDS.at(-1)}; expected at least one, ` +
        'as databases: { main-db: { url: env:DATABASE_URL } }',
    ]);
  }
  return config;
}

/**
 * One database `main-db` from DATABASE_URL, its replica `replica-1` from REPLICA_URL, pages to PagerDuty when
 * PAGERDUTY_ROUTING_KEY is set.
 */
export function configFromEnv(env: Env, options: Omit<LoadOptions, 'env' | 'path'> = {}): Config {
  if (!env.DATABASE_URL) {
    throw new RunbookdError('CONFIG_EMPTY', [
      'there is no configuration file (--config PATH or RUNBOOKD_CONFIG) and DATABASE_URL is not set',
    ]);
  }
  const replicas = env.REPLICA_URL ? { 'replica-1': { url: 'env:REPLICA_URL' } } : {};
  const notify = env.PAGERDUTY_ROUTING_KEY ? { pagerduty: { routingKey: 'env:PAGERDUTY_ROUTING_KEY' } } : {};
  const value = { databases: { 'main-db': { url: 'env:DATABASE_URL', replicas } }, notify };
  const where = () => ({ place: 'environment', line: 0 });
  return build({ value, where }, { ...options, env, origin: 'environment', baseDir: process.cwd() });
}

interface BuildOptions extends Omit<LoadOptions, 'path'> {
  readonly origin: string;
  readonly baseDir: string;
}

function build(source: YamlSource, options: BuildOptions): Config {
  const shape = checkShape(source.value);
  const { config, problems } = resolveConfig(shape.config, {
    origin: options.origin,
    env: options.env,
    baseDir: options.baseDir,
    written: (path) => has(source.value, path),
    refused: (path) => shape.problems.some((problem) => path.every((key, index) => problem.path[index] === key)),
    detectors: options.detectors ?? null,
    checkCommand: options.checkCommand ?? null,
    signals: options.signals ?? null,
    checkQuery: options.checkQuery ?? null,
  });
  const all = [...shape.problems, ...problems];
  if (all.length > 0) throw problemsError(all, source.where);
  return config;
}

function has(value: unknown, path: Path): boolean {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return false;
    here = (here as Record<string | number, unknown>)[key];
  }
  return true;
}
