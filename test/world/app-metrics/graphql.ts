/** GraphQL operations of the api: how many, their errors by type, their latency, and the database queries of each. */

import { type AreaOptions, type Bound, createArea } from './area.ts';

export interface GraphqlEffects {
  /** Default all. */
  readonly operation?: string;
  /** Further answers with an error of that `extensions.code`. */
  readonly errors?: { readonly share: number; readonly type: string };
  readonly requestsFactor?: number;
  readonly latencyFactor?: number;
  readonly queriesFactor?: number;
}

interface Operation {
  readonly share: number;
  readonly p95: number;
  readonly queries: number;
}

const PER_MINUTE = 4_000;

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  GetProfile: { share: 0.3, p95: 0.12, queries: 2 },
  ListOrders: { share: 0.22, p95: 0.18, queries: 3 },
  SearchModels: { share: 0.16, p95: 0.22, queries: 1 },
  GetOrder: { share: 0.14, p95: 0.14, queries: 4 },
  Checkout: { share: 0.1, p95: 0.35, queries: 6 },
  SendMessage: { share: 0.08, p95: 0.1, queries: 3 },
};

/** Shares of the answers of a healthy day. */
const ERRORS: Readonly<Record<string, number>> = {
  INTERNAL_SERVER_ERROR: 0.002,
  BAD_USER_INPUT: 0.004,
  UNAUTHENTICATED: 0.003,
  FORBIDDEN: 0.0005,
  GRAPHQL_VALIDATION_FAILED: 0.0003,
};

export function graphqlMetrics(options: AreaOptions) {
  const { affect, effectsAt, busy, count, level } = createArea<GraphqlEffects>('graphql', options);
  const names = Object.keys(OPERATIONS);
  const effectsOf = (at: number, operation: string): readonly GraphqlEffects[] =>
    effectsAt(at).filter((one) => one.operation === undefined || one.operation === operation);
  const product = (at: number, operation: string, of: (one: GraphqlEffects) => number | undefined): number =>
    effectsOf(at, operation).reduce((all, one) => all * (of(one) ?? 1), 1);
  const requests = (at: number, operation: string): number =>
    count(
      at,
      `requests/${operation}`,
      PER_MINUTE * busy(at) * OPERATIONS[operation]!.share * product(at, operation, (one) => one.requestsFactor),
    );
  const errors = (at: number, operation: string, type: string): number => {
    const added = effectsOf(at, operation).reduce(
      (sum, one) => sum + (one.errors?.type === type ? one.errors.share : 0),
      0,
    );
    const asked = requests(at, operation);
    return Math.min(asked, count(at, `errors/${operation}/${type}`, asked * ((ERRORS[type] ?? 0) + added)));
  };

  const byOperation = (value: (at: number, operation: string) => number) => (at: number) =>
    names.map((operation) => ({ labels: { operation }, value: value(at, operation) }));

  const bound: readonly Bound[] = [
    {
      target: 'api',
      signal: 'graphql_requests',
      query: 'sum by (operation) (increase(graphql_operations_total{app="api"}[1m]))',
      read: byOperation(requests),
    },
    {
      target: 'api',
      signal: 'graphql_errors',
      query: 'sum by (operation, error_type) (increase(graphql_errors_total{app="api"}[1m]))',
      read: (at) =>
        names.flatMap((operation) =>
          Object.keys(ERRORS).map((type) => ({
            labels: { operation, error_type: type },
            value: errors(at, operation, type),
          })),
        ),
    },
    {
      target: 'api',
      signal: 'graphql_latency_p95',
      query: 'histogram_quantile(0.95, sum by (operation, le) (rate(graphql_operation_seconds_bucket{app="api"}[1m])))',
      read: byOperation(
        (at, operation) =>
          level(at, `p95/${operation}`, OPERATIONS[operation]!.p95, 0.03) *
          product(at, operation, (one) => one.latencyFactor),
      ),
    },
    {
      target: 'api',
      signal: 'graphql_queries_per_operation',
      query:
        'sum by (operation) (increase(graphql_db_queries_total{app="api"}[1m])) / sum by (operation) (increase(graphql_operations_total{app="api"}[1m]))',
      read: byOperation(
        (at, operation) =>
          level(at, `queries/${operation}`, OPERATIONS[operation]!.queries, 0.02) *
          product(at, operation, (one) => one.queriesFactor),
      ),
    },
  ];
  return { affect, bound };
}
