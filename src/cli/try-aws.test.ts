import { describe, expect, test } from 'vitest';
import { ACTION_NAMES } from '../sources/aws/actions.ts';
import { callLines, costLines } from './check-aws.ts';
import { ACCOUNT, type Answers, configFromText, fakeAws, noCredentials, refuse } from './testdata.ts';
import { tryAccount, watchedIn } from './try-aws.ts';

const NOW = Date.UTC(2026, 10, 23, 14, 5, 0);
const GROUP = 'arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/fedcba9876543210';
const BALANCER = 'arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/rastup/0123456789abcdef';

const FULL = `
aws: { region: us-east-1, taskDefinitions: true, accounts: { eu: { region: eu-west-1 } } }
services:
  api:
    ecs: { cluster: rastup-prod, service: api-service }
    alb: { loadBalancer: app/rastup/0123456789abcdef, targetGroup: targetgroup/api/fedcba9876543210 }
    logs: /aws/ecs/rastup-prod/api-service
databases: { main-db: { url: 'postgres://m@db/app', rds: rastup-prod } }
queues: { messages: { sqs: rastup-messages, consumer: { lambda: worker } }, eu: { sqs: eu-messages, account: eu } }
`;

const GOOD: Answers = {
  'ecs:DescribeServices': () => ({ services: [{ taskDefinition: 'arn:td:7' }] }),
  'ecs:ListServiceDeployments': () => ({ serviceDeployments: [{ serviceDeploymentArn: 'arn:sd' }] }),
  'elasticloadbalancing:DescribeTargetGroups': () => ({
    TargetGroups: [{ TargetGroupArn: GROUP, LoadBalancerArns: [BALANCER] }],
  }),
  'rds:DescribeDBInstances': () => ({ DBInstances: [{ VpcSecurityGroups: [{ VpcSecurityGroupId: 'sg-1' }] }] }),
  'sqs:GetQueueUrl': () => ({ QueueUrl: 'https://sqs/1/q' }),
};

async function tried(answers: Answers, text = FULL, account = 'default') {
  const aws = fakeAws(answers);
  const results = await tryAccount(watchedIn(configFromText(text), account), aws, NOW, AbortSignal.timeout(5000));
  return { aws, results };
}

describe('every call that is needed', () => {
  test('is made once, in its cheapest form, where all is watched', async () => {
    const { aws, results } = await tried(GOOD);
    const needed = ACTION_NAMES.filter((name) => name !== 'ecs:ListServices');
    expect(results.map(({ action }) => action)).toEqual([...needed].sort());
    expect(aws.calls.map(({ action }) => action).sort()).toEqual([...needed].sort());
    expect(results.every(({ outcome }) => outcome === 'allowed')).toBe(true);
    const input = new Map(aws.calls.map((call) => [call.action, call.input]));
    expect(input.get('elasticloadbalancing:DescribeTargetGroups')).toEqual({ Names: ['api'] });
    expect(input.get('elasticloadbalancing:DescribeTargetHealth')).toEqual({ TargetGroupArn: GROUP });
    expect(input.get('elasticloadbalancing:DescribeLoadBalancerAttributes')).toEqual({ LoadBalancerArn: BALANCER });
    expect(input.get('ec2:DescribeSecurityGroups')).toEqual({ GroupIds: ['sg-1'] });
    expect(input.get('sqs:GetQueueAttributes')).toMatchObject({ QueueUrl: 'https://sqs/1/q' });
    expect(input.get('logs:FilterLogEvents')).toMatchObject({ limit: 1, endTime: NOW });
    expect(input.get('cloudwatch:GetMetricData')).toMatchObject({ MetricDataQueries: [{ Id: 'm' }] });
  });

  test('is only what the account is needed for', async () => {
    const { results } = await tried(GOOD, FULL, 'eu');
    expect(results.map(({ action }) => action)).toEqual([
      'cloudwatch:GetMetricData',
      'cloudwatch:ListMetrics',
      'sqs:GetQueueAttributes',
      'sqs:GetQueueUrl',
    ]);
    const logs = 'aws: { region: us-east-1 }\nservices: { a: { health: { live: "http://a/" }, logs: /a } }';
    expect((await tried(GOOD, logs)).results.map(({ action }) => action)).toEqual(['logs:FilterLogEvents']);
  });

  test('leaves task definitions alone unless they may be read', async () => {
    const { results } = await tried(GOOD, FULL.replace(', taskDefinitions: true', ''));
    expect(results.map(({ action }) => action)).not.toContain('ecs:DescribeTaskDefinition');
  });

  test('says what could not be tried, because what comes before it gave nothing', async () => {
    const { results } = await tried({
      'elasticloadbalancing:DescribeTargetGroups': refuse('elasticloadbalancing:DescribeTargetGroups', 'AccessDenied'),
    });
    expect(results.filter(({ outcome }) => outcome === 'untried').map(({ action }) => action)).toEqual([
      'ec2:DescribeSecurityGroups',
      'ecs:DescribeServiceDeployments',
      'ecs:DescribeTaskDefinition',
      'elasticloadbalancing:DescribeLoadBalancerAttributes',
      'elasticloadbalancing:DescribeTargetHealth',
      'sqs:GetQueueAttributes',
    ]);
    expect(results.filter(({ outcome }) => outcome === 'failed')).toHaveLength(1);
  });
});

