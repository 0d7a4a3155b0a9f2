/** A database URL taken apart once, at start: what `pg` and the reachability walk both need. Never logged. */

import { readFileSync } from 'node:fs';
import { messageOf, RunbookdError } from '../../model/errors.ts';

export interface TlsSettings {
  /** Check the certificate against a certificate authority. */
  readonly verify: boolean;
  /** Check that the certificate names the host. */
  readonly verifyHost: boolean;
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

export interface Endpoint {
  /** A name, an address, or the directory of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Null: whatever `pg` finds in its environment. */
  readonly password: string | null;
  readonly database: string;
  /** Null: no TLS. */
  readonly tls: TlsSettings | null;
}

/** What every session of ours calls itself; sessions of this name with our process ids are never counted as victims. */
export const APPLICATION_NAME = 'runbookd';

const MODES = ['disable', 'allow', 'prefer', 'require', 'no-verify', 'verify-ca', 'verify-full'];

/**
 * `sslmode` means what it means to libpq (https://www.postgresql.org/docs/current/libpq-ssl.html, table 32.1), which is
 * not what pg 8 makes of it: `require` encrypts without verifying (with `sslrootcert` it verifies as `verify-ca` does),
 * `verify-ca` verifies the chain, `verify-full` the host name too. Without it, and with `allow` and `prefer`, there is
 * no TLS, as with `pg`. Throws POSTGRES_URL, whose message never contains the URL.
 */
export function parseEndpoint(target: string, url: string): Endpoint {
  const fail = (why: string, cause?: unknown): RunbookdError => new RunbookdError('POSTGRES_URL', [target, why], cause);
  let parsed: URL;
  try {
    // A user without a host, as libpq allows where the host is an option, is no URL to Node.
    parsed = new URL(url.replace(/^(postgres(?:ql)?:\/\/[^/?]*@)(?=[/?]|$)/, '$1localhost'));
  } catch {
    // The original error carries the URL, and with it the password: not kept.
    throw fail('it cannot be parsed; special characters in the password must be percent-encoded');
  }
  if (parsed.protocol !== 'postgres:' && parsed.protocol !== 'postgresql:') {
    throw fail(`its scheme is '${parsed.protocol.slice(0, 20)}'`);
  }
  const decode = (what: string, text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      throw fail(`its ${what} is not valid percent-encoding`);
    }
  };
  const option = (name: string): string | null => parsed.searchParams.get(name);
  const host = option('host') ?? decode('host', parsed.hostname.replace(/^\[(.+)\]$/, '$1'));
  const user = option('user') ?? decode('user', parsed.username);
  const password = option('password') ?? decode('password', parsed.password);
  const port = Number(option('port') ?? (parsed.port === '' ? '5432' : parsed.port));
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw fail('its port is not 1 to 65535');
  if (user === '') throw fail('it names no user');
  const database = decode('database', parsed.pathname.slice(1));
  return {
    host: host === '' ? 'localhost' : host,
    port,
    user,
    password: password === '' ? null : password,
    database: database === '' ? user : database,
    tls: host.startsWith('/') ? null : parseTls(option, fail),
  };
}

function parseTls(
  option: (name: string) => string | null,
  fail: (why: string, cause?: unknown) => RunbookdError,
): TlsSettings | null {
  const ssl = option('ssl');
  const implied = ssl === 'true' || ssl === '1' ? 'verify-full' : 'disable';
  const mode = option('sslmode') ?? implied;
  if (!MODES.includes(mode)) throw fail(`its sslmode is not one of ${MODES.join(', ')}`);
  if (mode === 'disable' || mode === 'allow' || mode === 'prefer') return null;
  const read = (name: string): string | null => {
    const path = option(name);
    if (path === null || path === '' || path === 'system') return null;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw fail(`its ${name} cannot be read: ${messageOf(error)}`, error);
    }
  };
  const ca = read('sslrootcert');
  return {
    verify: mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && ca !== null),
    verifyHost: mode === 'verify-full',
    ca,
    cert: read('sslcert'),
    key: read('sslkey'),
  };
}

/** The options of `tls.connect` for these settings, as `pg` takes them too. */
export function tlsOptions(tls: TlsSettings): {
  readonly rejectUnauthorized: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly checkServerIdentity?: () => undefined;
} {
  return {
    rejectUnauthorized: tls.verify,
    ...(tls.ca !== null && { ca: tls.ca }),
    ...(tls.cert !== null && { cert: tls.cert }),
    ...(tls.key !== null && { key: tls.key }),
    ...(!tls.verifyHost && { checkServerIdentity: () => undefined }),
  };
}
