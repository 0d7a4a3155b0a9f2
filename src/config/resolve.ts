/**
 * From what is written to what the program uses: secrets become handles, paths absolute, contacts settled, and what one
 * key says is checked against the others and against the world. Collects every problem; the result is only good when
 * there is none.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { RunbookdError } from '../model/index.ts';
import { hostPortText, isLoopback, parseListen } from './address.ts';
import { validateDetectorOptions } from './detector-options.ts';
import { invalid, type Problem, shown, suggest } from './problems.ts';
import { resolveAws } from './resolve-aws.ts';
import { resolveDatabase } from './resolve-databases.ts';
import { mapRecord, type ReadSecret, type Report, type ResolveContext, readable } from './resolve-parts.ts';
import { checkBackends } from './resolve-signals.ts';
import { resolveCache, resolveDatadog, resolvePrometheus, resolveSearch, resolveSentry } from './resolve-systems.ts';
import { resolveDependency, resolveQueue, resolveService } from './resolve-targets.ts';
import type { RawConfig } from './schema.ts';
import { createSecret, type SecretContext } from './secrets.ts';
import { checkTargets, TARGET_KINDS, targetNames } from './target-names.ts';
import type { Config, HostPort, PagerDutyConfig } from './types.ts';

export interface Resolved {
  readonly config: Config;
  readonly problems: readonly Problem[];
}

export function resolveConfig(raw: RawConfig, context: ResolveContext): Resolved {
  const problems: Problem[] = [];
  const report: Report = (problem) => problems.push(problem);
  const detectorsDir = [raw.detectorsDir ?? []].flat().map((path) => absolute(path, context));
  const aws = resolveAws(raw, context, report);
  const around = { aws, contacts: raw.contacts, context };
  const config: Config = {
    origin: context.origin,
    name: raw.name,
    timeZone: checkTimeZone(raw.timeZone, report),
    store: { sqlite: storePath(raw.store.sqlite, context) },
    http: resolveHttp(raw.http, context, report),
    publicUrl: raw.publicUrl?.replace(/\/+$/, '') ?? null,
    aws,
    prometheus: resolvePrometheus(raw.prometheus, context, report),
    sentry: resolveSentry(raw.sentry, context, report),
    datadog: resolveDatadog(raw.datadog, context, report),
    services: mapRecord(raw.services, (name, service) => resolveService(name, service, around, report)),
    databases: mapRecord(raw.databases, (name, database) => resolveDatabase(name, database, raw, context, report)),
    dependencies: mapRecord(raw.dependencies, (name, dependency) =>
      resolveDependency(name, dependency, around, report),
    ),
    queues: mapRecord(raw.queues, (name, queue) => resolveQueue(name, queue, around, report)),
    searches: mapRecord(raw.searches, (name, search) => resolveSearch(name, search, around, report)),
    caches: mapRecord(raw.caches, (name, cache) => resolveCache(name, cache, around, report)),
    notify: { pagerduty: resolvePagerDuty(raw.notify.pagerduty, context, report) },
    contacts: mapRecord(raw.contacts, (_, contact) => contact),
    commands: raw.commands,
    detectors: mapRecord(raw.detectors, (id, { enabled, options }) => ({
      enabled,
      options: resolveOptions(id, options, context, report),
    })),
    mitigations: mapRecord(raw.mitigations, (_, command) => command),
    detectorsDir,
    log: raw.log,
  };
  checkTargets(raw, context, report);
  checkBackends(raw, context, report);
  checkContacts(raw, context, report);
  checkMitigations(raw.mitigations, context, report);
  return { config: freeze(config), problems };
}

function checkTimeZone(zone: string, report: Report): string {
  try {
    // Intl takes offsets (+02:00) too, but those know no daylight saving: not a place's clock.
    if (!/^[A-Za-z]/.test(zone)) throw new RangeError('not a name');
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    const near = suggest(zone, ['UTC', ...Intl.supportedValuesOf('timeZone')], '').replace(/; :.*/s, '');
    report(invalid(['timeZone'], `found ${shown(zone)}, expected an IANA time zone such as Europe/Berlin${near}`));
    return 'UTC';
  }
}

function storePath(written: string | undefined, context: ResolveContext): string {
  if (written === ':memory:') return written;
  if (written !== undefined) return absolute(written, context);
  const { XDG_STATE_HOME: state, HOME: home } = context.env;
  if (state?.startsWith('/')) return resolve(state, 'runbookd/state.db');
  return home ? resolve(home, '.local/state/runbookd/state.db') : resolve('runbookd-state.db');
}

/** Relative paths begin where the configuration lies, `~/` at the home directory. */
function absolute(path: string, { baseDir, env }: SecretContext): string {
  return path.startsWith('~/') && env.HOME ? resolve(env.HOME, path.slice(2)) : resolve(baseDir, path);
}

