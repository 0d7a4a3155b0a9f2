/**
 * What an application knows of itself, as functions of time: noise is a pure function of the minute, and a fault is an
 * effect that holds from a moment on until it is taken back. A sample at a time is of the minute before it.
 */

import { hashText, normal, poisson, uniform } from '../aws/random.ts';
import type { Season } from '../aws/season.ts';
import type { PrometheusQuery } from '../prometheus.ts';

export const MINUTE = 60_000;

/** A signal of a target with the query that it is bound to, and what Prometheus answers to that. */
export interface Bound {
  readonly target: string;
  readonly signal: string;
  readonly query: string;
  readonly read: PrometheusQuery;
}

export interface AreaOptions {
  readonly now: () => number;
  readonly season: Season;
}

export interface Active<Effects> {
  readonly from: number;
  /** Infinite until it is taken back. */
  readonly to: number;
  readonly effects: Effects;
}

export interface Area<Effects> {
  /** From now on, until what it returns is called. */
  affect(effects: Effects): () => void;
  /** What holds in the middle of the minute that ends at a time. */
  effectsAt(at: number): readonly Effects[];
  /** All that ever held, oldest first: for what adds up. */
  active(): readonly Active<Effects>[];
  sum(at: number, of: (effects: Effects) => number | undefined): number;
  product(at: number, of: (effects: Effects) => number | undefined): number;
  /** How busy the minute is that ends at a time: 1 on the mean of a working day. */
  busy(at: number): number;
  /** A count in that minute. The channel tells draws of one minute apart. */
  count(at: number, channel: string, mean: number): number;
  /** A level with a relative spread. */
  level(at: number, channel: string, mean: number, spread?: number): number;
}

export function createArea<Effects>(name: string, { now, season }: AreaOptions): Area<Effects> {
  let all: readonly Active<Effects>[] = [];
  const seed = hashText(`app/${name}`);
  const channels = new Map<string, number>();
  const channelOf = (channel: string): number => {
    const known = channels.get(channel) ?? hashText(channel);
    channels.set(channel, known);
    return known;
  };
  const effectsAt = (at: number): readonly Effects[] =>
    all.filter(({ from, to }) => from <= at - MINUTE / 2 && at - MINUTE / 2 < to).map(({ effects }) => effects);
  return {
    affect(effects) {
      let current: Active<Effects> = { from: now(), to: Number.POSITIVE_INFINITY, effects };
      all = [...all, current];
      return () => {
        const ended: Active<Effects> = { ...current, to: Math.min(current.to, now()) };
        all = all.map((one) => (one === current ? ended : one));
        current = ended;
      };
    },
    effectsAt,
    active: () => all,
    sum: (at, of) => effectsAt(at).reduce((sum, one) => sum + (of(one) ?? 0), 0),
    product: (at, of) => effectsAt(at).reduce((product, one) => product * (of(one) ?? 1), 1),
    busy: (at) => season.factor(at - MINUTE / 2),
    count: (at, channel, mean) => poisson(mean, uniform(seed, at, channelOf(channel))),
    level: (at, channel, mean, spread = 0.02) =>
      Math.max(0, mean * (1 + spread * normal(seed, at, channelOf(channel)))),
  };
}

/** A signal without labels. */
export const plain = (value: (at: number) => number): PrometheusQuery => {
  return (at) => [{ labels: {}, value: value(at) }];
};
