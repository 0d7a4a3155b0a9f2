/** Targets: the things watched. */

export type TargetKind = 'service' | 'database' | 'queue' | 'search' | 'cache' | 'dependency' | 'source';

export interface Target {
  /** As in the configuration; a replica is `<database>/<replica>`. */
  readonly name: string;
  readonly kind: TargetKind;
  readonly dependsOn: readonly string[];
  /** The name of the primary's target, when this one is a configured read replica of it. */
  readonly replicaOf?: string;
  /** Hosts of a dependency, as they stand in metrics and log messages: `api.stripe.com`. */
  readonly hosts?: readonly string[];
  /** Who is asked when it breaks (`@dba`). */
  readonly contact?: string;
  /**
   * Values known from configuration that mitigations may fill in, by slot name: `psql` (the operator's way in),
   * `rdsInstance`, `host`, `port`, `database`; of a service `service`, `ecsService`, `cluster`, `region`, `logGroup`; of
   * a dependency `flag`, `cacheFlag`, `timeoutKey`. Never a secret, never the daemon's own URL.
   */
  readonly slots: Readonly<Record<string, string>>;
  /** The same for each configured replica, by its name: `replicaPsql`, `rdsReplica`. */
  readonly replicas?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}
