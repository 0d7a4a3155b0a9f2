/** RDS, ELBv2, EC2, Auto Scaling and STS: the query protocols. */

import { addressOf } from './api-ecs.ts';
import { ACCOUNT, type ClusterModel, type Fleet } from './fleet.ts';
import { page } from './paging.ts';
import { ApiError, type Call, formList } from './protocol.ts';
import { hexId } from './random.ts';
import type { ServiceModel } from './service-model.ts';
import { ZONES } from './types.ts';
import { fields, items, type XmlValue } from './xml.ts';

export type QueryApi = Readonly<Record<string, (call: Call, now: number) => Readonly<Record<string, XmlValue>>>>;

const DAY = 86_400_000;

function pageOf<T>(
  call: Call,
  values: readonly T[],
  sizeKey: string,
  tokenKey: string,
  usual: number,
  most: number,
  least = 1,
) {
  const { form } = call;
  const size = Number(form.get(sizeKey) ?? usual);
  if (!(size >= least && size <= most)) {
    throw new ApiError(
      'InvalidParameterValue',
      `${sizeKey} must be between ${least} and ${most}: ${form.get(sizeKey)}`,
    );
  }
  const request = [...form.entries()].filter(([key]) => key !== tokenKey);
  return page(
    values,
    size,
    request,
    form.get(tokenKey),
    () => new ApiError('InvalidParameterValue', `Invalid ${tokenKey}`),
  );
}

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

export function elbApi(fleet: Fleet): QueryApi {
  const groupArn = (region: string, model: ServiceModel): string =>
    `arn:aws:elasticloadbalancing:${region}:${ACCOUNT}:${model.facts.targetGroup}`;
  const balancerArn = (region: string, balancer: string): string =>
    `arn:aws:elasticloadbalancing:${region}:${ACCOUNT}:loadbalancer/${balancer}`;
  const models = (): readonly ServiceModel[] => [...fleet.services.values()];
  const noGroup = (): ApiError => new ApiError('TargetGroupNotFound', 'One or more target groups not found');
  const noBalancer = (what: string): ApiError =>
    new ApiError('LoadBalancerNotFound', `Load balancer '${what}' not found`);

  return {
    DescribeTargetGroups: (call) => {
      const { form, region } = call;
      const arns = formList(form, 'TargetGroupArns.member');
      const names = formList(form, 'Names.member');
      const balancer = form.get('LoadBalancerArn');
      const nameOf = (model: ServiceModel): string => model.facts.targetGroup.split('/')[1]!;
      let found = models();
      if (arns.length > 0) {
        found = arns.map((arn) => {
          const model = models().find((known) => groupArn(region, known) === arn);
          if (model === undefined) throw noGroup();
          return model;
        });
      } else if (names.length > 0) {
        found = names.map((name) => {
          const model = models().find((known) => nameOf(known) === name);
          if (model === undefined) throw noGroup();
          return model;
        });
      } else if (balancer !== null) {
        found = models().filter(({ facts }) => balancerArn(region, facts.loadBalancer) === balancer);
        if (found.length === 0) throw noBalancer(balancer);
      }
      const { values, next } = pageOf(call, found, 'PageSize', 'Marker', 400, 400);
      return {
        TargetGroups: items('member', values, (model) => ({
          TargetGroupArn: groupArn(region, model),
          TargetGroupName: nameOf(model),
          Protocol: 'HTTP',
          Port: model.facts.port,
          VpcId: 'vpc-0a1b2c3d4e5f60718',
          HealthCheckProtocol: 'HTTP',
          HealthCheckPort: 'traffic-port',
          HealthCheckEnabled: true,
          HealthCheckIntervalSeconds: 15,
          HealthCheckTimeoutSeconds: 5,
          HealthyThresholdCount: 2,
          UnhealthyThresholdCount: 3,
          HealthCheckPath: '/health',
          Matcher: fields({ HttpCode: '200' }),
          LoadBalancerArns: items('member', [balancerArn(region, model.facts.loadBalancer)], (arn) => arn),
          TargetType: 'ip',
          ProtocolVersion: 'HTTP1',
          IpAddressType: 'ipv4',
        })),
        NextMarker: next,
      };
    },
    DescribeTargetHealth: ({ form, region }, now) => {
      const model = models().find((known) => groupArn(region, known) === form.get('TargetGroupArn'));
      if (model === undefined) throw noGroup();
      const targets = model.machine
        .tasks(now, now + 1)
        .filter((task) => task.startedAt <= now && task.stoppedAt > now)
        .map((task) => ({ task, ...healthOf(model, task, now) }));
      return {
        TargetHealthDescriptions: items('member', targets, ({ task, state, reason, description }) => ({
          Target: fields({
            Id: addressOf(task),
            Port: model.facts.port,
            AvailabilityZone: `${region}${ZONES[task.zone]}`,
          }),
          HealthCheckPort: String(model.facts.port),
          TargetHealth: fields({ State: state, Reason: reason, Description: description }),
        })),
      };
    },
    DescribeLoadBalancerAttributes: ({ form, region }) => {
      const arn = form.get('LoadBalancerArn') ?? '';
      const model = models().find(({ facts }) => balancerArn(region, facts.loadBalancer) === arn);
      if (model === undefined) throw noBalancer(arn);
      const attributes = {
        'idle_timeout.timeout_seconds': String(model.facts.idleTimeoutSeconds),
        'deletion_protection.enabled': 'true',
        'routing.http2.enabled': 'true',
        'access_logs.s3.enabled': 'false',
      };
      return { Attributes: items('member', Object.entries(attributes), ([Key, Value]) => ({ Key, Value })) };
    },
  };
}

