/**
 * Whether OpenSearch could take over: https://docs.opensearch.org/latest/api-reference/cluster-api/cluster-health/
 * Green: all shards are allocated; yellow: all primaries are; red: some primary is not.
 */

import type { EpochMs } from '../../model/glossary.ts';
import type { SearchFallbackAnswer } from '../../model/systems.ts';
import { figureOf, objectOf } from './typesense.ts';

/** Null for anything that is not a cluster's health. */
export function clusterOf(body: string | null, host: string, at: EpochMs): SearchFallbackAnswer | null {
  const parsed = objectOf(body);
  if (parsed === null) return null;
  const status = parsed['status'];
  if (status !== 'green' && status !== 'yellow' && status !== 'red') return null;
  const nodes = figureOf(parsed['number_of_nodes']);
  const unassignedShards = figureOf(parsed['unassigned_shards']);
  const active = figureOf(parsed['active_shards_percent_as_number']);
  const primaries = figureOf(parsed['active_primary_shards']);
  if (nodes === null || unassignedShards === null || active === null || active > 100) return null;
  return {
    at,
    engine: 'opensearch',
    host,
    status,
    nodes,
    unassignedShards,
    activeShardsRatio: active / 100,
    // A cluster without a single index is green too, and finds nothing.
    ready: status !== 'red' && parsed['timed_out'] === false && nodes >= 1 && primaries !== null && primaries >= 1,
  };
}
