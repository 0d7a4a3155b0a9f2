/** From configuration to targets: what is watched, with the values that mitigations may fill in. Pure. */

import type { Config, DatabaseConfig, ReplicaConfig } from './config/index.ts';
import type { Target } from './model/index.ts';

function slotsOf(config: ReplicaConfig): Readonly<Record<string, string>> {
  const { host, port, database } = config.address;
  return {
    host,
    port: String(port),
    database,
    psql: config.operatorCommand,
    ...(config.rds === null ? {} : { rdsInstance: config.rds }),
  };
}

function replicaSlots(config: ReplicaConfig): Readonly<Record<string, string>> {
  return { replicaPsql: config.operatorCommand, ...(config.rds === null ? {} : { rdsReplica: config.rds }) };
}

function targetsOfDatabase(name: string, database: DatabaseConfig): readonly Target[] {
  const replicas = Object.entries(database.replicas);
  const contactOf = (own: string | null): { readonly contact?: string } => {
    const contact = own ?? database.contact;
    return contact === null ? {} : { contact };
  };
  return [
    {
      name,
      kind: 'database',
      dependsOn: [],
      ...contactOf(database.contact),
      slots: slotsOf(database),
      replicas: Object.fromEntries(replicas.map(([replica, config]) => [replica, replicaSlots(config)])),
    },
    ...replicas.map(
      ([replica, config]): Target => ({
        name: `${name}/${replica}`,
        kind: 'database',
        dependsOn: [],
        replicaOf: name,
        ...contactOf(config.contact),
        slots: slotsOf(config),
      }),
    ),
  ];
}

/** Targets of the configured databases and their replicas, which are targets of their own. */
export function targetsOf(config: Config): readonly Target[] {
  return Object.entries(config.databases).flatMap(([name, database]) => targetsOfDatabase(name, database));
}

/**
 * Who is asked about a finding, the first that fits: the target's own contact (its `contact`, or `contacts` by its
 * name), then `contacts` by detector, by kind of target (`databases`), and `default`.
 */
export function contactOf(config: Config, target: Target, detector: string): string | null {
  const { contacts } = config;
  return target.contact ?? contacts[detector] ?? contacts[`${target.kind}s`] ?? contacts.default ?? null;
}
