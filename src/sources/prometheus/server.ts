/** The server that is asked, out of what is configured. */

import { RunbookdError } from '../../model/errors.ts';

export interface Server {
  /** Of the source, for messages. */
  readonly name: string;
  /** `prometheus.internal:9090`. */
  readonly host: string;
  /** Of `query_range`, without user and password. */
  readonly address: string;
  /** Lower case; secrets among them. In no message. */
  readonly headers: Readonly<Record<string, string>>;
  readonly monotonic: () => number;
  readonly deadlineMs: number;
}

export interface ServerOptions extends Pick<Server, 'name' | 'monotonic' | 'deadlineMs'> {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Throws CONFIG_INVALID, whose message never has a value in it. */
export function serverOf({ name, url: text, headers: own = {}, monotonic, deadlineMs }: ServerOptions): Server {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new RunbookdError('CONFIG_INVALID', ['prometheus.url: expected an http:// or https:// address']);
  }
  const headers: Record<string, string> = basicOf(url);
  for (const [header, value] of Object.entries(own)) {
    if (!isHeader(header, value)) {
      throw new RunbookdError('CONFIG_INVALID', [
        `prometheus.headers.${header}: expected one line of plain characters`,
      ]);
    }
    headers[header.toLowerCase()] = value;
  }
  const { host } = url;
  url.username = '';
  url.password = '';
  url.hash = '';
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v1/query_range`;
  return { name, host, address: url.href, headers, monotonic, deadlineMs };
}

/** fetch() refuses an address with a user in it. */
function basicOf({ username, password }: URL): Record<string, string> {
  if (username === '') return {};
  return { authorization: `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}` };
}

/** As it is where a percent sign stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The error of Headers has the value in it, so it is not kept. */
function isHeader(name: string, value: string): boolean {
  try {
    return new Headers([[name, value]]).has(name);
  } catch {
    return false;
  }
}
