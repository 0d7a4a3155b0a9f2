/** Prometheus, Sentry, Datadog, search engines and caches: addresses checked, secrets made handles. */

import { checkRootUrl, parseRedisUrl } from './address.ts';
import { invalid, type Path } from './problems.ts';
import { contactOf, headerSecret, mapRecord, type Report, type ResolveContext, readable } from './resolve-parts.ts';
import { resolveSignals } from './resolve-signals.ts';
import { resolveLogs, type Surroundings } from './resolve-targets.ts';
import type { RawConfig } from './schema.ts';
import { createSecret, openValue, SECRET_REF, type Secret } from './secrets.ts';
import type { CacheConfig, DatadogConfig, HostPort, PrometheusConfig, SearchConfig, SentryConfig } from './types.ts';

type Headers = Readonly<Record<string, Secret>>;

/** Without a slash at its end. `plain` says where http:// will do: inside a cluster there is often nothing else. */
function rootUrl(text: string, path: Path, plain: 'anywhere' | 'loopback', report: Report): string {
  const wrong = checkRootUrl(text, plain);
  if (wrong !== null) report(invalid(path, wrong));
  return text.replace(/\/+$/, '');
}

function headersOf(
  written: Readonly<Record<string, string>>,
  path: Path,
  context: ResolveContext,
  report: Report,
): Headers {
  return mapRecord(written, (header, ref) => headerSecret(ref, [...path, header], context, report));
}

export function resolvePrometheus(
  raw: RawConfig['prometheus'],
  context: ResolveContext,
  report: Report,
): PrometheusConfig | null {
  if (raw === undefined) return null;
  return {
    url: rootUrl(raw.url, ['prometheus', 'url'], 'anywhere', report),
    headers: headersOf(raw.headers, ['prometheus', 'headers'], context, report),
    periodSeconds: raw.periodSeconds ?? null,
  };
}

export function resolveSentry(raw: RawConfig['sentry'], context: ResolveContext, report: Report): SentryConfig | null {
  if (raw === undefined) return null;
  return {
    url: rootUrl(raw.url, ['sentry', 'url'], 'loopback', report),
    organization: raw.organization,
    token: headerSecret(raw.token, ['sentry', 'token'], context, report),
  };
}

export function resolveDatadog(
  raw: RawConfig['datadog'],
  context: ResolveContext,
  report: Report,
): DatadogConfig | null {
  if (raw === undefined) return null;
  return {
    site: raw.site,
    endpoint: raw.endpoint === undefined ? null : rootUrl(raw.endpoint, ['datadog', 'endpoint'], 'loopback', report),
    apiKey: headerSecret(raw.apiKey, ['datadog', 'apiKey'], context, report),
    appKey: headerSecret(raw.appKey, ['datadog', 'appKey'], context, report),
  };
}

export function resolveSearch(
  name: string,
  search: RawConfig['searches'][string],
  around: Surroundings,
  report: Report,
): SearchConfig {
  const path = ['searches', name];
  const { context } = around;
  const { typesense, opensearch, fallback } = search;
  return {
    account: search.account ?? 'default',
    typesense: {
      url: rootUrl(typesense.url, [...path, 'typesense', 'url'], 'anywhere', report),
      apiKey: headerSecret(typesense.apiKey, [...path, 'typesense', 'apiKey'], context, report),
      collections: [...new Set(typesense.collections)],
    },
    opensearch:
      opensearch === undefined
        ? null
        : {
            url: rootUrl(opensearch.url, [...path, 'opensearch', 'url'], 'anywhere', report),
            headers: headersOf(opensearch.headers, [...path, 'opensearch', 'headers'], context, report),
          },
    fallback: fallback ?? null,
    logs: resolveLogs(search.logs, search.account, path, around, report),
    dependsOn: search.dependsOn,
    signals: resolveSignals(search.signals, [...path, 'signals'], context, report),
    contact: contactOf(name, search.contact, around.contacts),
  };
}

export function resolveCache(
  name: string,
  cache: RawConfig['caches'][string],
  around: Surroundings,
  report: Report,
): CacheConfig {
  const path = ['caches', name];
  return {
    ...resolveRedis(cache.redis, [...path, 'redis'], around.context, report),
    dependsOn: cache.dependsOn,
    signals: resolveSignals(cache.signals, [...path, 'signals'], around.context, report),
    contact: contactOf(name, cache.contact, around.contacts),
  };
}

const NOWHERE: HostPort = { host: '', port: 0 };

function resolveRedis(
  written: string,
  path: Path,
  context: ResolveContext,
  report: Report,
): { readonly url: Secret; readonly address: HostPort } {
  if (!SECRET_REF.test(written)) {
    const parsed = parseRedisUrl(written);
    if (!parsed.ok) report(invalid(path, `${parsed.problem}, or env:NAME, or file:/path`));
    else if (parsed.hasPassword) {
      const instead = 'put the whole URL in env:NAME or file:/path/to/it';
      report(invalid(path, `has a password, which is never written here; ${instead}`));
    }
    return { url: openValue(written), address: parsed.ok ? parsed.address : NOWHERE };
  }
  const read = readable(written, path, context, report);
  const url = read?.secret ?? createSecret(written, context);
  if (read === null) return { url, address: NOWHERE };
  const parsed = parseRedisUrl(read.value);
  if (!parsed.ok) report(invalid(path, `the value of ${written} ${parsed.problem}`));
  return { url, address: parsed.ok ? parsed.address : NOWHERE };
}
