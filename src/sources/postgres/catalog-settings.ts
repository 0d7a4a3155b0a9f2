/** Settings of the server and of roles, as they are and as they change. Values that could be secret are never read. */

import type { PostgresServer } from './collector.ts';
import { booleanOf, textOf } from './row-values.ts';
import { printable } from './text.ts';

export interface Setting {
  /** For people, in the units that operators write; a fingerprint where `secret`. */
  readonly value: string;
  /** What it is without anybody setting it; null for settings of roles and databases. */
  readonly byDefault: string | null;
  readonly secret: boolean;
  readonly pendingRestart: boolean;
}

/** By name: `work_mem`, `role app: work_mem`, `role app in database rastup: work_mem`. */
export type Settings = ReadonlyMap<string, Setting>;

/** Text settings whose value is no secret by what it is. Numbers, switches and choices never are. */
const OPEN_TEXTS = [
  ...['search_path', 'shared_preload_libraries', 'session_preload_libraries', 'default_tablespace', 'temp_tablespaces'],
  ...['synchronous_standby_names', 'TimeZone', 'log_timezone', 'DateStyle', 'listen_addresses', 'cluster_name'],
  ...['default_text_search_config', 'primary_slot_name', 'wal_consistency_checking', 'recovery_target_timeline'],
];

const openList = OPEN_TEXTS.map((name) => `'${name}'`).join(', ');
// Of a library, a number or a switch is one all the same; of any other prefix it may be anything (`app.jwt_secret`).
const isOpen = (name: string): string =>
  `(${name} IN (${openList}) OR k.vartype <> 'string'
    AND (${name} NOT LIKE '%.%' OR ${name} ~ '^(pg_stat_statements|auto_explain|plpgsql|rds|apg_[a-z_]+)\\.'))`;
// A hash of 64 bits: enough to see that a value changed, too little to hold it.
const fingerprint = (value: string): string => `pg_catalog.hashtextextended(${value}, 0)::pg_catalog.text`;

/**
 * Settings made in files or on the command line. What a session of ours sets for itself shows by the value that RESET
 * would give it. Settings of roles and databases are read where they are kept, for all roles and not for ours.
 */
const SETTINGS_SQL = `
SELECT k.name, k.unit, coalesce(${isOpen('k.name')}, false) AS open, k.pending_restart,
  CASE WHEN ${isOpen('k.name')} THEN k.reset_val ELSE ${fingerprint('k.reset_val')} END AS value,
  CASE WHEN ${isOpen('k.name')} THEN k.boot_val ELSE ${fingerprint('k.boot_val')} END AS boot
FROM pg_catalog.pg_settings k
WHERE k.source IN ('configuration file', 'command line', 'environment variable', 'global')
  OR k.source = 'session' AND k.reset_val IS DISTINCT FROM k.boot_val
ORDER BY k.name LIMIT 1000`;

const ROLE_SETTINGS_SQL = `
SELECT r.rolname AS role, d.datname AS database, split.name, coalesce(${isOpen('split.name')}, false) AS open,
  CASE WHEN ${isOpen('split.name')} THEN split.value ELSE ${fingerprint('split.value')} END AS value
FROM pg_catalog.pg_db_role_setting s
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS one (pair)
CROSS JOIN LATERAL (SELECT pg_catalog.split_part(one.pair, '=', 1) AS name,
  pg_catalog.substr(one.pair, pg_catalog.strpos(one.pair, '=') + 1) AS value) split
LEFT JOIN pg_catalog.pg_settings k ON k.name = split.name
ORDER BY 1, 2, 3 LIMIT 1000`;

export async function readSettings(server: PostgresServer, signal: AbortSignal): Promise<Settings> {
  const options = { timeoutMs: 2_000, signal };
  const settings = new Map<string, Setting>();
  for (const row of await server.query('settings', SETTINGS_SQL, options)) {
    const secret = booleanOf(row, 'open') !== true;
    const shown = (column: string): string => withUnit(textOf(row, column) ?? '', secret ? null : textOf(row, 'unit'));
    settings.set(textOf(row, 'name') ?? '', {
      value: shown('value'),
      byDefault: shown('boot'),
      secret,
      pendingRestart: booleanOf(row, 'pending_restart') === true,
    });
  }
  for (const row of await server.query('settings of roles', ROLE_SETTINGS_SQL, options)) {
    const role = textOf(row, 'role');
    const database = textOf(row, 'database');
    const inDatabase = database === null ? '' : `database ${printable(database, 64)}`;
    const of =
      role === null ? inDatabase : `role ${printable(role, 64)}${database === null ? '' : ` in ${inDatabase}`}`;
    const name = `${of === '' ? 'every role' : of}: ${printable(textOf(row, 'name') ?? '', 64)}`;
    const secret = booleanOf(row, 'open') !== true;
    settings.set(name, { value: textOf(row, 'value') ?? '', byDefault: null, secret, pendingRestart: false });
  }
  return settings;
}

export interface SettingChange {
  readonly name: string;
  readonly summary: string;
}

export function settingChanges(before: Settings, after: Settings): readonly SettingChange[] {
  const changes: SettingChange[] = [];
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
    const [old, fresh] = [before.get(name), after.get(name)];
    const either = fresh ?? old;
    if (either === undefined) continue;
    if (fresh?.pendingRestart === true && old?.pendingRestart !== true) {
      changes.push({ name, summary: `${name} was changed in the configuration and waits for a restart` });
    }
    const [from, to] = [old ?? defaultOf(fresh), fresh ?? defaultOf(old)];
    if (from.value === to.value) continue;
    const secret = either.secret || (old?.secret ?? false);
    changes.push({ name, summary: secret ? `${name} changed` : `${name} ${shown(from.value)} → ${shown(to.value)}` });
  }
  return changes;
}

function defaultOf(other: Setting | undefined): { readonly value: string } {
  return { value: other?.byDefault ?? 'unset' };
}

function shown(value: string): string {
  return value === '' ? "''" : printable(value, 80);
}

const MEMORY: readonly (readonly [number, string])[] = [
  [2 ** 40, 'TB'],
  [2 ** 30, 'GB'],
  [2 ** 20, 'MB'],
  [2 ** 10, 'kB'],
  [1, 'B'],
];
/** In microseconds. */
const TIME: readonly (readonly [number, string])[] = [
  [86_400_000_000, 'd'],
  [3_600_000_000, 'h'],
  [60_000_000, 'min'],
  [1_000_000, 's'],
  [1_000, 'ms'],
  [1, 'us'],
];

/** `8192` of unit `8kB` as `64MB`: the largest unit that needs no fraction, as SHOW prints it. */
export function withUnit(setting: string, unit: string | null): string {
  const value = Number(setting);
  const [, factor, name] = /^(\d*)([a-zA-Z]+)$/.exec(unit ?? '') ?? [];
  if (name === undefined || setting === '' || !Number.isFinite(value) || value <= 0) return setting;
  const scale = MEMORY.some(([, each]) => each === name) ? MEMORY : TIME;
  const size = scale.find(([, each]) => each === name)?.[0];
  if (size === undefined) return `${setting}${unit}`;
  const base = value * size * (factor === '' ? 1 : Number(factor));
  const [largest, printed] = scale.find(([each]) => Number.isInteger(base / each)) ?? [size, name];
  return `${base / largest}${printed}`;
}
