/**
 * `Rastup/App`: what the application publishes of itself. Counters are published when something was counted, so
 * `Requests` by status code, `DependencyErrors` and `RateLimited` have holes.
 */

import type { Fleet } from './fleet.ts';
import type { Component } from './latency.ts';
import { counted, type Dimensions, latencyStats, type Metric, type MetricName, single } from './metric.ts';
import { binomial, hashText, normal, split, uniform } from './random.ts';
import type { ServiceModel, Slot } from './service-model.ts';

export const APP_NAMESPACE = 'Rastup/App';

/** Requests by endpoint and status code; its sums are the slot's. Not keyed by the bare number: V8 makes arrays of that. */
function matrix(model: ServiceModel, slot: Slot): readonly Readonly<Record<string, number>>[] {
  const known = matrices.get(slot);
  if (known !== undefined) return known;
  const { endpoints } = model.facts;
  const shares = endpoints.map(({ share }) => share);
  const totals = split(slot.requests, shares, model.seed, slot.start + 601);
  const rows = endpoints.map((): Record<string, number> => ({}));
  const add = (endpoint: number, status: string, count: number): void => {
    const key = `s${status}`;
    if (count > 0) rows[endpoint]![key] = (rows[endpoint]![key] ?? 0) + count;
  };
  const used = endpoints.map(() => 0);
  const place = (endpoint: number, status: string, count: number): void => {
    add(endpoint, status, count);
    used[endpoint]! += count;
  };
  slot.parts.forEach((part, index) => {
    if (part.endpoint !== null) place(part.endpoint, String(part.status), part.count);
    else {
      const counts = split(part.count, shares, model.seed, slot.start + 611 + index);
      counts.forEach((count, endpoint) => {
        place(endpoint, String(part.status), count);
      });
    }
  });
  split(slot.limited, shares, model.seed, slot.start + 602).forEach((count, endpoint) => {
    place(endpoint, '429', count);
  });
  split(slot.clientErrors - slot.limited, shares, model.seed, slot.start + 603).forEach((count, endpoint) => {
    const [missing, unauthorised, bad] = split(count, [6, 2.5, 1.5], model.seed, slot.start + 604 + endpoint);
    place(endpoint, '404', missing!);
    place(endpoint, '401', unauthorised!);
    place(endpoint, '400', bad!);
  });
  totals.forEach((count, endpoint) => {
    add(endpoint, '200', Math.max(0, count - used[endpoint]!));
  });
  matrices.set(slot, rows);
  return rows;
}
const matrices = new WeakMap<Slot, readonly Readonly<Record<string, number>>[]>();

const STATUSES = ['200', '400', '401', '404', '429', '500', '502', '503', '504'];

interface Calls {
  readonly requests: number;
  readonly errors: number;
  readonly components: readonly Component[];
}

function calls(model: ServiceModel, slot: Slot, host: string): Calls {
  const share = model.facts.dependencies[host] ?? 0;
  const channel = slot.length / 1_000;
  const id = hashText(host);
  const requests = binomial(slot.requests, share, uniform(model.seed, slot.start, channel, id));
  const level = 1 + 0.05 * normal(model.seed, slot.start, channel, id ^ 1);
  let failing = 0.0008;
  let factor = 1;
  let added = 0;
  for (const { from, to, effects } of model.conditions) {
    const overlap = (Math.min(slot.start + slot.length, to) - Math.max(slot.start, from)) / slot.length;
    if (effects.dependency?.host !== host || overlap <= 0) continue;
    failing += overlap * (effects.dependency.errorShare ?? 0);
    factor *= 1 + overlap * ((effects.dependency.latencyFactor ?? 1) - 1);
    added += overlap * (effects.dependency.latencyAddSeconds ?? 0);
  }
  const of = (seconds: number): number => seconds * level * factor + added;
  return {
    requests,
    errors: binomial(requests, Math.min(1, failing), uniform(model.seed, slot.start, channel, id ^ 2)),
    components: requests === 0 ? [] : [{ p50: of(0.12), p95: of(0.34), p99: of(0.6), weight: requests }],
  };
}

function overlapFactor(model: ServiceModel, slot: Slot, of: 'dbQueriesFactor' | 'dbTimeFactor'): number {
  let factor = 1;
  for (const { from, to, effects } of model.conditions) {
    const overlap = (Math.min(slot.start + slot.length, to) - Math.max(slot.start, from)) / slot.length;
    if (overlap > 0 && effects[of] !== undefined) factor *= 1 + overlap * (effects[of] - 1);
  }
  return factor;
}

