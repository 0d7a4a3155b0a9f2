/**
 * Notifications as PagerDuty's Events API v2 wants them. Pure. Limits and fields:
 * https://developer.pagerduty.com/docs/events-api-v2/trigger-events/ and …/send-change-events/
 */

import { createHash } from 'node:crypto';
import type { Severity } from '../../model/glossary.ts';
import type { Notification, PageSection } from '../../model/notification.ts';
import { clipAtWord, clipLines } from '../clip.ts';

/** "512 KB" in the documentation; Alertmanager counts 512,000 bytes, the smaller reading. */
export const MAX_PAYLOAD_BYTES = 512_000;
export const MAX_SUMMARY_POINTS = 1_024;
export const MAX_DEDUP_KEY_LENGTH = 255;
const MAX_LINKS = 10;
const MAX_HREF_LENGTH = 2_000;
/** Names of things: generous for people, no room for a text in the wrong place. */
const MAX_NAME_POINTS = 255;

/** All that `custom_details` may be called: a section under another heading does not leave. */
export const DETAIL_KEYS: readonly string[] = [
  'NEWS',
  'WHAT',
  'SINCE',
  'LIKELY',
  'ALSO',
  'MAYBE',
  'DO FIRST',
  'RULED OUT',
  'NOT SEEN',
  'OTHERWISE',
  'OWNER',
];
const CUT_KEY = 'LEFT OUT';

export interface PayloadContext {
  readonly routingKey: string;
  readonly client: { readonly name: string; readonly url?: string };
  /** The installation's name. */
  readonly group?: string;
  /** Applied to every string that leaves. */
  readonly clean: (text: string) => string;
}

interface Link {
  readonly href: string;
  readonly text: string;
}

/** As the API takes it; pdjs' own types lack `client` and `client_url`. */
export interface AlertEvent {
  readonly routing_key: string;
  readonly event_action: 'trigger' | 'resolve';
  readonly dedup_key: string;
  readonly client?: string;
  readonly client_url?: string;
  readonly payload: {
    readonly summary: string;
    readonly source: string;
    readonly severity: Severity;
    readonly timestamp?: string;
    readonly component?: string;
    readonly group?: string;
    readonly class?: string;
    readonly custom_details?: Readonly<Record<string, string>>;
  };
  readonly links?: Link[];
}

export interface ChangeEvent {
  readonly routing_key: string;
  readonly payload: {
    readonly summary: string;
    readonly source: string;
    readonly timestamp: string;
    readonly custom_details: Readonly<Record<string, string>>;
  };
  readonly links: Link[];
}

/** An update is a trigger with the same dedup key: PagerDuty appends it to the open incident. */
export function alertEvent(notification: Notification, minimal: boolean, context: PayloadContext): AlertEvent {
  const { clean, client, group } = context;
  const base = {
    routing_key: context.routingKey,
    event_action: notification.kind === 'resolve' ? 'resolve' : 'trigger',
    dedup_key: dedupKey(notification.key, clean),
  } as const;
  const required = {
    summary: summaryOf(notification, clean),
    source: nameOf(notification.target, clean) ?? client.name,
    severity: notification.severity,
  };
  if (minimal) return { ...base, payload: required };
  const clientUrl = client.url === undefined ? null : hrefOf(client.url, clean);
  const component = nameOf(notification.target, clean);
  const groupName = nameOf(group ?? null, clean);
  const detector = nameOf(notification.detector, clean);
  const event = {
    ...base,
    client: clipAtWord(clean(client.name), MAX_NAME_POINTS),
    ...(clientUrl === null ? {} : { client_url: clientUrl }),
    payload: {
      ...required,
      timestamp: timestampOf(notification),
      ...(component === null ? {} : { component }),
      ...(groupName === null ? {} : { group: groupName }),
      ...(detector === null ? {} : { class: detector }),
    },
    links: linksOf(notification, clean),
  };
  const details = detailsWithin(MAX_PAYLOAD_BYTES - jsonBytes(event), notification.sections, clean);
  return { ...event, payload: { ...event.payload, custom_details: details } };
}

export function changeEvent(notification: Notification, minimal: boolean, context: PayloadContext): ChangeEvent {
  const { clean, client } = context;
  const event = {
    routing_key: context.routingKey,
    payload: {
      summary: summaryOf(notification, clean),
      source: nameOf(notification.target, clean) ?? client.name,
      timestamp: timestampOf(notification),
    },
    links: minimal ? [] : linksOf(notification, clean),
  };
  const sections = minimal ? [] : notification.sections;
  const details = detailsWithin(MAX_PAYLOAD_BYTES - jsonBytes(event), sections, clean);
  return { ...event, payload: { ...event.payload, custom_details: details } };
}

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

