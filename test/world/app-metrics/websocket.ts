/**
 * WebSocket connections of the websocket service. Ends carry the close code (RFC 6455, 7.4.1: 1000 normal, 1001 going away,
 * 1006 without a word, 1012 service restart), handshakes that fail the HTTP status that they were answered with.
 */

import { type Active, type AreaOptions, type Bound, createArea, MINUTE, plain } from './area.ts';

export interface WebsocketEffects {
  /** Who wants to be connected. */
  readonly demandFactor?: number;
  /** A share of the connections ends after so long without a message, and comes back at once. */
  readonly idle?: { readonly share: number; readonly seconds: number };
  /** A share of the handshakes is answered with that status. */
  readonly refused?: { readonly share: number; readonly status: string };
  /** That many connections and no more: further handshakes are answered with 503. */
  readonly limit?: number;
  /** At once a share of them is cut, with that close code; their clients come back over so many minutes. */
  readonly cut?: { readonly share: number; readonly code: string; readonly backMinutes: number };
}

const TARGET = 'websocket';
const OPEN = 6_000;
const LIFE_MINUTES = 20;
/** Whoever is not let in tries again after so many minutes. */
const RETRY_MINUTES = 1;
/** And so quickly comes back what was kept out, once it is let in. */
const BACK_MINUTES = 2;

const ENDS: Readonly<Record<string, number>> = {
  '1000': 0.62,
  '1001': 0.27,
  '1006': 0.08,
  '1011': 0.005,
  '1012': 0.025,
};
const FAILED: Readonly<Record<string, number>> = { '401': 0.006, '500': 0.001, '503': 0.0005 };

export function websocketMetrics(options: AreaOptions) {
  const { affect, effectsAt, active, product, busy, count, level } = createArea<WebsocketEffects>('websocket', options);
  const wanted = (at: number): number => OPEN * busy(at) * product(at, (one) => one.demandFactor);

  /** Of those who want to be connected, the share that a condition keeps out at a time. */
  function lostTo({ from, to, effects }: Active<WebsocketEffects>, at: number): number {
    const minutes = (end: number): number => Math.max(0, Math.min(at, end) - from) / MINUTE;
    const since = Math.max(0, at - to) / MINUTE;
    if (at < from) return 0;
    if (effects.cut !== undefined) {
      const away = effects.cut.share * Math.max(0, 1 - minutes(to) / effects.cut.backMinutes);
      return away * Math.exp(-since / BACK_MINUTES);
    }
    if (effects.refused !== undefined) {
      return effects.refused.share * (1 - Math.exp(-minutes(to) / LIFE_MINUTES)) * Math.exp(-since / BACK_MINUTES);
    }
    const full = effects.limit === undefined ? 0 : Math.max(0, 1 - effects.limit / wanted(Math.min(at, to)));
    return full * Math.exp(-since / BACK_MINUTES);
  }
  const lost = (at: number): number => 1 - active().reduce((left, one) => left * (1 - lostTo(one, at)), 1);
  const open = (at: number): number => wanted(at) * (1 - lost(at));

  /** Handshakes of that minute that are turned away, by status. */
  function turnedAway(at: number): ReadonlyMap<string, number> {
    const tried = usual(at) + (wanted(at) * lost(at)) / RETRY_MINUTES;
    const found = new Map<string, number>();
    for (const { refused, limit } of effectsAt(at)) {
      if (refused !== undefined) found.set(refused.status, tried * refused.share);
      if (limit !== undefined && limit < wanted(at)) {
        found.set('503', usual(at) * (1 - limit / wanted(at)) + (wanted(at) - limit) / RETRY_MINUTES);
      }
    }
    return found;
  }
  const usual = (at: number): number => wanted(at) / LIFE_MINUTES;
  const idled = (at: number): number =>
    effectsAt(at).reduce(
      (sum, { idle }) => sum + (idle === undefined ? 0 : open(at) * idle.share * (60 / idle.seconds)),
      0,
    );
  /** Who was cut or kept out and came back in that minute. */
  const returned = (at: number): number => wanted(at) * Math.max(0, lost(at - MINUTE) - lost(at));
  const cutNow = (at: number, code: string): number =>
    active().reduce(
      (sum, { from, effects }) =>
        sum + (effects.cut?.code === code && at - MINUTE <= from && from < at ? wanted(at) * effects.cut.share : 0),
      0,
    );
  const fresh = (at: number): number =>
    usual(at) + idled(at) + returned(at) + [...turnedAway(at).values()].reduce((sum, n) => sum + n, 0);
  const failed = (at: number, status: string): number =>
    usual(at) * (FAILED[status] ?? 0) + (turnedAway(at).get(status) ?? 0);

  const bound: readonly Bound[] = [
    {
      target: TARGET,
      signal: 'ws_connections',
      query: 'sum(ws_connections{app="websocket"})',
      read: plain((at) => Math.round(level(at, 'open', open(at), 0.01))),
    },
    {
      target: TARGET,
      signal: 'ws_new_connections',
      query: 'sum(increase(ws_handshakes_total{app="websocket"}[1m]))',
      read: plain((at) => count(at, 'fresh', fresh(at))),
    },
    {
      target: TARGET,
      signal: 'ws_errors',
      query: 'sum by (reason) (increase(ws_handshakes_failed_total{app="websocket"}[1m]))',
      read: (at) =>
        Object.keys(FAILED).map((reason) => ({
          labels: { reason },
          value: count(at, `failed/${reason}`, failed(at, reason)),
        })),
    },
    {
      target: TARGET,
      signal: 'ws_disconnects',
      query: 'sum by (reason) (increase(ws_disconnects_total{app="websocket"}[1m]))',
      read: (at) =>
        Object.entries(ENDS).map(([reason, share]) => ({
          labels: { reason },
          value: count(
            at,
            `ended/${reason}`,
            (open(at) / LIFE_MINUTES) * share + (reason === '1006' ? idled(at) : 0) + cutNow(at, reason),
          ),
        })),
    },
    {
      target: TARGET,
      signal: 'ws_lifetime_p50',
      query: 'histogram_quantile(0.5, sum by (le) (rate(ws_lifetime_seconds_bucket{app="websocket"}[1m])))',
      read: plain((at) => {
        // The median of what ended in that minute: what is cut often has more ends than what lives.
        const idle = effectsAt(at).find((one) => one.idle !== undefined)?.idle;
        return level(at, 'lifetime', idle === undefined ? LIFE_MINUTES * 60 * Math.LN2 : idle.seconds * 1.02, 0.03);
      }),
    },
  ];
  return { affect, bound };
}