const queries = (model: ServiceModel, slot: Slot): number =>
  Math.round(
    slot.requests *
      model.facts.queriesPerRequest *
      (1 + 0.01 * normal(model.seed, slot.start, 91)) *
      overlapFactor(model, slot, 'dbQueriesFactor'),
  );

export function appMetric(fleet: Fleet, name: string, dimensions: Dimensions): Metric | null {
  const { Service, Endpoint, StatusCode, Host, ...rest } = dimensions;
  const model = Service === undefined ? undefined : fleet.services.get(Service);
  if (model === undefined || Object.keys(rest).length > 0) return null;
  const given = [Endpoint, StatusCode, Host].map((value) => (value === undefined ? '-' : 'x')).join('');
  const base = { namespace: APP_NAMESPACE, name };
  const at = (start: number, length: number): Slot => model.slot(start, length);
  const endpoint = model.facts.endpoints.findIndex((known) => known.name === Endpoint);
  switch (`${name} ${given}`) {
    case 'Requests xx-':
      if (endpoint < 0) return null;
      return {
        ...base,
        unit: 'Count',
        stats: (start, length) => counted(matrix(model, at(start, length))[endpoint]![`s${StatusCode}`] ?? 0),
      };
    case 'Latency x--': {
      if (endpoint < 0) return null;
      const components = (start: number, length: number) => {
        const slot = at(start, length);
        return slot.requests === 0 ? [] : model.endpointComponents(slot, endpoint);
      };
      const n = (found: readonly Component[]): number => found.reduce((sum, { weight }) => sum + weight, 0);
      return {
        ...base,
        unit: 'Seconds',
        components,
        stats: (start, length) => {
          const found = components(start, length);
          return latencyStats(found, n(found), model.seed ^ endpoint, start);
        },
      };
    }
    case 'DependencyRequests --x':
    case 'DependencyErrors --x':
      if (model.facts.dependencies[Host!] === undefined) return null;
      return {
        ...base,
        unit: 'Count',
        stats: (start, length) => {
          const { requests, errors } = calls(model, at(start, length), Host!);
          return counted(name === 'DependencyErrors' ? errors : requests);
        },
      };
    case 'DependencyLatency --x': {
      if (model.facts.dependencies[Host!] === undefined) return null;
      const components = (start: number, length: number) => calls(model, at(start, length), Host!).components;
      return {
        ...base,
        unit: 'Seconds',
        components,
        stats: (start, length) => {
          const found = components(start, length);
          return latencyStats(found, found[0]?.weight ?? 0, model.seed ^ hashText(Host!), start);
        },
      };
    }
    case 'DbQueries ---':
      return { ...base, unit: 'Count', stats: (start, length) => counted(queries(model, at(start, length))) };
    case 'DbTime ---':
      return {
        ...base,
        unit: 'Seconds',
        stats: (start, length) => {
          const slot = at(start, length);
          if (slot.requests === 0) return null;
          const noise = 1 + 0.03 * normal(model.seed, start, 92);
          const each = model.facts.secondsPerQuery * noise * overlapFactor(model, slot, 'dbTimeFactor');
          return single(queries(model, slot) * each);
        },
      };
    case 'RateLimited ---':
      return { ...base, unit: 'Count', stats: (start, length) => counted(at(start, length).limited) };
    default:
      return null;
  }
}

export function* appNames(fleet: Fleet, name: string | undefined): Generator<MetricName> {
  for (const { facts } of fleet.services.values()) {
    const one = function* (metric: string, more: Dimensions): Generator<MetricName> {
      if (name !== undefined && metric !== name) return;
      yield { namespace: APP_NAMESPACE, name: metric, dimensions: { ...more, Service: facts.name } };
    };
    for (const endpoint of facts.endpoints) {
      for (const status of STATUSES) yield* one('Requests', { Endpoint: endpoint.name, StatusCode: status });
      yield* one('Latency', { Endpoint: endpoint.name });
    }
    for (const host of Object.keys(facts.dependencies)) {
      for (const metric of ['DependencyRequests', 'DependencyErrors', 'DependencyLatency'])
        yield* one(metric, { Host: host });
    }
    for (const metric of ['DbQueries', 'DbTime', 'RateLimited']) yield* one(metric, {});
  }
}