function summaryOf({ summary, target }: Notification, clean: (text: string) => string): string {
  const line = clipAtWord(clean(summary).replace(/\s+/gu, ' ').trim(), MAX_SUMMARY_POINTS);
  // Required and not empty: an event without it would be refused.
  return line === '' ? (nameOf(target, clean) ?? 'no summary') : line;
}

function nameOf(name: string | null, clean: (text: string) => string): string | null {
  const cleaned = name === null ? '' : clipAtWord(clean(name).replace(/\s+/gu, ' ').trim(), MAX_NAME_POINTS);
  return cleaned === '' ? null : cleaned;
}

function timestampOf({ at }: Notification): string {
  // Beyond what a date can hold, toISOString throws; PagerDuty then takes the time of arrival for a missing one.
  return new Date(Math.abs(at) <= 8.64e15 ? at : 0).toISOString();
}

/**
 * The key as it is, where it may leave and fits. Otherwise its start and a hash of the whole: two keys never become one,
 * which would hide an incident behind another's.
 */
function dedupKey(key: string, clean: (text: string) => string): string {
  const cleaned = clean(key);
  if (cleaned === key && key.length <= MAX_DEDUP_KEY_LENGTH && key !== '') return key;
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 32);
  const start = Array.from(cleaned.slice(0, 200)).slice(0, 100).join('').toWellFormed();
  return `${start}#${hash}`;
}

/** Null for what a browser should not open, and for an address that carries what must not leave, encoded or not. */
function hrefOf(href: string, clean: (text: string) => string): string | null {
  if (!/^https?:\/\/[\x21-\x7e]+$/.test(href) || href.length > MAX_HREF_LENGTH) return null;
  const decoded = decodeHref(href);
  return clean(href) === href && clean(decoded) === decoded ? href : null;
}

function decodeHref(href: string): string {
  try {
    return decodeURIComponent(href);
  } catch {
    return href;
  }
}

function linksOf({ links }: Notification, clean: (text: string) => string): Link[] {
  return links.slice(0, MAX_LINKS).flatMap((link) => {
    const href = hrefOf(link.href, clean);
    return href === null ? [] : [{ href, text: clipAtWord(clean(link.text), MAX_NAME_POINTS) }];
  });
}

/** Headings that may leave, in reading order, each once. */
export function sectionsThatLeave(sections: readonly PageSection[]): readonly PageSection[] {
  const merged = new Map<string, PageSection>();
  for (const section of sections) {
    if (!DETAIL_KEYS.includes(section.heading)) continue;
    const before = merged.get(section.heading);
    const lines = before === undefined ? section.lines : [...before.lines, ...section.lines];
    merged.set(section.heading, { ...section, lines, value: Math.max(section.value, before?.value ?? section.value) });
  }
  return [...merged.values()];
}

/**
 * `custom_details` in at most `maxBytes` of JSON: sections by value, highest first, until one does not fit; of that one
 * the lines from its start that do. What was left out is said.
 */
function detailsWithin(
  maxBytes: number,
  sections: readonly PageSection[],
  clean: (text: string) => string,
): Readonly<Record<string, string>> {
  const entries = sectionsThatLeave(sections).map(({ heading, lines, value }) => ({
    heading,
    value,
    text: clean(lines.join('\n')),
  }));
  // `"custom_details":{},` and the line that says what was left out.
  let left = maxBytes - 200;
  const kept = new Map<string, string>();
  const cut: string[] = [];
  for (const { heading, text } of entries.toSorted((a, b) => b.value - a.value)) {
    const frame = jsonBytes(heading) + 2;
    const whole = frame + jsonBytes(text);
    if (cut.length === 0 && whole <= left) {
      kept.set(heading, text);
      left -= whole;
      continue;
    }
    const lines = cut.length === 0 ? clipLines(text.split('\n'), left - frame) : [];
    if (lines.length > 0) kept.set(heading, lines.join('\n'));
    cut.push(lines.length > 0 ? `the end of ${heading}` : heading);
  }
  const details = entries.flatMap(({ heading }): [string, string][] => {
    const text = kept.get(heading);
    return text === undefined ? [] : [[heading, text]];
  });
  if (cut.length > 0) details.push([CUT_KEY, `too large to send: ${cut.join(', ')}`]);
  return Object.fromEntries(details);
}
