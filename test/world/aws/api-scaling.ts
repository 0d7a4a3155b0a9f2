/** Auto Scaling groups of the clusters, and STS AssumeRole. */

import type { ClusterModel } from './cluster-model.ts';
import { ACCOUNT, type Fleet } from './fleet.ts';
import { ApiError, formList } from './protocol.ts';
import { pageOf, type QueryApi } from './query-page.ts';
import { hexId } from './random.ts';
import { ZONES } from './types.ts';
import { fields, items, type XmlValue } from './xml.ts';

export function autoScalingApi(fleet: Fleet): QueryApi {
  const groups = (): readonly ClusterModel[] =>
    [...fleet.clusters.values()].filter(({ facts }) => facts.autoScalingGroup !== null);
  return {
    DescribeAutoScalingGroups: (call, now) => {
      const names = formList(call.form, 'AutoScalingGroupNames.member');
      const found = groups().filter(({ facts }) => names.length === 0 || names.includes(facts.autoScalingGroup!));
      const { values, next } = pageOf(call, found, 'MaxRecords', 'NextToken', 50, 100);
      return {
        AutoScalingGroups: items('member', values, (cluster) => {
          const { facts } = cluster;
          const capacity = cluster.capacityAt(now);
          const wants = capacity === null || capacity.lacks === null ? 0 : 2;
          const gone = capacity?.lacks === 'instances';
          return {
            AutoScalingGroupName: facts.autoScalingGroup,
            AutoScalingGroupARN: `arn:aws:autoscaling:${call.region}:${ACCOUNT}:autoScalingGroup:${hexId(facts.cluster, 8)}:autoScalingGroupName/${facts.autoScalingGroup}`,
            MinSize: 2,
            MaxSize: capacity?.scalingFailure === null ? facts.instances : facts.maxInstances,
            DesiredCapacity:
              capacity?.scalingFailure === null
                ? facts.instances
                : Math.min(facts.maxInstances, facts.instances + wants),
            DefaultCooldown: 300,
            AvailabilityZones: items('member', ZONES, (zone) => `${call.region}${zone}`),
            HealthCheckType: 'EC2',
            HealthCheckGracePeriod: 300,
            Instances: items('member', gone ? [] : facts.instanceIds, (id) => ({
              InstanceId: id,
              InstanceType: 'm6i.xlarge',
              AvailabilityZone: `${call.region}${ZONES[facts.instanceIds.indexOf(id) % 3]}`,
              LifecycleState: 'InService',
              HealthStatus: 'Healthy',
              ProtectedFromScaleIn: false,
            })),
            CreatedTime: new Date(fleet.startedAt),
            VPCZoneIdentifier: 'subnet-0a,subnet-0b,subnet-0c',
            NewInstancesProtectedFromScaleIn: false,
          };
        }),
        NextToken: next,
      };
    },
    DescribeScalingActivities: (call, now) => {
      const name = call.form.get('AutoScalingGroupName');
      const found = groups()
        .filter(({ facts }) => name === null || facts.autoScalingGroup === name)
        .flatMap((cluster) => activitiesOf(cluster, fleet.startedAt, now));
      const { values, next } = pageOf(call, found, 'MaxRecords', 'NextToken', 100, 100);
      return { Activities: items('member', values, (activity) => activity), NextToken: next };
    },
  };
}

/** A failed launch every five minutes while there is no room, newest first; the last success before it. */
function activitiesOf(cluster: ClusterModel, startedAt: number, now: number): Readonly<Record<string, XmlValue>>[] {
  const { facts } = cluster;
  const activity = (at: number, status: string, message: string | null): Readonly<Record<string, XmlValue>> => ({
    ActivityId: hexId(`${facts.cluster}/${at}`, 32),
    AutoScalingGroupName: facts.autoScalingGroup,
    Description: 'Launching a new EC2 instance.',
    Cause: `At ${new Date(at).toISOString()} an instance was started in response to a difference between desired and actual capacity.`,
    StartTime: new Date(at),
    EndTime: new Date(at + 30_000),
    StatusCode: status,
    StatusMessage: message,
    Progress: 100,
  });
  const found = [activity(startedAt, 'Successful', null)];
  for (const { from, to, lacks, scalingFailure } of cluster.capacities) {
    if (lacks === null || scalingFailure === null) continue;
    const why =
      scalingFailure ??
      'We currently do not have sufficient m6i.xlarge capacity in the Availability Zone you requested. Launching EC2 instance failed.';
    for (let at = from + 60_000; at < Math.min(to, now); at += 300_000) found.push(activity(at, 'Failed', why));
  }
  return found.reverse();
}

/** Roles that may be assumed; null: any. */
export interface RoleRule {
  readonly roleArn: string;
  readonly externalId?: string;
}

export function stsApi(roles: readonly RoleRule[] | null, issue: () => string): QueryApi {
  return {
    AssumeRole: (call, now) => {
      const role = call.form.get('RoleArn') ?? '';
      const session = call.form.get('RoleSessionName') ?? '';
      if (!/^arn:aws:iam::\d{12}:role\/.+/.test(role)) {
        throw new ApiError('ValidationError', `${role} is invalid`);
      }
      const rule = roles?.find(({ roleArn }) => roleArn === role);
      const allowed =
        roles === null || (rule !== undefined && (rule.externalId ?? null) === call.form.get('ExternalId'));
      if (!allowed) {
        const message = `User: arn:aws:iam::${ACCOUNT}:user/runbookd is not authorized to perform: sts:AssumeRole on resource: ${role}`;
        throw new ApiError('AccessDenied', message, 403);
      }
      const seconds = Number(call.form.get('DurationSeconds') ?? 3_600);
      const accessKey = issue();
      return {
        Credentials: fields({
          AccessKeyId: accessKey,
          SecretAccessKey: hexId(`${accessKey}/secret`, 40),
          SessionToken: hexId(`${accessKey}/token`, 120),
          Expiration: new Date(now + seconds * 1_000),
        }),
        AssumedRoleUser: fields({
          AssumedRoleId: `AROA${hexId(role, 16).toUpperCase()}:${session}`,
          Arn: `${role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${session}`,
        }),
      };
    },
  };
}
