/** What goes wrong between us and somebody else's HTTP interface, whatever it would have said. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const VENDOR_TROUBLES = [
  'unauthorized',
  'forbidden',
  'not-found',
  'rate-limited',
  'unavailable',
  'hang',
  'drip',
  'huge',
  'redirect',
  'reset',
  'no-json',
  'other-json',
] as const;

export type VendorTrouble = (typeof VENDOR_TROUBLES)[number];

/** The vendor's own words for a refusal: `{ detail: … }`, `{ errors: […] }`. */
export type RefusalBody = (status: number) => unknown;

const STATUSES: Readonly<Partial<Record<VendorTrouble, number>>> = {
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'rate-limited': 429,
  unavailable: 503,
};

/** Answers with the trouble. */
export function answerTrouble(
  trouble: VendorTrouble,
  request: IncomingMessage,
  response: ServerResponse,
  refusal: RefusalBody,
): void {
  const status = STATUSES[trouble];
  if (status !== undefined) {
    json(response, status, refusal(status));
    return;
  }
  switch (trouble) {
    case 'hang':
      return;
    case 'drip': {
      response.writeHead(200, { 'content-type': 'application/json' });
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
      return;
    }
    case 'huge': {
      response.writeHead(200, { 'content-type': 'application/json' });
      // As fast as it is taken, without an end of its own.
      const more = (): void => {
        while (!response.destroyed && response.write(' '.repeat(65_536)));
      };
      response.on('drain', more);
      more();
      return;
    }
    case 'redirect':
      response.writeHead(302, { location: 'https://login.example.com/' }).end();
      return;
    case 'reset':
      request.socket.resetAndDestroy();
      return;
    case 'no-json':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>maintenance</html>');
      return;
    default:
      json(response, 200, { hello: 'world' });
  }
}

export function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: object = {},
  change: ((body: string) => string) | null = null,
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(change === null ? text : change(text));
}

export async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export function closing(server: Server): () => Promise<void> {
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}
