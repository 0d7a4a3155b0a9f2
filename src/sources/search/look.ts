/**
 * One look at a search engine: its health first, and the rest only where something answers. Says for each part what was
 * read, or why it could not be.
 */

import type { UnknownBecause } from '../../model/question.ts';
import { endpointOf, type GetResult, get, wordsOf } from '../http/get.ts';
import {
  documentsOf,
  type EngineHealth,
  type EngineResources,
  type EngineStats,
  healthOf,
  resourcesOf,
  statsOf,
} from './typesense.ts';

export interface LookOptions {
  readonly url: string;
  readonly apiKey: () => string;
  readonly collections: readonly string[];
  /** Of each GET. A look takes at most two of them in turn. */
  readonly deadlineMs: number;
  readonly monotonic: () => number;
}

/** A part that could not be read. */
export interface Failed {
  readonly because: UnknownBecause;
  readonly detail: string;
  /** What a key lacks, or what to set. */
  readonly needs: string | null;
}

export interface EngineLook {
  /** Host and path of the root: which engine was asked. */
  readonly address: string;
  /** Null where it did not say, or not in its words. */
  readonly health: EngineHealth | null;
  /** How it failed to answer, in a word: `refused`, `status 502`; null where something answered that is no outage. */
  readonly failure: string | null;
  readonly healthFailed: Failed | null;
  readonly stats: EngineStats | Failed | null;
  readonly resources: EngineResources | Failed | null;
  /** `missing`: the engine answers and does not know it. */
  readonly collections: ReadonlyMap<string, number | 'missing' | Failed>;
}

const SMALL_BYTES = 65_536;
/** /stats.json has a line for each endpoint, a collection one for each field. */
const LARGE_BYTES = 1_048_576;
/** Requests of ours under way at once at one engine. */
const AT_ONCE = 4;

export const isFailed = (part: object | number | string | null | undefined): part is Failed =>
  typeof part === 'object' && part !== null && 'because' in part;

export async function lookAt(options: LookOptions, signal: AbortSignal): Promise<EngineLook> {
  const { url, collections } = options;
  const root = url.replace(/\/+$/, '');
  const address = endpointOf(`${root}/`).replace(/\/+$/, '');
  const { got, limits } = await ask(`${root}/health`, options, SMALL_BYTES, {}, signal);
  const said = healthOf(got.body);
  // The two always agree; where they do not, somebody else answers.
  const health = said !== null && got.status === (said.ok ? 200 : 503) ? said : null;
  const failure = health === null ? outageOf(got) : null;
  const base = { address, health, failure };
  if (health === null) {
    const failed = failedOf(`${address}/health`, got, limits, 'the answer is not the health of a Typesense');
    return { ...base, healthFailed: failed, stats: null, resources: null, collections: new Map() };
  }
  // A node that lags or starts answers nothing but its health.
  if (!health.ok) return { ...base, healthFailed: null, stats: null, resources: null, collections: new Map() };

  let key: string;
  try {
    key = options.apiKey();
  } catch {
    const failed: Failed = { because: 'not_configured', detail: `${address}: the API key cannot be read`, needs: null };
    const all = new Map(collections.map((name) => [name, failed]));
    return { ...base, healthFailed: null, stats: failed, resources: failed, collections: all };
  }
  const read = async <T>(path: string, parse: (body: string | null) => T | null, what: string, action: string) => {
    const { got, limits } = await ask(`${root}${path}`, options, LARGE_BYTES, { 'x-typesense-api-key': key }, signal);
    const value = got.failure === null && got.status === 200 ? parse(got.body) : null;
    return {
      status: got.failure === null ? got.status : null,
      part: value ?? failedOf(`${address}${path}`, got, limits, what, action),
    };
  };
  const found = new Map<string, number | 'missing' | Failed>();
  const queue = [...collections];
  const nextCollections = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const path = `/collections/${encodeURIComponent(name)}`;
      const { status, part } = await read(path, documentsOf, 'the answer is not a collection', 'collections:get');
      found.set(name, status === 404 ? 'missing' : part);
    }
  };
  const [stats, resources] = await Promise.all([
    read('/stats.json', statsOf, 'the answer holds no statistics that are known', 'stats.json:list'),
    read('/metrics.json', resourcesOf, 'the answer holds no metrics that are known', 'metrics.json:list'),
    ...Array.from({ length: AT_ONCE - 2 }, nextCollections),
  ]);
  return { ...base, healthFailed: null, stats: stats.part, resources: resources.part, collections: found };
}

async function ask(
  url: string,
  { deadlineMs, monotonic }: LookOptions,
  maxBytes: number,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) {
  const limits = { deadlineMs, maxBytes };
  return { got: await get(url, { ...limits, monotonic, headers }, signal), limits };
}

/** What clients of the engine feel too. A redirect, a body that is no answer of an engine, a 401: of whoever stands before it. */
function outageOf({ failure, status }: GetResult): string | null {
  switch (failure) {
    case 'refused':
    case 'timeout':
    case 'reset':
    case 'dns':
    case 'tls':
      return failure;
    case null:
      return status !== null && status >= 500 ? `status ${status}` : null;
    default:
      return null;
  }
}

function failedOf(
  endpoint: string,
  got: GetResult,
  limits: { readonly deadlineMs: number; readonly maxBytes: number },
  otherwise: string,
  action?: string,
): Failed {
  const failed = (because: UnknownBecause, words: string, needs: string | null = null): Failed => ({
    because,
    detail: `${endpoint}: ${words}`,
    needs,
  });
  if (got.failure === 'timeout') return failed('timeout', wordsOf(got, limits));
  if (got.failure === 'redirect') return failed('not_configured', wordsOf(got, limits));
  if (got.failure !== null) return failed('error', wordsOf(got, limits));
  if (got.status === 401 || got.status === 403) {
    return failed(
      'denied',
      `answered ${got.status}`,
      action === undefined ? null : `an API key with the action ${action}`,
    );
  }
  return failed('error', got.status === 200 ? otherwise : `answered ${got.status}`);
}
