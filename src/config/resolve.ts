/**
 * From what is written to what the program uses: secrets become handles, paths absolute, contacts settled, and what one
 * key says is checked against the others and against the world. Collects every problem; the result is only good when
 * there is none.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { RunbookdError } from '../model/index.ts';
import { hostPortText, isLoopback, parseDatabaseUrl, parseListen } from './address.ts';
import { validateDetectorOptions } from './detector-options.ts';
import { invalid, type Path, type Problem, shown, suggest } from './problems.ts';
import type { RawConfig } from './schema.ts';
import { createSecret, openValue, SECRET_REF, type Secret, type SecretContext } from './secrets.ts';
import type { Config, DatabaseAddress, DatabaseConfig, DetectorShape, HostPort, PagerDutyConfig } from './types.ts';

export interface ResolveContext extends SecretContext {
  readonly origin: string;
  /** Whether a path was written at all, also with a value that was refused. */
  readonly written: (path: Path) => boolean;
  readonly detectors: readonly DetectorShape[] | null;
  /** Throws when a command template is not valid. */
  readonly checkCommand: ((template: string) => void) | null;
}

type Report = (problem: Problem) => void;

export interface Resolved {
  readonly config: Config;
  readonly problems: readonly Problem[];
}

export function resolveConfig(raw: RawConfig, context: ResolveContext): Resolved {
  const problems: Problem[] = [];
  const report: Report = (problem) => problems.push(problem);
  const detectorsDir = [raw.detectorsDir ?? []].flat().map((path) => absolute(path, context));
  const config: Config = {
    origin: context.origin,
    name: raw.name,
    timeZone: checkTimeZone(raw.timeZone, report),
    store: { sqlite: storePath(raw.store.sqlite, context) },
    http: resolveHttp(raw.http, context, report),
    publicUrl: raw.publicUrl?.replace(/\/+$/, '') ?? null,
    databases: mapRecord(raw.databases, (name, database) => resolveDatabase(name, database, raw, context, report)),
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
  const token = http.token === undefined ? null : readable(http.token, ['http', 'token'], context, report);
  if (!isLoopback(listen.host) && !context.written(['http', 'token'])) {
    report(
      invalid(
        ['http', 'listen'],
        `found ${shown(http.listen)}, which other machines can reach, but there is no http.token; ` +
          'expected 127.0.0.1 or a token (http.metricsListen serves probes and metrics without one)',
      ),
    );
  }
  if (token !== null && !/^[\x21-\x7e]{16,512}$/.test(token.value)) {
    const rule = 'expected at least 16 characters, printable, without blanks; make one with: openssl rand -hex 32';
    report(invalid(['http', 'token'], `${token.secret.ref} is not fit to be a token, ${rule}`));
  }
  if (metricsListen !== null && listen.port !== 0 && hostPortText(metricsListen) === hostPortText(listen)) {
    report(invalid(['http', 'metricsListen'], `found ${shown(http.metricsListen)}, which http.listen has already`));
  }
  return { listen, token: token?.secret ?? null, metricsListen };
}

interface ReadSecret {
  readonly secret: Secret;
  readonly value: string;
}

/** The handle of a secret that can be read now. The value is for checks and goes no further. */
function readable(ref: string, path: Path, context: SecretContext, report: Report): ReadSecret | null {
  const secret = createSecret(ref, context);
  try {
    return { secret, value: secret.read() };
  } catch (error) {
    if (!(error instanceof RunbookdError)) throw error;
    report({ code: 'SECRET_MISSING', path, message: error.message });
    return null;
  }
}

type RawDatabase = RawConfig['databases'][string];

const NOWHERE: DatabaseAddress = { host: '', port: 0, database: '' };

function resolveDatabase(
  name: string,
  database: RawDatabase,
  raw: RawConfig,
  context: ResolveContext,
  report: Report,
): DatabaseConfig {
  const path = ['databases', name];
  const { url, address } = resolveUrl(database.url, [...path, 'url'], context, report);
  const contacts = new Map(Object.entries(raw.contacts));
  const contact = database.contact ?? contacts.get(name) ?? null;
  return {
    url,
    address,
    rds: database.rds ?? null,
    operatorCommand: database.operatorCommand ?? defaultCommand(address),
    contact,
    replicas: mapRecord(database.replicas, (replicaName, replica) => {
      const found = resolveUrl(replica.url, [...path, 'replicas', replicaName, 'url'], context, report);
      return {
        ...found,
        rds: replica.rds ?? null,
        operatorCommand: defaultCommand(found.address),
        contact: contacts.get(`${name}/${replicaName}`) ?? contact,
      };
    }),
  };
}

function defaultCommand({ host, port, database }: DatabaseAddress): string {
  return `psql -h ${host} -p ${port} -U admin -d ${database}`;
}

function resolveUrl(
  written: string,
  path: Path,
  context: ResolveContext,
  report: Report,
): { readonly url: Secret; readonly address: DatabaseAddress } {
  if (!SECRET_REF.test(written)) {
    const parsed = parseDatabaseUrl(written);
    if (!parsed.ok) report(invalid(path, `${parsed.problem}, or env:NAME, or file:/path`));
    else if (parsed.hasPassword) {
      report(
        invalid(path, 'has a password, which is never written here; put the whole URL in env:NAME or file:/path/to/it'),
      );
    }
    return { url: openValue(written), address: parsed.ok ? parsed.address : NOWHERE };
  }
  const read = readable(written, path, context, report);
  const url = read?.secret ?? createSecret(written, context);
  if (read === null) return { url, address: NOWHERE };
  const parsed = parseDatabaseUrl(read.value);
  if (!parsed.ok) report(invalid(path, `the value of ${written} ${parsed.problem}`));
  return { url, address: parsed.ok ? parsed.address : NOWHERE };
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
  const names = Object.entries(raw.databases).flatMap(([name, { replicas }]) => [
    name,
    ...Object.keys(replicas).map((replica) => `${name}/${replica}`),
  ]);
  // Without the detectors nothing can be said of a key that may be the id of one.
  if (context.detectors === null) return;
  const fixed = ['default', 'databases', ...context.detectors.map(({ id }) => id)];
  for (const key of Object.keys(raw.contacts)) {
    const [database = '', replica] = key.split('/');
    const target = ['databases', database, ...(replica === undefined ? [] : ['replicas', replica])];
    if (fixed.includes(key) || context.written(target)) continue;
    const near = suggest(key, [...names, ...fixed], 'expected one of');
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

function mapRecord<T, U>(record: Readonly<Record<string, T>>, map: (key: string, value: T) => U): Record<string, U> {
  const mapped: Record<string, U> = Object.create(null);
  for (const [key, value] of Object.entries(record)) mapped[key] = map(key, value);
  return mapped;
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const child of Object.values(value)) freeze(child);
  return Object.freeze(value);
}
