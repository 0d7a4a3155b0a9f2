/**
 * The reply to INFO, read with suspicion: `field:value` lines, of which each that is not a figure is left out.
 * https://redis.io/docs/latest/commands/info/: fields come and go with versions, unknown ones are skipped.
 */

import type { EpochMs } from '../../model/glossary.ts';
import type { CacheServerAnswer } from '../../model/systems.ts';

export interface ServerInfo {
  readonly version: string | null;
  /** Changes when the server starts anew, and its counters with it. */
  readonly runId: string | null;
  readonly role: CacheServerAnswer['role'];
  readonly loading: boolean;
  readonly uptimeSeconds: number | null;
  readonly clients: number | null;
  readonly maxClients: number | null;
  readonly blockedClients: number | null;
  readonly usedMemoryBytes: number | null;
  readonly maxMemoryBytes: number | null;
  readonly evictionPolicy: string | null;
  readonly evictedKeys: number | null;
  readonly rejectedConnections: number | null;
  readonly hits: number | null;
  readonly misses: number | null;
  readonly replicaLinkUp: boolean | null;
}

const MAX_LINES = 5_000;

/** Null for a text that is not the INFO of a server. */
export function infoOf(text: string): ServerInfo | null {
  const fields = new Map<string, string>();
  for (const line of text.split('\n', MAX_LINES)) {
    const [, name, value] = /^([a-z_][a-z0-9_]{0,63}):([^\r]{0,200})\r?$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined && !fields.has(name)) fields.set(name, value);
  }
  const figure = (name: string): number | null => {
    const value = fields.get(name) ?? '';
    const number = /^\d{1,18}$/.test(value) ? Number(value) : Number.NaN;
    return Number.isSafeInteger(number) ? number : null;
  };
  const word = (name: string, pattern: RegExp): string | null => {
    const value = fields.get(name) ?? '';
    return pattern.test(value) ? value : null;
  };
  const link = word('master_link_status', /^(?:up|down)$/);
  const role = word('role', /^(?:master|slave)$/);
  const info: ServerInfo = {
    version: word('valkey_version', /^[\w.-]{1,30}$/) ?? word('redis_version', /^[\w.-]{1,30}$/),
    runId: word('run_id', /^[0-9a-f]{8,64}$/),
    role: role === 'master' ? 'primary' : role === 'slave' ? 'replica' : 'unknown',
    loading: fields.get('loading') === '1',
    uptimeSeconds: figure('uptime_in_seconds'),
    clients: figure('connected_clients'),
    maxClients: figure('maxclients'),
    blockedClients: figure('blocked_clients'),
    usedMemoryBytes: figure('used_memory'),
    maxMemoryBytes: figure('maxmemory'),
    evictionPolicy: word('maxmemory_policy', /^[a-z-]{1,30}$/),
    evictedKeys: figure('evicted_keys'),
    rejectedConnections: figure('rejected_connections'),
    hits: figure('keyspace_hits'),
    misses: figure('keyspace_misses'),
    replicaLinkUp: link === null ? null : link === 'up',
  };
  return info.version === null || (info.clients === null && info.usedMemoryBytes === null) ? null : info;
}

/** The fields that an answer needs and this server did not give; managed services hide some. */
export function missingIn(info: ServerInfo): readonly string[] {
  const needed = {
    uptime_in_seconds: info.uptimeSeconds,
    connected_clients: info.clients,
    used_memory: info.usedMemoryBytes,
    maxmemory: info.maxMemoryBytes,
    evicted_keys: info.evictedKeys,
    rejected_connections: info.rejectedConnections,
    keyspace_hits: info.hits,
    keyspace_misses: info.misses,
  };
  return Object.entries(needed).flatMap(([name, value]) => (value === null ? [name] : []));
}

/** Null when `missingIn` names something. */
export function serverAnswer(info: ServerInfo, host: string, pingMs: number, at: EpochMs): CacheServerAnswer | null {
  const { uptimeSeconds, clients, usedMemoryBytes, maxMemoryBytes, evictedKeys, rejectedConnections, hits, misses } =
    info;
  if (uptimeSeconds === null || clients === null || usedMemoryBytes === null || maxMemoryBytes === null) return null;
  if (evictedKeys === null || rejectedConnections === null || hits === null || misses === null) return null;
  return {
    at,
    host,
    version: info.version ?? '?',
    role: info.role,
    loading: info.loading,
    pingMs,
    clients,
    maxClients: info.maxClients,
    blockedClients: info.blockedClients ?? 0,
    usedMemoryBytes,
    maxMemoryBytes,
    evictionPolicy: info.evictionPolicy,
    evictedKeys,
    rejectedConnections,
    hits,
    misses,
    replicaLinkUp: info.replicaLinkUp,
    uptimeSeconds,
  };
}
