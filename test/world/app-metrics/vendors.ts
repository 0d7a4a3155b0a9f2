/**
 * Our calls to vendors, as all services together count them: those of the fleet to its hosts, and what only goes to
 * Prometheus. By host; failed ones by what they failed with.
 */

import type { Fleet } from '../aws/fleet.ts';
import { sampleQuantile } from '../aws/latency.ts';
import type { Metric } from '../aws/metric.ts';
import { appMetric } from '../aws/metrics-app.ts';
import { hashText, normal } from '../aws/random.ts';
import { type AreaOptions, type Bound, createArea, MINUTE } from './area.ts';

export interface VendorEffects {
  readonly host: string;
  /** Of calls that the fleet makes fail: what they fail with. */
  readonly reason?: string;
  /** For hosts that the fleet does not know. */
  readonly errorShare?: number;
  readonly latencyAddSeconds?: number;
}

export const VENDOR_HOSTS = {
  stripe: ['api.stripe.com', 'files.stripe.com'],
  twilio: ['api.twilio.com'],
} as const;

/** Calls a minute and p95 in seconds of what is not of the fleet: evidence that is sent in disputes, invoices. */
const OUTSIDE: Readonly<Record<string, { readonly perMinute: number; readonly p95: number }>> = {
  'files.stripe.com': { perMinute: 240, p95: 0.42 },
};
const FAILING = 0.0008;
const REASONS = ['timeout', '5xx', 'dns', 'tls', '401', '429', 'reset'] as const;

export function vendorMetrics(options: AreaOptions, fleet: Fleet) {
  const { affect, effectsAt, busy, count, level } = createArea<VendorEffects>('vendors', options);
  const callers = (host: string): readonly string[] =>
    [...fleet.services.values()]
      .filter(({ facts }) => facts.dependencies[host] !== undefined)
      .map(({ facts }) => facts.name);

  const minute = (at: number): number => Math.floor(at / MINUTE) * MINUTE - MINUTE;
  const effectsOf = (at: number, host: string): readonly VendorEffects[] =>
    effectsAt(at).filter((one) => one.host === host);
  const metricsOf = (host: string, name: string): readonly Metric[] =>
    callers(host).flatMap((Service) => appMetric(fleet, name, { Service, Host: host }) ?? []);
  const sumOf = (at: number, host: string, name: string): number =>
    metricsOf(host, name).reduce((sum, one) => sum + (one.stats(minute(at), MINUTE)?.sum ?? 0), 0);

  function calls(at: number, host: string): number {
    const outside = OUTSIDE[host];
    if (outside !== undefined) return count(at, `calls/${host}`, outside.perMinute * busy(at));
    return sumOf(at, host, 'DependencyRequests');
  }
  function failed(at: number, host: string): number {
    if (OUTSIDE[host] === undefined) return sumOf(at, host, 'DependencyErrors');
    const share = effectsOf(at, host).reduce((sum, one) => sum + (one.errorShare ?? 0), FAILING);
    return Math.min(calls(at, host), count(at, `failed/${host}`, calls(at, host) * share));
  }
  function p95(at: number, host: string): number | null {
    const outside = OUTSIDE[host];
    if (outside !== undefined) {
      const added = effectsOf(at, host).reduce((sum, one) => sum + (one.latencyAddSeconds ?? 0), 0);
      return level(at, `p95/${host}`, outside.p95 + added, 0.04);
    }
    const components = metricsOf(host, 'DependencyLatency').flatMap(
      (one) => one.components?.(minute(at), MINUTE) ?? [],
    );
    const n = components.reduce((sum, { weight }) => sum + weight, 0);
    return sampleQuantile(components, 0.95, n, normal(hashText(host), at, 95));
  }

  const bound = Object.entries(VENDOR_HOSTS).flatMap(([target, hosts]): readonly Bound[] => {
    const only = `{host=~"${hosts.join('|')}"}`;
    return [
      {
        target,
        signal: 'dependency_requests',
        query: `sum by (host) (increase(http_client_requests_total${only}[1m]))`,
        read: (at) => hosts.map((host) => ({ labels: { host }, value: calls(at, host) })),
      },
      {
        target,
        signal: 'dependency_errors',
        query: `sum by (host, reason) (increase(http_client_failures_total${only}[1m]))`,
        read: (at) =>
          hosts.flatMap((host) => {
            const all = failed(at, host);
            const usual = Math.min(all, count(at, `usual/${host}`, calls(at, host) * FAILING));
            const reason = effectsOf(at, host).find((one) => one.reason !== undefined)?.reason ?? 'timeout';
            return REASONS.map((name) => ({
              labels: { host, reason: name },
              value: (name === reason ? all - usual : 0) + (name === 'timeout' ? usual : 0),
            }));
          }),
      },
      {
        target,
        signal: 'dependency_latency_p95',
        query: `histogram_quantile(0.95, sum by (host, le) (rate(http_client_seconds_bucket${only}[1m])))`,
        read: (at) =>
          hosts.flatMap((host) => {
            const value = p95(at, host);
            return value === null ? [] : [{ labels: { host }, value }];
          }),
      },
    ];
  });
  return { affect, bound };
}