type Health = { readonly state: string; readonly reason: string | null; readonly description: string | null };

function healthOf(model: ServiceModel, task: Parameters<ServiceModel['memory']>[0], now: number): Health {
  if (task.stoppingAt <= now) {
    return {
      state: 'draining',
      reason: 'Target.DeregistrationInProgress',
      description: 'Target deregistration is in progress',
    };
  }
  const problem = model.machine.targetProblem(task, now);
  if (problem !== null) return { state: 'unhealthy', ...problem };
  if (task.healthyAt <= now) return { state: 'healthy', reason: null, description: null };
  if (now < task.startedAt + 5_000) {
    return {
      state: 'initial',
      reason: 'Elb.RegistrationInProgress',
      description: 'Target registration is in progress',
    };
  }
  return { state: 'initial', reason: 'Elb.InitialHealthChecking', description: 'Initial health checks in progress' };
}

export function ec2Api(fleet: Fleet): QueryApi {
  return {
    DescribeSecurityGroups: (call, now) => {
      const { form } = call;
      const wanted = formList(form, 'GroupId');
      const known = new Map([...fleet.databases.values()].map((model) => [model.facts.securityGroup, model] as const));
      for (const id of wanted) {
        if (!known.has(id)) throw new ApiError('InvalidGroup.NotFound', `The security group '${id}' does not exist`);
      }
      const found = [...known.entries()].filter(([id]) => wanted.length === 0 || wanted.includes(id));
      const { values, next } = pageOf(call, found, 'MaxResults', 'NextToken', 1_000, 1_000, 5);
      return {
        securityGroupInfo: items('item', values, ([id, model]) => {
          const sources = model.allows(now);
          const groups = sources.filter((source) => source.startsWith('sg-'));
          const prefixes = sources.filter((source) => source.startsWith('pl-'));
          const ranges = sources.filter((source) => source.includes('/') && !source.includes(':'));
          const ranges6 = sources.filter((source) => source.includes(':'));
          const rule = {
            ipProtocol: 'tcp',
            fromPort: model.facts.port,
            toPort: model.facts.port,
            groups: items('item', groups, (groupId) => ({ groupId, userId: ACCOUNT })),
            ipRanges: items('item', ranges, (cidrIp) => ({
              cidrIp,
              description: 'the services & their <deploy hosts>',
            })),
            ipv6Ranges: items('item', ranges6, (cidrIpv6) => ({ cidrIpv6 })),
            prefixListIds: items('item', prefixes, (prefixListId) => ({ prefixListId })),
          };
          const everything = {
            ipProtocol: '-1',
            groups: items('item', [], () => ''),
            ipRanges: items('item', ['0.0.0.0/0'], (cidrIp) => ({ cidrIp })),
          };
          return {
            ownerId: ACCOUNT,
            groupId: id,
            groupName: `${model.facts.instance}-db`,
            groupDescription: 'access to the database',
            vpcId: 'vpc-0a1b2c3d4e5f60718',
            ipPermissions: items('item', sources.length === 0 ? [] : [rule], (permission) => permission),
            ipPermissionsEgress: items('item', [everything], (permission) => permission),
          };
        }),
        nextToken: next,
      };
    },
  };
}

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
