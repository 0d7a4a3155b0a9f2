/** Events as PagerDuty documents them, validated the way its API answers 400: with every error found. */

import { z } from 'zod';

export interface ReceivedEvent {
  readonly action: 'trigger' | 'acknowledge' | 'resolve' | 'change';
  readonly routingKey: string;
  /** Given, or made up by the receiver for a trigger without one; '' for a change. */
  readonly dedupKey: string;
  readonly summary: string;
  readonly severity: string | null;
  readonly details: Readonly<Record<string, unknown>>;
  /** The whole body as parsed. */
  readonly raw: Readonly<Record<string, unknown>>;
}

const link = z.object({ href: z.url({ protocol: /^https?$/ }), text: z.string().optional() });
const routingKey = z
  .string("'routing_key' is missing or blank")
  .length(32, "Length of 'routing_key' is incorrect (should be 32 characters)");
/** The limit is one of characters: code points. */
const summary = z
  .string("'payload.summary' is missing or blank")
  .min(1, "'payload.summary' is missing or blank")
  .refine((text) => Array.from(text).length <= 1_024, "'payload.summary' is longer than 1024 characters");

const alertPayload = z.object({
  summary,
  source: z.string("'payload.source' is missing or blank").min(1, "'payload.source' is missing or blank"),
  severity: z.enum(['critical', 'error', 'warning', 'info'], "'payload.severity' is invalid"),
  timestamp: z.iso.datetime({ offset: true, error: "'payload.timestamp' is invalid" }).optional(),
  component: z.string().optional(),
  group: z.string().optional(),
  class: z.string().optional(),
  custom_details: z.record(z.string(), z.unknown()).optional(),
});

const base = {
  routing_key: routingKey,
  dedup_key: z.string().max(255, "'dedup_key' is longer than 255 characters").optional(),
  client: z.string().optional(),
  client_url: z.string().optional(),
  links: z.array(link).optional(),
  images: z.array(z.object({ src: z.url({ protocol: /^https$/ }) })).optional(),
};

const alertSchema = z.discriminatedUnion('event_action', [
  z.object({ ...base, event_action: z.literal('trigger'), payload: alertPayload }),
  z.object({
    ...base,
    event_action: z.enum(['acknowledge', 'resolve']),
    dedup_key: z.string("'dedup_key' is missing or blank").min(1).max(255),
    payload: z.record(z.string(), z.unknown()).optional(),
  }),
]);

const changeSchema = z.object({
  routing_key: routingKey.refine((key) => !key.startsWith('R'), "'routing_key' is the key of a ruleset"),
  payload: z.object({
    summary,
    source: z.string().optional(),
    timestamp: z.iso.datetime({ offset: true }).optional(),
    custom_details: z.record(z.string(), z.unknown()).optional(),
  }),
  links: z.array(link).optional(),
});

export type ReadEvent =
  | { readonly event: ReceivedEvent; readonly errors: readonly [] }
  | { readonly event: null; readonly errors: readonly string[] };

export function readEvent(type: 'alert' | 'change', text: string): ReadEvent {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { event: null, errors: ['body is not JSON'] };
  }
  const raw = z.record(z.string(), z.unknown()).safeParse(json);
  if (!raw.success) return { event: null, errors: ['body is not an object'] };
  if (type === 'change') {
    const parsed = changeSchema.safeParse(json);
    if (!parsed.success) return { event: null, errors: parsed.error.issues.map(({ message }) => message) };
    const { routing_key, payload } = parsed.data;
    const event: ReceivedEvent = {
      action: 'change',
      routingKey: routing_key,
      dedupKey: '',
      summary: payload.summary,
      severity: null,
      details: payload.custom_details ?? {},
      raw: raw.data,
    };
    return { event, errors: [] };
  }
  const parsed = alertSchema.safeParse(json);
  if (!parsed.success) return { event: null, errors: parsed.error.issues.map(({ message }) => message) };
  const { data } = parsed;
  // A resolve may carry a payload, which nothing checks.
  const payload = alertPayload.safeParse(data.payload).data;
  const event: ReceivedEvent = {
    action: data.event_action,
    routingKey: data.routing_key,
    dedupKey: data.dedup_key ?? crypto.randomUUID(),
    summary: payload?.summary ?? '',
    severity: payload?.severity ?? null,
    details: payload?.custom_details ?? {},
    raw: raw.data,
  };
  return { event, errors: [] };
}
