/**
 * PagerDuty's Events API v2 as documented, on a local HTTPS port, with faults to inject.
 *
 * The ledger keeps what a receiver with that documentation would: alerts by dedup key within a routing key. A trigger on
 * an open key is appended; after a resolve it opens a new incident; a resolve without an open alert is dropped. What the
 * real service does beyond its documentation (grouping, throttling by account, suppression) is not here.
 */

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { type ReceivedEvent, readEvent } from './pagerduty-events.ts';
import { waitUntil } from './wait.ts';

/**
 * What the receiver does with a request. `empty` and `lose-reply` take the event in first; `drip` answers a byte at a
 * time for ever; the others do not take it in.
 */
export type PagerDutyFault =
  | 'ok'
  | '400'
  | '401'
  | '413'
  | '429'
  | '500'
  | 'html'
  | 'empty'
  | 'hang'
  | 'reset'
  | 'lose-reply'
  | 'drip';

export interface ReceivedRequest {
  readonly at: number;
  readonly path: string;
  readonly body: string;
  readonly bytes: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed when the body is a valid event, whatever the fault then did to it. */
  readonly event: ReceivedEvent | null;
  readonly fault: PagerDutyFault;
  /** The status that was sent; null when no whole answer was. */
  readonly status: number | null;
}

export interface PagerDutyIncident {
  readonly number: number;
  readonly routingKey: string;
  readonly dedupKey: string;
  readonly state: 'open' | 'resolved';
  /** Events taken in on this incident, the opening trigger first. */
  readonly events: readonly ReceivedEvent[];
}

export interface PagerDutyLedger {
  readonly requests: readonly ReceivedRequest[];
  readonly incidents: readonly PagerDutyIncident[];
  readonly changes: readonly ReceivedEvent[];
  /** Resolves and acknowledges that met no open incident. */
  readonly dropped: readonly ReceivedEvent[];
}

export interface PagerDutyOptions {
  /** 0 or absent: any free port. */
  readonly port?: number;
  readonly now?: () => number;
  /** In [0, 1): decides faults with a probability. */
  readonly random?: () => number;
  /** `expired`: the certificate ended yesterday. */
  readonly certificate?: 'valid' | 'expired';
}

export interface PagerDutyWorld {
  /** `127.0.0.1:PORT`, for the client's `server`. */
  readonly server: string;
  readonly url: string;
  readonly caPem: string;
  readonly caFile: string;
  /** From the next request on: `fault` with the probability (default 1), else `ok`; `when` narrows it to some events. */
  setFault(
    fault: PagerDutyFault,
    options?: {
      readonly probability?: number;
      readonly when?: (event: ReceivedEvent) => boolean;
      readonly retryAfterSeconds?: number;
    },
  ): void;
  ledger(): PagerDutyLedger;
  openIncidents(): readonly PagerDutyIncident[];
  /** A person resolves the open incident of that key; false when there is none. */
  resolveByHand(dedupKey: string): boolean;
  waitFor(predicate: (ledger: PagerDutyLedger) => boolean, deadlineMs: number): Promise<PagerDutyLedger>;
  /** Forgets requests and incidents; the next test starts with an empty ledger. */
  clear(): void;
  /** Open connections, for leaks. */
  connections(): number;
  close(): Promise<void>;
}

const ALERT_PATH = '/v2/enqueue';
const CHANGE_PATH = '/v2/change/enqueue';
const MAX_BYTES = 512 * 1_000;

