/** Databases and their replicas: where each is, by the URL that may be a secret, and how people get in. */

import { parseDatabaseUrl } from './address.ts';
import { invalid, type Path } from './problems.ts';
import { mapRecord, type Report, type ResolveContext, readable } from './resolve-parts.ts';
import { resolveQueries, resolveSignals } from './resolve-signals.ts';
import type { RawConfig } from './schema.ts';
import { createSecret, openValue, SECRET_REF, type Secret } from './secrets.ts';
import type { DatabaseAddress, DatabaseConfig } from './types.ts';

type RawDatabase = RawConfig['databases'][string];

const NOWHERE: DatabaseAddress = { host: '', port: 0, database: '' };

export function resolveDatabase(
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
    account: database.account ?? 'default',
    operatorCommand: database.operatorCommand ?? defaultCommand(address),
    contact,
    signals: resolveSignals(database.signals, [...path, 'signals'], context, report),
    queries: resolveQueries(database, [...path, 'queries'], context, report),
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
