/** Why GraphQL operations fail or are slow, where HTTP says 200: one resolver, or callers who ask what cannot be answered. */

import type { Hypothesis, Mitigation } from '../detector.ts';
import { versionBeforeProbe } from './explained-by-version.ts';
import { notAVendorProbe } from './external-latency.ts';
import {
  byOperationProbe,
  databaseTimeElsewhereProbe,
  errorTypesProbe,
  ownResolverProbe,
  queriesPerOperationProbe,
  slowOperationProbe,
} from './graphql-probes.ts';
import { databaseShareProbe } from './request-time.ts';
import { newIssuesProbe } from './tracked-errors.ts';

export {
  errorSubject,
  isClientError,
  operationName,
  queriesPerOperationProbe,
  slowSubject,
} from './graphql-probes.ts';

/** Spread `graphqlMitigations` into the detector's mitigations beside them. */
export function graphqlHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'bad-operation',
      title: 'One operation: its resolver fails or is slow, the others are well',
      prior: 0.08,
      on: 'self',
      requires: ['by-operation'],
      probes: [
        byOperationProbe({ ifOne: 4.4, ifAll: 4 }),
        slowOperationProbe({ ifOne: 4.4, ifAll: 4 }),
        errorTypesProbe({ ifClients: -4.5, ifServer: 0.4 }),
        queriesPerOperationProbe({ ifUp: -4, ifFlat: 0 }),
        versionBeforeProbe({ ifBefore: -4.5, ifNone: 0 }),
        ownResolverProbe(),
        newIssuesProbe(0.8),
        notAVendorProbe(4),
        databaseShareProbe(-4, 0),
        databaseTimeElsewhereProbe(4),
      ],
      mitigations: ['graphql-by-operation', 'graphql-slow-operations', 'graphql-log-queries'],
    },
    {
      cause: 'client-errors',
      title: 'Callers: they ask what is not valid or not theirs; the service answers as it should',
      prior: 0.1,
      on: 'self',
      requires: ['error-types'],
      probes: [
        errorTypesProbe({ ifClients: 4.2, ifServer: -5 }),
        // A version may have changed the schema or the check of tokens under its callers.
        versionBeforeProbe({ ifBefore: -3.5, ifNone: 0 }),
      ],
      mitigations: ['graphql-by-operation', 'graphql-log-queries'],
    },
  ];
}

const readOnly = { risk: 'read-only', riskText: 'reads only' } as const;

export const graphqlMitigations: Readonly<Record<string, Mitigation>> = {
  'graphql-by-operation': {
    ...readOnly,
    title: 'Look at GraphQL errors by operation and type',
    command: 'npm run metrics:graphql -- --window=15m --group-by=operation,error_type',
  },
  'graphql-slow-operations': {
    ...readOnly,
    title: 'Look at the slow operations',
    command: 'npm run metrics:graphql -- --window=15m --sort-by=duration --limit=20',
  },
  'graphql-queries': {
    ...readOnly,
    title: 'Look at the database queries of each operation',
    command: 'npm run metrics:graphql -- --window=15m --metric=db_queries_per_operation',
  },
  'graphql-log-queries': {
    title: 'Log GraphQL queries for a while',
    risk: 'reversible',
    riskText: 'the log grows fast and may hold what users sent; undo it after the analysis',
    precheck: 'npm run config:get -- --key=graphql.log_queries',
    command: 'npm run config:update -- --key=graphql.log_queries --value=true',
    undo: 'npm run config:update -- --key=graphql.log_queries --value=false',
  },
};
