/** What search engines, caches, Sentry and Datadog answer, in words; and what bound signals and queries give. */

import type { Config } from '../config/index.ts';
import type { QuestionTypes } from '../model/index.ts';
import { boundSignals } from '../watch-systems.ts';
import { type Line, line, ok, type Said } from './check-lines.ts';
import type { Look } from './look.ts';

export function saySearch(value: QuestionTypes['search.engine']['value']): Said {
  const { host, healthy, problem, collections } = value;
  if (problem !== null) return { state: 'failed', detail: `${host}: ${problem}` };
  const documents = collections.map((one) => `${one.name} ${one.missing ? 'is gone' : one.documents}`);
  const words = `${host} is ${healthy === false ? 'not well' : 'well'}; documents: ${documents.join(', ') || 'none read'}`;
  return { state: healthy === false || collections.some(({ missing }) => missing) ? 'failed' : 'ok', detail: words };
}

export function sayFallback(value: QuestionTypes['search.fallback']['value']): Said {
  const { host, status, nodes, ready } = value;
  return ok(`${host} is ${status} with ${nodes} ${nodes === 1 ? 'node' : 'nodes'}, ${ready ? 'ready' : 'not ready'}`);
}

export function sayCache(value: QuestionTypes['cache.server']['value']): Said {
  const { host, version, role, loading, clients, maxClients, pingMs } = value;
  const most = maxClients === null ? '' : ` of ${maxClients}`;
  const state = loading ? ', loading its data' : '';
  return ok(`${host}: ${version}, ${role}${state}, ${clients}${most} clients, answers in ${Math.round(pingMs)} ms`);
}

export function sayTracked(value: QuestionTypes['errors.tracked']['value']): Said {
  const fresh = value.issues.filter(({ state }) => state === 'new' || state === 'regressed').length;
  return ok(`${value.issues.length} issues in the last quarter of an hour, ${fresh} of them new or back`);
}

export function sayRequestTime(value: QuestionTypes['apm.request_time']['value']): Said {
  const { service, p95Seconds, shares } = value;
  const p95 = p95Seconds === null ? 'no p95' : `p95 ${Math.round(p95Seconds * 1000)} ms`;
  const share = shares.database === null ? 'share of the database not known' : percentOf(shares.database);
  return ok(`${service}: ${p95}, ${share}`);
}

const percentOf = (share: number): string => `${Math.round(share * 100)} % of it in the database`;

/** The server in one line; what a query lacks stands in a line of its own. */
export function prometheusLines(config: Config, seen: Look): readonly Line[] {
  const { prometheus } = config;
  if (prometheus === null) return [];
  const bound = boundSignals(config).filter(({ binding }) => 'prometheus' in binding);
  const host = URL.parse(prometheus.url)?.host ?? '';
  const say = (state: Line['state'], detail: string) => [line('prometheus', state, 'queries', detail)];
  if (bound.length === 0) return say('none', 'no signal is bound to a query of it');
  const blind = seen.pipeline.blindness();
  const mute = bound.filter(({ target, signal }) =>
    blind.some((one) => one.check === signal && one.target === target),
  ).length;
  return say(mute === 0 ? 'ok' : 'failed', `${bound.length - mute} of ${bound.length} answer on ${host}`);
}

/** The queries of a database that people wrote. */
export function queryLines(name: string, config: Config, seen: Look): readonly Line[] {
  const signals = Object.keys(config.databases[name]?.queries ?? {});
  if (signals.length === 0 || seen.unreachable.has(name)) return [];
  const blind = seen.pipeline.blindness();
  const answering = signals.filter((signal) => !blind.some((one) => one.target === name && one.check === signal));
  const state = answering.length === signals.length ? 'ok' : 'failed';
  const names = answering.length === 0 ? '' : `: ${answering.join(', ')}`;
  return [line(name, state, 'queries', `${answering.length} of ${signals.length} answer${names}`)];
}
