/**
 * PagerDuty through the vendor's client, used as a thin transport: one request per delivery, no waiting of its own.
 * What `@pagerduty/pdjs` 2.2.4 does by itself is made harmless here:
 * - it answers 429 with up to three requests of its own, whatever `retryCount` says: the second request is refused;
 * - its `requestTimeout` only starts a timer that does nothing but keep the process alive: 0 turns it off, the caller's
 *   signal ends the request;
 * - it rejects for a body that is not JSON, whatever the status: status and Retry-After are taken from the response as
 *   node:http announces it.
 */

import { randomUUID } from 'node:crypto';
import diagnosticsChannel from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { ClientRequest, IncomingMessage } from 'node:http';
import { Agent } from 'node:https';
import { getCACertificates } from 'node:tls';
import { change, event } from '@pagerduty/pdjs';
import type { Logger } from 'pino';
import { messageOf } from '../../model/errors.ts';
import type { Channel, DeliveryOutcome, Notification } from '../../model/notification.ts';
import { clipAtWord } from '../clip.ts';
import { redact } from '../redact.ts';
import { alertEvent, changeEvent, DETAIL_KEYS } from './pagerduty-payload.ts';

const DEFAULT_SERVER = 'events.pagerduty.com';
/** PagerDuty's answers are below 1 KB; more is not from PagerDuty. */
const MAX_REPLY_BYTES = 65_536;
/** Said to the outbox for a 429 without a usable Retry-After; see `backoff.ts` for the delays that follow. */
const THROTTLED_MS = 30_000;

export interface PagerDutyOptions {
  /** Read anew for each delivery, so that a rotated secret is used at once. May throw. */
  readonly routingKey: () => string;
  /** `host` or `host:port`; `events.eu.pagerduty.com` for the EU. */
  readonly server?: string;
  readonly client: { readonly name: string; readonly url?: string };
  /** The installation's name, for `payload.group`. */
  readonly group?: string;
  /** PEM file with certificates to trust besides the usual ones, for a private endpoint. Read anew when it changes. */
  readonly caFile?: string;
  readonly log: Pick<Logger, 'warn'>;
}

type EventResponse = Awaited<ReturnType<typeof event>>;
/** pdjs types the data of a change event as that of an alert. */
type ChangeData = Parameters<typeof change>[0]['data'];

/** What came back, as far as it came. */
interface Reply {
  readonly status: number | null;
  readonly retryAfterMs: number | null;
  /** The body when it was JSON, else null. */
  readonly body: unknown;
  /** Why there is no body. */
  readonly failure: string;
}

export function createPagerDutyChannel(options: PagerDutyOptions): Channel {
  const { client, group, server = DEFAULT_SERVER, log } = options;
  const agentFor = agents(options.caFile);
  const unknownHeadings = new Set<string>();

  function warnOfHeadings(notification: Notification): void {
    for (const { heading } of notification.sections) {
      if (DETAIL_KEYS.includes(heading) || unknownHeadings.has(heading) || unknownHeadings.size >= 100) continue;
      unknownHeadings.add(heading);
      log.warn({ heading: redact(heading) }, 'page section does not leave: its heading is not on the allow-list');
    }
  }

  return {
    name: 'pagerduty',
    deliver: async (notification, minimal, signal) => {
      let routingKey: string;
      let agent: Agent;
      try {
        routingKey = options.routingKey().trim();
        agent = agentFor();
      } catch (error) {
        return { outcome: 'retry', error: redact(messageOf(error)) };
      }
      if (routingKey === '') return { outcome: 'retry', error: 'the routing key is empty, expected 32 characters' };
      if (notification.kind === 'change' && routingKey.startsWith('R')) {
        const error =
          'change events are not taken by the key of a ruleset (it starts with R), expected the integration key of a service';
        return { outcome: 'refused', error };
      }
      // A key that is far too short is no secret yet, and would take every such letter out of the text.
      const hidden = routingKey.length >= 16 ? routingKey : null;
      const clean = (text: string): string =>
        hidden === null ? redact(text) : redact(text).replaceAll(hidden, '[redacted]');
      warnOfHeadings(notification);
      const context = { routingKey, client, clean, ...(group === undefined ? {} : { group }) };
      const reply = await exchange(agent, signal, (transport) =>
        notification.kind === 'change'
          ? change({
              server,
              data: changeEvent(notification, minimal, context) as unknown as ChangeData,
              ...transport,
            })
          : event({ server, data: alertEvent(notification, minimal, context), ...transport }),
      );
      return outcomeOf(reply, clean);
    },
  };
}

/** Options that pdjs hands on to node-fetch 2, which has more of them than the fetch standard. */
interface Transport {
  readonly signal: AbortSignal;
  readonly headers: Record<string, string>;
  readonly redirect: 'error';
  readonly requestTimeout: 0;
  readonly retryTimeout: 0;
  readonly size: number;
  readonly agent: () => Agent;
}

