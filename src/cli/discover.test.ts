import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../config/index.ts';
import type { AwsAccount } from '../sources/aws/calls.ts';
import { discover } from './discover.ts';
import { createOutput } from './output.ts';
import { type Answers, type FakeAws, fakeAws, fakeIo, noCredentials, refuse } from './testdata.ts';

const ARN = 'arn:aws:elasticloadbalancing:us-east-1:123456789012';
const API = {
  serviceName: 'api-service',
  status: 'ACTIVE',
  taskDefinition: 'arn:aws:ecs:us-east-1:123456789012:task-definition/api:512',
  loadBalancers: [{ targetGroupArn: `${ARN}:targetgroup/api/fedcba9876543210`, containerName: 'web' }],
};
const SERVICES = [
  API,
  { serviceName: 'Api_Service', status: 'ACTIVE', loadBalancers: [] },
  {
    serviceName: '123',
    status: 'ACTIVE',
    loadBalancers: [{ targetGroupArn: `${ARN}:targetgroup/tcp/0000000000000000` }],
  },
  { serviceName: 'old', status: 'DRAINING' },
];
const CLUSTER: Answers = {
  'ecs:ListServices': () => ({ serviceArns: SERVICES.map(({ serviceName }) => `arn:${serviceName}`) }),
  'ecs:DescribeServices': () => ({ services: [...SERVICES].reverse() }),
  'elasticloadbalancing:DescribeTargetGroups': () => ({
    TargetGroups: [
      {
        TargetGroupArn: `${ARN}:targetgroup/api/fedcba9876543210`,
        LoadBalancerArns: [`${ARN}:loadbalancer/app/rastup/0123456789abcdef`],
        HealthCheckPath: '/ready',
      },
      {
        TargetGroupArn: `${ARN}:targetgroup/tcp/0000000000000000`,
        LoadBalancerArns: [`${ARN}:loadbalancer/net/tcp/0123456789abcdef`],
      },
    ],
  }),
};

function write(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'runbookd-discover-')), 'runbookd.yaml');
  writeFileSync(path, text);
  return path;
}

interface Run {
  readonly answers?: Answers;
  readonly config?: string;
  readonly region?: string;
  readonly account?: string;
  readonly json?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly cluster?: string;
}

async function run({ answers = CLUSTER, config, env = {}, cluster = 'rastup-prod', ...options }: Run) {
  const io = fakeIo(env);
  let aws: FakeAws | null = null;
  const create = async (account: AwsAccount) => {
    aws = fakeAws(answers, account);
    return aws;
  };
  const path = config === undefined ? {} : { config: write(config) };
  const code = await discover({ cluster, ...path, ...options }, io, createOutput(io), create);
  return { code, out: io.out(), err: io.err(), aws: aws as FakeAws | null };
}

test('the services of a cluster, ready to be pasted', async () => {
  const { code, out, err, aws } = await run({ region: 'us-east-1' });
  expect(out).toBe(`# 3 services on the ECS cluster rastup-prod in us-east-1
# old is left out: it is DRAINING
aws:
  region: us-east-1
services:
  service:
    ecs:
      cluster: rastup-prod
      service: '123'
    # logs: /aws/ecs/rastup-prod/123   # a guess: look it up
    # dependsOn: []
  api:
    ecs:
      cluster: rastup-prod
      service: Api_Service
    # logs: /aws/ecs/rastup-prod/Api_Service   # a guess: look it up
    # dependsOn: []
  api-2:
    ecs:
      cluster: rastup-prod
      service: api-service
    alb:
      loadBalancer: app/rastup/0123456789abcdef
      targetGroup: targetgroup/api/fedcba9876543210
    # logs: /aws/ecs/rastup-prod/api-service   # a guess: look it up
    # health: { live: https://HOST/ready }
    # dependsOn: []
`);
  expect([code, err, aws?.closed()]).toEqual([0, '', true]);
  const config = loadConfig({ path: write(out), env: {} });
  expect(Object.keys(config.services)).toEqual(['service', 'api', 'api-2']);
  expect(config.services.service?.ecs?.service).toBe('123');
});