export async function startPagerDuty(options: PagerDutyOptions = {}): Promise<PagerDutyWorld> {
  const { now = Date.now, random = Math.random } = options;
  const pems = await certificate(options.certificate ?? 'valid');
  const directory = await mkdtemp(join(tmpdir(), 'runbookd-pagerduty-'));
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, pems.cert);

  const requests: ReceivedRequest[] = [];
  const incidents: PagerDutyIncident[] = [];
  const changes: ReceivedEvent[] = [];
  const dropped: ReceivedEvent[] = [];
  const sockets = new Set<Socket>();
  let fault: PagerDutyFault = 'ok';
  let probability = 1;
  let retryAfterSeconds: number | null = null;
  let when: (event: ReceivedEvent) => boolean = () => true;

  function takeIn(event: ReceivedEvent): void {
    if (event.action === 'change') {
      changes.push(event);
      return;
    }
    const index = incidents.findLastIndex(
      ({ state, dedupKey, routingKey }) =>
        state === 'open' && dedupKey === event.dedupKey && routingKey === event.routingKey,
    );
    const open = incidents[index];
    if (open !== undefined) {
      const state = event.action === 'resolve' ? 'resolved' : 'open';
      incidents[index] = { ...open, state, events: [...open.events, event] };
    } else if (event.action === 'trigger') {
      const { routingKey, dedupKey } = event;
      incidents.push({ number: incidents.length + 1, routingKey, dedupKey, state: 'open', events: [event] });
    } else {
      dropped.push(event);
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const path = request.url ?? '';
    const type = path === ALERT_PATH ? 'alert' : path === CHANGE_PATH ? 'change' : null;
    const read = type === null || body.length > MAX_BYTES ? null : readEvent(type, body.toString('utf8'));
    const event = read?.event ?? null;
    const applies = fault !== 'ok' && random() < probability && (event === null || when(event));
    const acting: PagerDutyFault = applies ? fault : 'ok';
    const keep = (status: number | null): void => {
      const { headers } = request;
      const text = body.toString('utf8');
      requests.push({ at: now(), path, body: text, bytes: body.length, headers, event, fault: acting, status });
    };
    const json = (status: number, value: unknown, extra: Record<string, string> = {}): void => {
      keep(status);
      response.writeHead(status, { 'Content-Type': 'application/json', ...extra });
      response.end(JSON.stringify(value));
    };
    switch (acting) {
      case 'ok':
        if (request.method !== 'POST' || type === null) return json(404, { status: 'not found', message: 'Not Found' });
        if (read === null) return json(413, { status: 'invalid event', message: 'Event payload is too large' });
        if (read.event === null) return json(400, invalid(read.errors));
        takeIn(read.event);
        if (type === 'change') return json(202, { status: 'success', message: 'Change event processed' });
        return json(202, { status: 'success', message: 'Event processed', dedup_key: read.event.dedupKey });
      case '400':
        return json(400, invalid(['injected: refused']));
      case '401':
        return json(401, { status: 'unauthorized', message: 'Invalid routing key' });
      case '413':
        keep(413);
        response.writeHead(413, { 'Content-Type': 'text/html' });
        response.end('<html><body>Request Entity Too Large</body></html>');
        return;
      case '429': {
        const extra = retryAfterSeconds === null ? undefined : { 'Retry-After': String(retryAfterSeconds) };
        return json(429, { status: 'throttle exceeded', message: 'Rate limit exceeded', errors: [] }, extra);
      }
      case '500':
        return json(500, { status: 'error', message: 'Internal Server Error' });
      case 'html':
        keep(502);
        response.writeHead(502, { 'Content-Type': 'text/html' });
        response.end('<html><body><h1>502 Bad Gateway</h1></body></html>');
        return;
      case 'empty':
        if (read?.event) takeIn(read.event);
        keep(202);
        response.writeHead(202).end();
        return;
      case 'lose-reply':
        if (read?.event) takeIn(read.event);
        keep(null);
        request.socket.destroy();
        return;
      case 'reset':
        keep(null);
        request.socket.destroy();
        return;
      case 'hang':
        keep(null);
        return;
      case 'drip': {
        keep(null);
        response.writeHead(202, { 'Content-Type': 'application/json' });
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
        return;
      }
    }
  }

  const server = createServer({ key: pems.private, cert: pems.cert }, (request, response) => {
    handle(request, response).catch(() => request.socket.destroy());
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  // A client that does not trust the certificate ends the handshake: that is the client's finding.
  server.on('tlsClientError', () => undefined);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const ledger = (): PagerDutyLedger => ({
    requests: [...requests],
    incidents: [...incidents],
    changes: [...changes],
    dropped: [...dropped],
  });
  return {
    server: `127.0.0.1:${port}`,
    url: `https://127.0.0.1:${port}`,
    caPem: pems.cert,
    caFile,
    setFault: (next, settings = {}) => {
      fault = next;
      probability = settings.probability ?? 1;
      when = settings.when ?? (() => true);
      retryAfterSeconds = settings.retryAfterSeconds ?? null;
    },
    ledger,
    openIncidents: () => incidents.filter(({ state }) => state === 'open'),
    resolveByHand: (dedupKey) => {
      const index = incidents.findLastIndex((incident) => incident.state === 'open' && incident.dedupKey === dedupKey);
      const open = incidents[index];
      if (open === undefined) return false;
      incidents[index] = { ...open, state: 'resolved' };
      return true;
    },
    waitFor: (predicate, deadlineMs) =>
      waitUntil('pagerduty ledger', () => (predicate(ledger()) ? ledger() : null), { timeoutMs: deadlineMs }),
    clear: () => {
      for (const list of [requests, incidents, changes, dropped]) list.length = 0;
    },
    connections: () => sockets.size,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const invalid = (errors: readonly string[]): unknown => ({
  status: 'invalid event',
  message: 'Event object is invalid',
  errors,
});

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function certificate(kind: 'valid' | 'expired'): Promise<{ readonly private: string; readonly cert: string }> {
  const day = 86_400_000;
  const end = Date.now() + (kind === 'valid' ? 2 * day : -day);
  return generate([{ name: 'commonName', value: '127.0.0.1' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(end - 7 * day),
    notAfterDate: new Date(end),
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
}