async function exchange(
  agent: Agent,
  signal: AbortSignal,
  send: (transport: Transport) => Promise<EventResponse>,
): Promise<Reply> {
  const requestId = randomUUID();
  let head: { readonly status: number | null; readonly retryAfterMs: number | null } = {
    status: null,
    retryAfterMs: null,
  };
  const onResponse = (message: unknown): void => {
    const found = responseTo(requestId, message);
    if (found === null) return;
    head = { status: found.statusCode ?? null, retryAfterMs: retryAfterMs(found) };
  };
  diagnosticsChannel.subscribe('http.client.response.finish', onResponse);
  const over = new AbortController();
  let requests = 0;
  try {
    const response = await send({
      signal: AbortSignal.any([signal, over.signal]),
      headers: { 'X-Request-Id': requestId },
      redirect: 'error',
      requestTimeout: 0,
      retryTimeout: 0,
      size: MAX_REPLY_BYTES,
      agent: () => {
        requests += 1;
        if (requests > 1) throw new Error('the client may not repeat a request');
        return agent;
      },
    });
    return { ...head, status: response.status, body: response.data as unknown, failure: '' };
  } catch (error) {
    return {
      ...head,
      body: null,
      failure: signal.aborted ? 'no answer before the deadline' : whyNot(head.status, error),
    };
  } finally {
    diagnosticsChannel.unsubscribe('http.client.response.finish', onResponse);
    // Ends what is left of the request: after a 429 pdjs never reads the body.
    over.abort();
  }
}

function whyNot(status: number | null, error: unknown): string {
  if (status === null) return messageOf(error);
  return status === 429 ? 'too many requests' : 'the body cannot be read as JSON';
}

function responseTo(requestId: string, message: unknown): IncomingMessage | null {
  if (typeof message !== 'object' || message === null || !('request' in message) || !('response' in message))
    return null;
  const { request, response } = message;
  if (!(request instanceof ClientRequest) || !(response instanceof IncomingMessage)) return null;
  // node-fetch gives each header as an array.
  return String(request.getHeader('x-request-id')) === requestId ? response : null;
}

/** RFC 9110, 10.2.3: seconds or a date; a date is measured against the reply's own, so that our clock does not matter. */
function retryAfterMs({ headers }: IncomingMessage): number | null {
  const value = headers['retry-after']?.trim() ?? '';
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const wait = Date.parse(value) - Date.parse(headers.date ?? '');
  return Number.isFinite(wait) ? Math.max(0, wait) : null;
}

function outcomeOf(reply: Reply, clean: (text: string) => string): DeliveryOutcome {
  const { status } = reply;
  const said = clipAtWord(clean(reply.body === null ? reply.failure : saidBy(reply.body)), 300);
  if (status === null) return { outcome: 'retry', error: `pagerduty cannot be reached: ${said}` };
  // A 202 whose body does not arrive may have been taken: it is sent again, and the dedup key makes one incident of both
  // (a change event, which has no such key, may show twice).
  if (status === 202 && reply.body !== null) return { outcome: 'delivered' };
  const error = `pagerduty answered ${status}: ${said}`;
  if (status === 429) return { outcome: 'retry', error, retryAfterMs: reply.retryAfterMs ?? THROTTLED_MS };
  if (status === 401 || status === 403) {
    return { outcome: 'refused', error: `the routing key is not accepted, expected an Events API v2 key: ${error}` };
  }
  // 408 is a server's own deadline: the payload was not judged.
  if (status >= 400 && status < 500 && status !== 408) return { outcome: 'refused', error };
  return { outcome: 'retry', error };
}

/** PagerDuty's own words: `{ status, message, errors: [] }`. */
function saidBy(body: unknown): string {
  if (typeof body !== 'object' || body === null) return 'a body that is not an object';
  const parts: string[] = [];
  if ('message' in body && typeof body.message === 'string') parts.push(body.message);
  if ('errors' in body && Array.isArray(body.errors)) {
    parts.push(...body.errors.slice(0, 5).filter((item): item is string => typeof item === 'string'));
  }
  return parts.length === 0 ? 'no message' : parts.join('; ');
}

/** One agent per content of the CA file. Not kept alive: pages are rare, and a connection kept idle is often half dead. */
function agents(caFile: string | undefined): () => Agent {
  let pem: string | null = null;
  let agent = new Agent({ keepAlive: false });
  return () => {
    if (caFile === undefined) return agent;
    const found = readFileSync(caFile, 'utf8');
    if (found !== pem) {
      pem = found;
      agent = new Agent({ keepAlive: false, ca: [...getCACertificates('default'), found] });
    }
    return agent;
  };
}