describe('in lines', () => {
  const lines = async (answers: Answers) => callLines(ACCOUNT, (await tried({ ...GOOD, ...answers })).results);

  test('all that works is one', async () => {
    expect(await lines({})).toEqual([
      { target: 'AWS us-east-1', state: 'ok', what: 'calls', detail: '25 of 25 work', grant: null },
    ]);
  });

  test.each([
    [
      'a call that is needed leaves us blind',
      'ecs:ListTasks',
      'AccessDeniedException',
      { state: 'blind', detail: 'denied; hides service-crashed, bad-task', grant: 'iam: allow ecs:ListTasks' },
    ],
    [
      'a call that we can do without does not',
      'lambda:GetAccountSettings',
      'AccessDeniedException',
      { state: 'none', detail: 'denied; hides queue-backlog', grant: 'iam: allow lambda:GetAccountSettings' },
    ],
    [
      'a thing that is not there is a wrong name',
      'rds:DescribeEvents',
      'DBInstanceNotFoundFault',
      { state: 'failed', grant: 'check the name, the account and the region in the configuration' },
    ],
    ['a deadline', 'sqs:GetQueueUrl', 'TimeoutError', { state: 'failed', grant: null }],
  ] as const)('%s', async (_, action, kind, expected) => {
    const [summary, ...others] = await lines({ [action]: refuse(action, kind) });
    expect(summary).toMatchObject({ state: 'ok', what: 'calls' });
    expect(others).toMatchObject([{ target: 'AWS us-east-1', what: action, ...expected }]);
  });

  test('an endpoint that refuses everything is one', async () => {
    const all = Object.fromEntries(ACTION_NAMES.map((name) => [name, refuse(name, 'ECONNREFUSED')]));
    const [only, ...others] = await lines(all);
    expect(only).toMatchObject({
      state: 'failed',
      what: 'calls',
      detail: 'none of 25 works: the connection was refused (ECONNREFUSED)',
    });
    expect(others).toEqual([]);
  });

  test('no credentials are said once', async () => {
    const all = Object.fromEntries(ACTION_NAMES.map((name) => [name, noCredentials]));
    expect(await lines(all)).toEqual([
      {
        target: 'AWS us-east-1',
        state: 'failed',
        what: 'credentials',
        detail: 'no valid AWS credentials: Could not load credentials from any providers',
        grant: expect.stringContaining('default chain'),
      },
    ]);
  });
});

describe('the costs', () => {
  const costs = {
    series: 40,
    usdPerMonth: 17.28,
    pollSeconds: 60,
    budgetUsdPerMonth: 50,
    stretched: false,
    overBudget: false,
  };
  test.each([
    ['none without metrics', [], []],
    ['of one account', [costs], [['ok', '40 series every 60 s are about $17.28 of $50 a month']]],
    [
      'of two',
      [costs, { ...costs, series: 2, usdPerMonth: 0.5 }],
      [['ok', '42 series every 60 s are about $17.78 of $50 a month']],
    ],
    [
      'that are kept down',
      [{ ...costs, pollSeconds: 180, stretched: true }],
      [
        [
          'none',
          '40 series every 180 s are about $17.28 of $50 a month; read less often to stay within aws.budgetUsdPerMonth',
        ],
      ],
    ],
    [
      'that cannot be kept down',
      [{ ...costs, usdPerMonth: 80, stretched: true, overBudget: true }],
      [
        [
          'none',
          '40 series every 60 s are about $80.00 of $50 a month, more than aws.budgetUsdPerMonth though read as seldom as possible: watch less',
        ],
      ],
    ],
  ])('%s', (_, all, expected) => {
    expect(costLines(all, 50).map(({ state, detail }) => [state, detail])).toEqual(expected);
  });
});
