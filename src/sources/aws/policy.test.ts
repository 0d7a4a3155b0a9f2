import { describe, expect, test } from 'vitest';
import { ACTION_NAMES, AWS_ACTIONS } from './actions.ts';
import { AWS_COMMANDS } from './commands.ts';
import { iamPolicy } from './policy.ts';

describe('the IAM policy', () => {
  const all = iamPolicy({ taskDefinitions: true });

  test('allows every action that can be called, once, and nothing else', () => {
    const allowed = all.Statement.flatMap((statement) => statement.Action);
    expect(allowed.toSorted()).toEqual(Object.keys(AWS_COMMANDS).toSorted());
  });

  test('only reads', () => {
    for (const name of ACTION_NAMES) expect(name).toMatch(/:(Describe|List|Get|Filter)/);
  });

  test('has a resource or a condition in every statement', () => {
    for (const { Resource, Condition } of all.Statement) {
      expect(Resource === '*' ? Condition : Resource).toBeDefined();
    }
    expect(new Set(all.Statement.map(({ Sid }) => Sid)).size).toBe(all.Statement.length);
    for (const { Sid } of all.Statement) expect(Sid).toMatch(/^[A-Za-z0-9]+$/);
  });

  test('leaves task definitions out unless they are configured', () => {
    const allowed = iamPolicy({}).Statement.flatMap((statement) => statement.Action);
    expect(allowed).not.toContain('ecs:DescribeTaskDefinition');
    expect(AWS_ACTIONS['ecs:DescribeTaskDefinition'].optional).toBe(true);
  });

  test('names what it is given, in every region', () => {
    const { Statement } = iamPolicy({
      partition: 'aws-cn',
      accountId: '123456789012',
      regions: ['cn-north-1', 'cn-northwest-1'],
      clusters: ['prod'],
      queues: ['messages', 'messages-dlq'],
      functions: [],
      roleArns: ['arn:aws-cn:iam::210987654321:role/runbookd'],
    });
    const of = (sid: string) => Statement.find(({ Sid }) => Sid === sid);
    expect(of('EcsList')?.Condition).toEqual({
      ArnEquals: {
        'ecs:cluster': [
          'arn:aws-cn:ecs:cn-north-1:123456789012:cluster/prod',
          'arn:aws-cn:ecs:cn-northwest-1:123456789012:cluster/prod',
        ],
      },
    });
    // The shape of AWS' own example: Amazon ECS developer guide, "Permissions required for viewing service deployments".
    expect(of('EcsRead')?.Resource).toContain('arn:aws-cn:ecs:cn-north-1:123456789012:service-deployment/prod/*/*');
    expect(of('Queues')?.Resource).toHaveLength(4);
    expect(of('Functions')).toBeUndefined();
    expect(of('Metrics')?.Condition).toEqual({
      StringEquals: { 'aws:RequestedRegion': ['cn-north-1', 'cn-northwest-1'] },
    });
    expect(Statement.at(-1)).toEqual({
      Sid: 'OtherAccounts',
      Effect: 'Allow',
      Action: ['sts:AssumeRole'],
      Resource: ['arn:aws-cn:iam::210987654321:role/runbookd'],
    });
  });
});
