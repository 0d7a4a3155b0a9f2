/** Stands before a true server on loopback and spoils what it answers: bodies, HTTP itself, or bytes of another protocol. */

import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';

/** What is spoilt about HTTP, whatever it carries. */
export const HTTP_TROUBLES = [
  'redirect',
  'redirect-nowhere',
  'no-content',
  'login-page',
  'gzip-lie',
  'padded',
  'not-modified',
  'many-headers',
  'wrong-type',
  'not-http',
  'cut',
  'reset',
  'error-500',
] as const;
export type HttpTrouble = (typeof HTTP_TROUBLES)[number] | 'gzip-bomb' | 'huge' | 'drip' | 'hang';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Told {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export type Spoilt = { readonly http: HttpTrouble } | { readonly body: string | Buffer };

/** Null leaves that answer as it is. */
export type Spoil = (told: Told, asked: Asked) => Spoilt | null;

export interface Upstream extends AsyncDisposable {
  /** As the true one's, with another port. */
  readonly url: string;
  spoil(how: Spoil | null): void;
}

/** Larger than any cap of ours. */
const HUGE_BYTES = 40 * 1024 * 1024;
const PADDING = ' '.repeat(300_000);
const CHUNK = Buffer.alloc(262_144, ' ');
let bomb: Buffer | null = null;

/** @param elsewhere where redirects point to: nobody may come there */
export async function startUpstream(target: string, elsewhere: string): Promise<Upstream> {
  let spoil: Spoil | null = null;
  const { hostname, port } = new URL(target);
  const timers = new Set<NodeJS.Timeout>();

  const forward = (asked: Asked): Promise<Told> =>
    new Promise((resolve, reject) => {
      const { method, path, headers, body } = asked;
      const onward = request(
        { hostname, port, method, path, headers: { ...headers, connection: 'close' } },
        (answer) => {
          bytesOf(answer).then(
            (all) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: all }),
            reject,
          );
        },
      );
      onward.on('error', reject).end(body);
    });

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = 'GET', url: path = '/', headers } = incoming;
    const asked: Asked = { method, path, headers, body: await bytesOf(incoming) };
    const told = await forward(asked);
    const spoilt = spoil?.(told, asked) ?? null;
    if (spoilt === null) return send(response, told);
    if ('body' in spoilt) return send(response, { ...told, body: Buffer.from(spoilt.body) });
    trouble(spoilt.http, told, incoming, response);
  };

  function trouble(kind: HttpTrouble, told: Told, incoming: IncomingMessage, response: ServerResponse): void {
    const html = '<!doctype html><html><title>Sign in</title><body>Sign in</body></html>';
    const { body } = told;
    switch (kind) {
      case 'redirect':
        response.writeHead(302, { location: `${elsewhere}${incoming.url}` }).end();
        return;
      case 'redirect-nowhere':
        response.writeHead(307, { location: 'http://[' }).end();
        return;
      case 'no-content':
        response.writeHead(204).end();
        return;
      case 'not-modified':
        response.writeHead(304).end();
        return;
      case 'login-page':
        response.writeHead(200, { 'content-type': 'text/html' }).end(html);
        return;
      case 'wrong-type':
        response.writeHead(told.status, { 'content-type': 'image/png; charset=utf-16' }).end(body);
        return;
      case 'error-500':
        response.writeHead(500, { 'content-type': 'text/html' }).end('<html><h1>502 Bad Gateway</h1></html>');
        return;
      case 'gzip-lie':
        response.writeHead(told.status, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(body);
        return;
      case 'gzip-bomb':
        bomb ??= gzipSync(Buffer.alloc(HUGE_BYTES, ' '));
        response.writeHead(told.status, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb);
        return;
      case 'padded':
        send(response, { ...told, body: Buffer.concat([Buffer.from(PADDING), body, Buffer.from(PADDING)]) });
        return;
      case 'many-headers':
        response.writeHead(told.status, { 'x-filler': 'x'.repeat(100_000) }).end(body);
        return;
      case 'huge': {
        response.writeHead(told.status, { 'content-type': 'application/json' });
        response.on('error', () => undefined);
        let left = HUGE_BYTES;
        const more = (): void => {
          while (!response.destroyed && left > 0) {
            left -= CHUNK.length;
            if (!response.write(CHUNK)) return;
          }
          if (left <= 0) response.end(body);
        };
        response.on('drain', more);
        more();
        return;
      }
      case 'not-http':
        incoming.socket.end('SSH-2.0-OpenSSH_9.6\r\n');
        return;
      case 'cut':
        response.writeHead(told.status, { 'content-type': 'application/json', 'content-length': body.length + 500 });
        response.write(body, () => response.destroy());
        return;
      case 'reset':
        incoming.socket.resetAndDestroy();
        return;
      case 'drip': {
        response.writeHead(told.status, { 'content-type': 'application/json' });
        const timer = setInterval(() => response.write(' '), 50);
        timers.add(timer);
        response.on('close', () => clearInterval(timer));
        return;
      }
      case 'hang':
        return;
    }
  }

  const server = createServer({ maxHeaderSize: 65_536 }, (incoming, response) => {
    response.on('error', () => undefined);
    handle(incoming, response).catch(() => incoming.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: moved(target, portOf(server.address())),
    spoil: (how) => {
      spoil = how;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        for (const timer of timers) clearInterval(timer);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface BytesUpstream extends AsyncDisposable {
  readonly url: string;
  /** What becomes of a piece of an answer; null closes the connection. */
  spoil(how: ((piece: Buffer) => Buffer | null) | null): void;
}

/** The same for a protocol that is not HTTP. */
export async function startBytesUpstream(target: string): Promise<BytesUpstream> {
  let spoil: ((piece: Buffer) => Buffer | null) | null = null;
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createTcpServer((client) => {
    const onward = connect(Number(port), hostname);
    for (const socket of [client, onward]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    }
    client.on('data', (piece) => onward.write(piece)).on('close', () => onward.destroy());
    onward.on('close', () => client.end());
    onward.on('data', (piece: Buffer) => {
      const made = spoil === null ? piece : spoil(piece);
      if (made === null) client.resetAndDestroy();
      else if (!client.destroyed) client.write(made);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: moved(target, portOf(server.address())),
    spoil: (how) => {
      spoil = how;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Counts who comes. */
export async function startElsewhere(): Promise<AsyncDisposable & { readonly url: string; visits(): number }> {
  let visits = 0;
  const server = createServer((_, response) => {
    visits += 1;
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${portOf(server.address())}`,
    visits: () => visits,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function send(response: ServerResponse, { status, headers, body }: Told): void {
  const { 'content-length': _length, 'transfer-encoding': _encoding, connection: _connection, ...others } = headers;
  response.writeHead(status, others).end(body);
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const portOf = (address: string | { readonly port: number } | null): number =>
  typeof address === 'object' && address !== null ? address.port : 0;

function moved(target: string, port: number): string {
  const url = new URL(target);
  url.port = String(port);
  return url.href.replace(/\/$/, '');
}
