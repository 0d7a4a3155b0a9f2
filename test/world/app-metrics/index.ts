/** Everything that applications know of themselves, by area. */

import type { Fleet } from '../aws/fleet.ts';
import type { AreaOptions, Bound } from './area.ts';
import { cacheMetrics } from './cache.ts';
import { graphqlMetrics } from './graphql.ts';
import { outboxMetrics } from './outbox.ts';
import { paymentMetrics } from './payments.ts';
import { searchMetrics } from './search.ts';
import { statementMetrics } from './statements.ts';
import { vendorMetrics } from './vendors.ts';
import { websocketMetrics } from './websocket.ts';

export type { Bound } from './area.ts';

export interface AppOptions extends AreaOptions {
  readonly fleet: Fleet;
}

export function createAppMetrics(options: AppOptions) {
  return {
    search: searchMetrics(options),
    graphql: graphqlMetrics(options),
    outbox: outboxMetrics(options),
    payments: paymentMetrics(options),
    websocket: websocketMetrics(options),
    cache: cacheMetrics(options),
    statements: statementMetrics(options),
    vendors: vendorMetrics(options, options.fleet),
  };
}

export type AppMetrics = ReturnType<typeof createAppMetrics>;

export function boundOf({ search, graphql, outbox, payments, websocket, vendors }: AppMetrics): readonly Bound[] {
  return [search, graphql, outbox, payments, websocket, vendors].flatMap(({ bound }) => bound);
}
