/** Addresses: what we listen on, and where a database, a cache or a server is. */

import { shown } from './problems.ts';
import type { DatabaseAddress, HostPort } from './types.ts';

/** `127.0.0.1:9470`, `[::1]:9470`, `localhost:0`. */
export const LISTEN_PATTERN = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?):([0-9]{1,5})$/;

/** `text` must match `LISTEN_PATTERN`. Null when the port is above 65535. */
export function parseListen(text: string): HostPort | null {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  return port > 65_535 ? null : { host: text.slice(0, colon).replace(/^\[|\]$/g, ''), port };
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(host);
}

/** `host:port` again, with brackets where they are needed. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Null when the text is an http(s) URL that may be asked, else what is wrong, without the URL's user part. `plain` says
 * where http:// will do; `root` that nothing may come after the host.
 */
export function checkHttpUrl(
  text: string,
  { plain, root }: { readonly plain: 'anywhere' | 'loopback'; readonly root: boolean },
): string | null {
  const expected = plain === 'anywhere' ? 'an http:// or https:// URL' : 'an https:// URL';
  const url = /^https?:\/\/[^\s\\]+$/i.test(text) ? URL.parse(text) : null;
  if (url === null) return `found ${shown(text)}, expected ${expected}`;
  if (url.username !== '' || url.password !== '') return 'has a user or password, which is never written here';
  const loopback = isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  if (plain === 'loopback' && url.protocol === 'http:' && !loopback) {
    return `found ${shown(text)}, expected https:// (http:// only for this machine)`;
  }
  if (url.hash !== '') return `found ${shown(text)}, expected a URL without #`;
  if (root && (url.pathname !== '/' || url.search !== '')) {
    return `found ${shown(text)}, expected nothing after the host: ${url.origin}`;
  }
  return null;
}

/** The same for the root of a server, which paths are put behind: no query either. */
export function checkRootUrl(text: string, plain: 'anywhere' | 'loopback'): string | null {
  const wrong = checkHttpUrl(text, { plain, root: false });
  if (wrong !== null || URL.parse(text)?.search === '') return wrong;
  return `found ${shown(text)}, expected a URL without ?`;
}

export type ParsedRedisUrl =
  | { readonly ok: true; readonly address: HostPort; readonly hasPassword: boolean }
  /** `problem` never quotes the URL. */
  | { readonly ok: false; readonly problem: string };

/** `redis://host:6379/0`, `rediss://` for TLS. */
export function parseRedisUrl(text: string): ParsedRedisUrl {
  const expected = 'expected redis://host:6379, or rediss:// for TLS';
  if (!/^rediss?:\/\//.test(text)) return { ok: false, problem: `is not a redis:// URL; ${expected}` };
  const url = URL.parse(text);
  // An unencoded / # or ? in a password ends the authority early.
  if (url === null || url.hash !== '' || /@/.test(url.pathname + url.search)) {
    return { ok: false, problem: 'cannot be read: characters such as @ / # ? % in a password must be percent-encoded' };
  }
  if (url.hostname === '') return { ok: false, problem: `names no host; ${expected}` };
  if (!/^\/?[0-9]{0,5}$/.test(url.pathname) || url.search !== '') {
    return {
      ok: false,
      problem: 'has more than the number of a database after the host; expected redis://host:6379/0',
    };
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { ok: true, address: { host, port: Number(url.port || 6379) }, hasPassword: url.password !== '' };
}

export type ParsedDatabaseUrl =
  | { readonly ok: true; readonly address: DatabaseAddress; readonly hasPassword: boolean }
  /** `problem` never quotes the URL. */
  | { readonly ok: false; readonly problem: string };

/** Host, port and database of a postgres:// URL as libpq reads it (host and port may stand in the query part). */
export function parseDatabaseUrl(text: string): ParsedDatabaseUrl {
  if (!/^postgres(ql)?:\/\//.test(text)) {
    return { ok: false, problem: 'is not a postgres:// URL; expected postgres://user@host:5432/database' };
  }
  const encode = 'characters such as @ / # ? % in a password must be percent-encoded';
  try {
    // A user without a host, as libpq allows where the host is an option, is no URL to Node.
    const url = new URL(text.replace(/^(postgres(?:ql)?:\/\/[^/?]*@)(?=[/?]|$)/, '$1localhost'));
    // An unencoded / # or ? ends the authority early, and the rest of a password would pass for the database's name.
    if (/@/.test(url.pathname + url.search) || url.hash !== '' || url.pathname.includes('/', 1))
      return { ok: false, problem: `cannot be read: ${encode}` };
    const host = url.searchParams.get('host') || decodeURIComponent(url.hostname) || 'localhost';
    if (host.includes(',')) return { ok: false, problem: 'names several hosts; give each server its own entry' };
    const port = Number(url.searchParams.get('port') || url.port || 5432);
    const user = url.searchParams.get('user') || decodeURIComponent(url.username);
    if (user === '') return { ok: false, problem: 'names no user; expected postgres://user@host:5432/database' };
    const database = decodeURIComponent(url.pathname.slice(1)) || url.searchParams.get('dbname') || user;
    const hasPassword =
      decodeURIComponent(url.password) !== '' || ['password', 'sslpassword'].some((key) => url.searchParams.has(key));
    return { ok: true, address: { host: host.replace(/^\[|\]$/g, ''), port, database }, hasPassword };
  } catch {
    // The parser's message would quote the URL, password included.
    return { ok: false, problem: `cannot be read: ${encode}` };
  }
}
