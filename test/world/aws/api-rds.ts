/** RDS: instances and their events. */

import { ACCOUNT, type Fleet } from './fleet.ts';
import { ApiError } from './protocol.ts';
import { pageOf, type QueryApi } from './query-page.ts';
import { hexId } from './random.ts';
import { fields, items } from './xml.ts';

const DAY = 86_400_000;

export function rdsApi(fleet: Fleet): QueryApi {
  return {
    DescribeDBInstances: (call, now) => {
      const name = call.form.get('DBInstanceIdentifier');
      const short = name?.startsWith('arn:') ? name.slice(name.lastIndexOf(':') + 1) : name;
      const found = [...fleet.databases.values()].filter(({ facts }) => short === null || facts.instance === short);
      if (short !== null && found.length === 0) {
        throw new ApiError('DBInstanceNotFound', `DBInstance ${short} not found.`, 404);
      }
      const { values, next } = pageOf(call, found, 'MaxRecords', 'Marker', 100, 100, 20);
      return {
        DBInstances: items('DBInstance', values, (model) => {
          const { facts } = model;
          const status = model.status(now);
          const replicas = [...fleet.databases.values()].filter((other) => other.facts.replicaOf === facts.instance);
          const pending = model.pending(now);
          return {
            DBInstanceIdentifier: facts.instance,
            DBInstanceClass: facts.instanceClass,
            Engine: 'postgres',
            DBInstanceStatus: status,
            MasterUsername: 'rastup',
            DBName: 'rastup',
            Endpoint: fields({ Address: facts.host, Port: facts.port, HostedZoneId: 'Z2R2ITUGPM61AM' }),
            AllocatedStorage: facts.allocatedGiB,
            InstanceCreateTime: new Date(fleet.startedAt - 30 * DAY),
            BackupRetentionPeriod: 7,
            VpcSecurityGroups: items('VpcSecurityGroupMembership', [facts.securityGroup], (id) => ({
              VpcSecurityGroupId: id,
              Status: 'active',
            })),
            AvailabilityZone: `${call.region}${facts.replicaOf === null ? 'a' : 'b'}`,
            PendingModifiedValues: fields(pending),
            MultiAZ: facts.replicaOf === null,
            EngineVersion: facts.engineVersion,
            AutoMinorVersionUpgrade: true,
            ReadReplicaSourceDBInstanceIdentifier: facts.replicaOf,
            ReadReplicaDBInstanceIdentifiers: items(
              'ReadReplicaDBInstanceIdentifier',
              replicas,
              (other) => other.facts.instance,
            ),
            LicenseModel: 'postgresql-license',
            StatusInfos:
              facts.replicaOf === null
                ? null
                : items('DBInstanceStatusInfo', ['replicating'], (state) => ({
                    StatusType: 'read replication',
                    Normal: true,
                    Status: state,
                  })),
            StorageType: facts.storageType,
            StorageEncrypted: true,
            DbiResourceId: `db-${hexId(facts.instance, 26).toUpperCase()}`,
            DBInstanceArn: `arn:aws:rds:${call.region}:${ACCOUNT}:db:${facts.instance}`,
            PerformanceInsightsEnabled: true,
            DeletionProtection: true,
          };
        }),
        Marker: next,
      };
    },
    DescribeEvents: (call, now) => {
      const { form } = call;
      const type = form.get('SourceType');
      const source = form.get('SourceIdentifier');
      if (source !== null && type === null) {
        throw new ApiError(
          'InvalidParameterCombination',
          'SourceType must be supplied when SourceIdentifier is supplied',
        );
      }
      const minutes = Number(form.get('Duration') ?? 60);
      const end = form.has('EndTime') ? Date.parse(form.get('EndTime')!) : now;
      const start = form.has('StartTime') ? Date.parse(form.get('StartTime')!) : end - minutes * 60_000;
      if (!(start <= end))
        throw new ApiError('InvalidParameterCombination', 'The start time must be before the end time');
      // Events are kept for 14 days.
      const from = Math.max(start, now - 14 * DAY);
      const events = (type === null || type === 'db-instance' ? [...fleet.databases.values()] : [])
        .filter(({ facts }) => source === null || facts.instance === source)
        .flatMap((model) =>
          model.events(from, Math.min(end, now)).map((event) => ({ ...event, instance: model.facts.instance })),
        )
        .sort((a, b) => a.at - b.at);
      const { values, next } = pageOf(call, events, 'MaxRecords', 'Marker', 100, 100, 20);
      return {
        Events: items('Event', values, ({ at, message, categories, instance }) => ({
          SourceIdentifier: instance,
          SourceType: 'db-instance',
          Message: message,
          EventCategories: items('EventCategory', categories, (category) => category),
          Date: new Date(at),
          SourceArn: `arn:aws:rds:${call.region}:${ACCOUNT}:db:${instance}`,
        })),
        Marker: next,
      };
    },
  };
}