function resolveHttp(http: RawConfig['http'], context: ResolveContext, report: Report): Config['http'] {
  const address = (key: 'listen' | 'metricsListen', text: string): HostPort => {
    const parsed = parseListen(text);
    if (parsed === null) report(invalid(['http', key], `found ${shown(text)}, expected a port from 0 to 65535`));
    return parsed ?? { host: '127.0.0.1', port: 0 };
  };
  const listen = address('listen', http.listen);
  const metricsListen = http.metricsListen === undefined ? null : address('metricsListen', http.metricsListen);
  const bearer = (key: 'token' | 'writeToken'): ReadSecret | null => {
    const ref = http[key];
    const read = ref === undefined ? null : readable(ref, ['http', key], context, report);
    if (read !== null && !/^[\x21-\x7e]{16,512}$/.test(read.value)) {
      const rule = 'expected at least 16 characters, printable, without blanks; make one with: openssl rand -hex 32';
      report(invalid(['http', key], `${read.secret.ref} is not fit to be a token, ${rule}`));
    }
    return read;
  };
  const token = bearer('token');
  const writeToken = bearer('writeToken');
  if (token !== null && token.value === writeToken?.value) {
    const why = 'whoever may read could write; expected another one';
    report(invalid(['http', 'writeToken'], `${writeToken.secret.ref} is the same as http.token: ${why}`));
  }
  if (!isLoopback(listen.host) && !context.written(['http', 'token'])) {
    report(
      invalid(
        ['http', 'listen'],
        `found ${shown(http.listen)}, which other machines can reach, but there is no http.token; ` +
          'expected 127.0.0.1 or a token (http.metricsListen serves probes and metrics without one)',
      ),
    );
  }
  if (metricsListen !== null && listen.port !== 0 && hostPortText(metricsListen) === hostPortText(listen)) {
    report(invalid(['http', 'metricsListen'], `found ${shown(http.metricsListen)}, which http.listen has already`));
  }
  return { listen, token: token?.secret ?? null, writeToken: writeToken?.secret ?? null, metricsListen };
}

/** Events API v2 integration keys, per PagerDuty's Events API v2 overview: 32 letters and digits. */
const INTEGRATION_KEY = /^[A-Za-z0-9]{32}$/;

function resolvePagerDuty(
  raw: RawConfig['notify']['pagerduty'],
  context: ResolveContext,
  report: Report,
): PagerDutyConfig | null {
  if (raw === undefined) return null;
  const path = ['notify', 'pagerduty'];
  const key = readable(raw.routingKey, [...path, 'routingKey'], context, report);
  const real = /^events\.(eu\.)?pagerduty\.com$/.test(raw.server);
  if (key !== null && !(real ? INTEGRATION_KEY : /^[\x21-\x7e]+$/).test(key.value)) {
    const expected = 'expected the 32 letters and digits of an Events API v2 integration key';
    report(invalid([...path, 'routingKey'], `${raw.routingKey} is no integration key, ${expected}`));
  }
  const caFile = raw.caFile === undefined ? null : absolute(raw.caFile, context);
  if (caFile !== null && !isPem(caFile)) {
    report(invalid([...path, 'caFile'], `found ${shown(raw.caFile)}, expected a readable file with a PEM certificate`));
  }
  return { routingKey: key?.secret ?? createSecret(raw.routingKey, context), server: raw.server, caFile };
}

function isPem(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').includes('-----BEGIN CERTIFICATE-----');
  } catch {
    return false;
  }
}

function resolveOptions(
  id: string,
  options: RawConfig['detectors'][string]['options'],
  context: ResolveContext,
  report: Report,
): Config['detectors'][string]['options'] {
  if (context.detectors === null) return mapRecord(options, (_, value) => value);
  const detector = context.detectors.find((candidate) => candidate.id === id);
  if (detector === undefined) {
    const known = context.detectors.map((candidate) => candidate.id);
    report(invalid(['detectors', id], `there is no such detector${suggest(id, known, 'detectors')}`));
    return mapRecord(options, (_, value) => value);
  }
  const { values, problems } = validateDetectorOptions(id, detector.options, options);
  for (const problem of problems) report(problem);
  return values;
}

function checkContacts(raw: RawConfig, context: ResolveContext, report: Report): void {
  // Without the detectors nothing can be said of a key that may be the id of one.
  if (context.detectors === null) return;
  // Contacts can also be given by kind: `databases: '@dba'`.
  const fixed = ['default', ...TARGET_KINDS, ...context.detectors.map(({ id }) => id)];
  for (const key of Object.keys(raw.contacts)) {
    const [target = '', replica] = key.split('/');
    const paths =
      replica === undefined ? TARGET_KINDS.map((kind) => [kind, target]) : [['databases', target, 'replicas', replica]];
    // Also one that was taken out because something else is wrong with it.
    if (fixed.includes(key) || paths.some(context.written)) continue;
    const near = suggest(key, [...targetNames(raw), ...fixed], 'expected one of');
    report(invalid(['contacts', key], `there is no such target or detector${near}`));
  }
}

function checkMitigations(mitigations: RawConfig['mitigations'], context: ResolveContext, report: Report): void {
  for (const [key, command] of Object.entries(mitigations)) {
    const path = ['mitigations', key];
    try {
      context.checkCommand?.(command);
    } catch (error) {
      if (!(error instanceof RunbookdError)) throw error;
      report(invalid(path, error.message));
    }
    if (context.detectors === null) continue;
    const known = context.detectors.flatMap(({ id, mitigations: own }) =>
      own === undefined ? [key] : Object.keys(own).map((mitigation) => `${id}.${mitigation}`),
    );
    if (!known.includes(key)) report(invalid(path, `there is no such mitigation${suggest(key, known, 'mitigations')}`));
  }
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) freeze(child);
  return Object.freeze(value);
}
