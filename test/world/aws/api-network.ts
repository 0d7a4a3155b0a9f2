/** Load balancers (ELBv2) and security groups (EC2). */

import type { Task } from './ecs-orders.ts';
import { addressOf } from './ecs-views.ts';
import { ACCOUNT, type Fleet } from './fleet.ts';
import { ApiError, formList } from './protocol.ts';
import { pageOf, type QueryApi } from './query-page.ts';
import type { ServiceModel } from './service-model.ts';
import { ZONES } from './types.ts';
import { fields, items } from './xml.ts';

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

function healthOf(model: ServiceModel, task: Task, now: number): Health {
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
