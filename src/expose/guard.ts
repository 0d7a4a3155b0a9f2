/** Who may ask, and what every response carries. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { EpochMs } from '../model/index.ts';

/** No page of ours is served yet, so nothing may be loaded, framed or kept by anybody. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/**
 * Whether the header carries the token. Both sides are hashed to one length, so the time taken says nothing of the
 * token's length or of how much of it was guessed.
 */
export function hasToken(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer ([\x21-\x7e]{1,1024})$/i.exec(authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(sha256(given), sha256(token)) && given !== '';
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(host);
}

/**
 * Whether a request to a loopback address names this machine or one of `allowed`. A web page whose name was made to
 * point at 127.0.0.1 (DNS rebinding) sends its own name here. Clients without the header are no browsers.
 */
export function isHostAllowed(header: string | undefined, allowed: readonly string[]): boolean {
  if (header === undefined) return true;
  const host = header
    .toLowerCase()
    .replace(/:[0-9]{1,5}$/, '')
    .replace(/^\[|\]$/g, '');
  return isLoopbackHost(host) || allowed.includes(host);
}

export interface RateLimit {
  /** Seconds to wait before the next one; 0 when this one may go ahead. */
  take(now: EpochMs): number;
}

/** At most `perMinute` in any 60 s, whoever asks. In memory: a restart forgets. */
export function createRateLimit(perMinute: number): RateLimit {
  let taken: readonly EpochMs[] = [];
  return {
    take(now) {
      // What lies ahead was taken before the clock was set back: it would count for too long.
      taken = taken.filter((at) => at > now - MINUTE_MS && at <= now);
      const first = taken[0];
      if (first !== undefined && taken.length >= perMinute) return Math.ceil((first + MINUTE_MS - now) / 1000);
      taken = [...taken, now];
      return 0;
    },
  };
}

const MINUTE_MS = 60_000;