test('what is guessed is valid too, once its mark is taken away', async () => {
  const { out } = await run({ region: 'us-east-1' });
  const config = loadConfig({ path: write(out.replace(/^( +)# (logs|health|dependsOn)/gm, '$1$2')), env: {} });
  expect(config.services['api-2']?.logs?.group).toBe('/aws/ecs/rastup-prod/api-service');
});

describe('beside a configuration', () => {
  const CONFIG = `aws: { region: us-east-1, accounts: { eu: { region: eu-west-1, roleArn: 'arn:aws:iam::123456789012:role/r' } } }
services: { api: { ecs: { cluster: rastup-prod, service: api-service } } }
dependencies: { service: { hosts: [a] } }`;

  /** As a second file of the same directory would add them. */
  function pasted(out: string, config: string) {
    const directory = mkdtempSync(join(tmpdir(), 'runbookd-discover-'));
    writeFileSync(join(directory, '10.yaml'), config);
    writeFileSync(join(directory, '20.yaml'), out);
    return loadConfig({ path: directory, env: {} });
  }

  test('only what is not watched yet is printed, under names that are free', async () => {
    const { out } = await run({ config: CONFIG });
    expect(out).toContain('# api-service is watched already, as api\n');
    expect(out).not.toContain('aws:');
    const { services } = pasted(out, CONFIG);
    expect(Object.keys(services)).toEqual(['api', 'service-2', 'api-2']);
    expect(services.api?.ecs?.service).toBe('api-service');
  });

  test('services of another account say so', async () => {
    const { out, aws } = await run({ config: CONFIG, account: 'eu' });
    expect(aws?.account).toMatchObject({
      name: 'eu',
      region: 'eu-west-1',
      roleArn: 'arn:aws:iam::123456789012:role/r',
    });
    expect(pasted(out, CONFIG).services['api-2']?.account).toBe('eu');
  });

  test('another region becomes an account of its own', async () => {
    const { out, aws } = await run({ config: CONFIG, account: 'eu', region: 'us-west-2' });
    expect(aws?.account).toMatchObject({ region: 'us-west-2', roleArn: 'arn:aws:iam::123456789012:role/r' });
    const { services, aws: configured } = pasted(out, CONFIG);
    expect(services['api-2']?.account).toBe('eu-us-west-2');
    expect(configured?.accounts['eu-us-west-2']).toMatchObject({
      region: 'us-west-2',
      roleArn: 'arn:aws:iam::123456789012:role/r',
    });
  });

  test('without any target it will do', async () => {
    expect((await run({ config: 'aws: { region: us-east-1 }' })).code).toBe(0);
  });

  test('task definitions give log groups where they may be read, and nothing else of them is shown', async () => {
    const taskDefinition = {
      containerDefinitions: [
        { name: 'sidecar', logConfiguration: { logDriver: 'awslogs', options: { 'awslogs-group': '/ecs/sidecar' } } },
        {
          name: 'web',
          environment: [{ name: 'PASSWORD', value: 'canary-hunter2' }],
          logConfiguration: { logDriver: 'awslogs', options: { 'awslogs-group': '/ecs/web' } },
        },
      ],
    };
    const answers: Answers = { ...CLUSTER, 'ecs:DescribeTaskDefinition': () => ({ taskDefinition }) };
    const { out } = await run({ config: 'aws: { region: us-east-1, taskDefinitions: true }', answers });
    expect(out).toContain('    logs: /ecs/web\n');
    expect(out).not.toContain('canary');
  });
});

test('as JSON', async () => {
  const { out } = await run({ region: 'us-east-1', json: true });
  const found = JSON.parse(out);
  expect(found).toMatchObject({
    cluster: 'rastup-prod',
    region: 'us-east-1',
    account: 'default',
    watched: {},
    skipped: [{ service: 'old', because: 'it is DRAINING' }],
    refused: [],
    more: false,
  });
  expect(found.services['api-2']).toEqual({
    ecs: { cluster: 'rastup-prod', service: 'api-service' },
    alb: { loadBalancer: 'app/rastup/0123456789abcdef', targetGroup: 'targetgroup/api/fedcba9876543210' },
  });
});

test('a cluster by its ARN brings its region along', async () => {
  const { aws } = await run({ cluster: 'arn:aws:ecs:eu-west-1:123456789012:cluster/rastup-prod' });
  expect(aws?.account.region).toBe('eu-west-1');
  expect(aws?.calls[0]?.input).toMatchObject({ cluster: 'rastup-prod' });
});

test('all pages are read, ten services a call, and what is beyond a thousand is said', async () => {
  const serviceArns = Array.from({ length: 100 }, (_, index) => `arn:${index}`);
  const answers: Answers = { 'ecs:ListServices': () => ({ serviceArns, nextToken: 'more' }) };
  const { aws, out } = await run({ region: 'us-east-1', answers });
  expect(aws?.calls.filter(({ action }) => action === 'ecs:ListServices')).toHaveLength(10);
  expect(aws?.calls.filter(({ action }) => action === 'ecs:DescribeServices')).toHaveLength(100);
  expect(out).toBe(
    '# 0 services on the ECS cluster rastup-prod in us-east-1\n# there are more; only the first 1000 were read\n',
  );
});

describe('what cannot be seen', () => {
  test('of load balancers is left out and said, with the permission', async () => {
    const action = 'elasticloadbalancing:DescribeTargetGroups';
    const answers = { ...CLUSTER, [action]: refuse(action, 'AccessDenied') };
    const { code, out, err } = await run({ region: 'us-east-1', answers });
    expect(code).toBe(3);
    expect(out).not.toContain('alb:');
    expect(err).toBe(
      `runbookd: load balancers were left out: AWS us-east-1: ${action} is denied; to see them: iam: allow ${action}\n`,
    );
    expect(Object.keys(loadConfig({ path: write(out), env: {} }).services)).toHaveLength(3);
  });

  test.each([
    [
      'the services',
      refuse('ecs:ListServices', 'AccessDeniedException'),
      /ecs:ListServices is denied; to see it: iam: allow/,
    ],
    [
      'anything, without credentials',
      noCredentials,
      /no valid AWS credentials: .*; to see it: give runbookd credentials/,
    ],
  ])('%s exits 3', async (_, answer, says) => {
    const { code, out, err, aws } = await run({ region: 'us-east-1', answers: { 'ecs:ListServices': answer } });
    expect([code, out, aws?.closed()]).toEqual([3, '', true]);
    expect(err).toMatch(says);
  });

  test('a cluster that is not there is wrong usage', async () => {
    const answers = { 'ecs:ListServices': refuse('ecs:ListServices', 'ClusterNotFoundException') };
    await expect(run({ region: 'us-east-1', answers })).rejects.toMatchObject({ code: 'AWS_NOT_FOUND' });
  });
});

test.each<[string, Run, string]>([
  [
    'a cluster that is no name',
    { cluster: 'a b' },
    '--discover: found "a b", expected the name of an ECS cluster, or its ARN',
  ],
  ['no region', {}, '--region: no region is known; add --region us-east-1, or set AWS_REGION, or aws.region'],
  [
    'a region that is none',
    { region: 'us-east-1a' },
    '--region: found "us-east-1a", expected a region such as us-east-1',
  ],
  [
    'an account that is not configured',
    { region: 'us-east-1', account: 'eu' },
    '--account: found "eu", expected a name of aws.accounts: default',
  ],
])('%s is wrong usage', async (_, options, message) => {
  await expect(run(options)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message });
});
