/**
 * The IAM policy of runbookd, made of the actions that it calls. Actions that know no resource are bounded by the region.
 * Resources and conditions: AWS' Service Authorization Reference.
 */

import { ACTION_NAMES, AWS_ACTIONS, type Sid } from './actions.ts';
import type { AwsAction } from './calls.ts';

export interface PolicyScope {
  /** `aws`, `aws-cn`, `aws-us-gov`. */
  readonly partition?: string;
  /** Of twelve digits. */
  readonly accountId?: string;
  readonly regions?: readonly string[];
  readonly clusters?: readonly string[];
  readonly logGroups?: readonly string[];
  readonly functions?: readonly string[];
  /** Dead-letter queues too. */
  readonly queues?: readonly string[];
  /** Whether `aws.taskDefinitions` is set. Default false. */
  readonly taskDefinitions?: boolean;
  /** Roles of other accounts that runbookd takes on; they need the rest of the policy, and a trust policy. */
  readonly roleArns?: readonly string[];
}

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

export interface PolicyDocument {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

/** What is not given is a placeholder in capitals; an empty list leaves the statement out. */
export function iamPolicy(scope: PolicyScope): PolicyDocument {
  const statements = [...Map.groupBy(ACTION_NAMES, (name) => AWS_ACTIONS[name].sid)]
    .filter(([sid]) => sid !== 'EcsTaskDefinitions' || scope.taskDefinitions === true)
    .flatMap(([sid, actions]) => statement(sid, actions, scope));
  return { Version: '2012-10-17', Statement: [...statements, ...assumeRole(scope.roleArns ?? [])] };
}

function statement(sid: Sid, actions: readonly AwsAction[], scope: PolicyScope): readonly Statement[] {
  const {
    partition = 'aws',
    accountId = 'ACCOUNT_ID',
    regions = ['REGION'],
    clusters = ['CLUSTER'],
    logGroups = ['LOG_GROUP'],
    functions = ['FUNCTION'],
    queues = ['QUEUE'],
  } = scope;
  const arns = (service: string, names: readonly string[]): readonly string[] =>
    regions.flatMap((region) => names.map((name) => `arn:${partition}:${service}:${region}:${accountId}:${name}`));
  const on = (Resource: readonly string[]): readonly Statement[] =>
    Resource.length === 0 ? [] : [{ Sid: sid, Effect: 'Allow', Action: actions, Resource }];
  const anywhere = (Condition: NonNullable<Statement['Condition']>): readonly Statement[] => [
    { Sid: sid, Effect: 'Allow', Action: actions, Resource: '*', Condition },
  ];
  switch (sid) {
    case 'EcsList':
      if (clusters.length === 0) return [];
      return anywhere({
        ArnEquals: {
          'ecs:cluster': arns(
            'ecs',
            clusters.map((name) => `cluster/${name}`),
          ),
        },
      });
    case 'EcsRead': {
      const kinds = ['cluster/%', 'service/%/*', 'task/%/*', 'container-instance/%/*', 'service-deployment/%/*/*'];
      return on(
        arns(
          'ecs',
          clusters.flatMap((name) => kinds.map((kind) => kind.replace('%', name))),
        ),
      );
    }
    case 'Logs':
      return on(
        arns(
          'logs',
          logGroups.map((name) => `log-group:${name}:*`),
        ),
      );
    case 'Functions':
      return on(
        arns(
          'lambda',
          functions.map((name) => `function:${name}`),
        ),
      );
    case 'Queues':
      return on(arns('sqs', queues));
    default:
      return anywhere({ StringEquals: { 'aws:RequestedRegion': regions } });
  }
}

function assumeRole(roleArns: readonly string[]): readonly Statement[] {
  if (roleArns.length === 0) return [];
  return [{ Sid: 'OtherAccounts', Effect: 'Allow', Action: ['sts:AssumeRole'], Resource: roleArns }];
}
