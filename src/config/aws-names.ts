/** Names of things in AWS: their patterns, and what is left of an ARN where people write the whole of one. */

/** `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`. */
export const REGION_PATTERN = /^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$/;

/** IAM's own limits: path and name together, and the characters of `sts:ExternalId`. */
export const ROLE_ARN_PATTERN = /^arn:aws[a-z-]*:iam::[0-9]{12}:role\/[A-Za-z0-9+=,.@_/-]{1,576}$/;
export const EXTERNAL_ID_PATTERN = /^[A-Za-z0-9+=,.@:/_-]{2,1224}$/;

/** Periods that CloudWatch has, up to five minutes: MetricStat in its API reference. Below 60 only high-resolution metrics have values. */
export const PERIODS: readonly number[] = [1, 5, 10, 20, 30, 60, 120, 180, 240, 300];

/** `Sum`, `p99.9`… as MetricStat takes them. */
export const PLAIN_STATISTICS = ['Sum', 'Average', 'Minimum', 'Maximum', 'SampleCount'] as const;
export const STATISTIC_PATTERN =
  /^(Sum|Average|Minimum|Maximum|SampleCount|p(100|[1-9][0-9]?(\.[0-9]{1,10})?|0\.[0-9]{1,10}))$/;

const ECS = '[A-Za-z0-9_][A-Za-z0-9_-]{0,254}';
const ARN = 'arn:aws[a-z-]*';
const REGION_AND_ACCOUNT = '([a-z0-9-]+):[0-9]{12}';

export interface AwsNameForm {
  /** Matches what may be written: the name, or an ARN (or URL) that ends with it. */
  readonly pattern: RegExp;
  readonly expected: string;
}

/** `name` is what the program uses: the last group of the pattern. The region is the ARN's, where it has one. */
function form(name: string, arn: string, expected: string): AwsNameForm {
  return { pattern: new RegExp(`^(?:${arn})?(${name})$`), expected };
}

export const AWS_NAMES = {
  cluster: form(ECS, `${ARN}:ecs:${REGION_AND_ACCOUNT}:cluster/`, 'the name of an ECS cluster, or its ARN'),
  ecsService: form(
    ECS,
    `${ARN}:ecs:${REGION_AND_ACCOUNT}:service/(?:${ECS}/)?`,
    'the name of an ECS service, or its ARN',
  ),
  loadBalancer: form(
    'app/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}',
    `${ARN}:elasticloadbalancing:${REGION_AND_ACCOUNT}:loadbalancer/`,
    'app/NAME/0123456789abcdef of an Application Load Balancer, or its ARN',
  ),
  targetGroup: form(
    'targetgroup/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}',
    `${ARN}:elasticloadbalancing:${REGION_AND_ACCOUNT}:`,
    'targetgroup/NAME/0123456789abcdef, or its ARN',
  ),
  queue: form(
    '[A-Za-z0-9_-]{1,75}(?:[A-Za-z0-9_-]{0,5}|\\.fifo)',
    `${ARN}:sqs:${REGION_AND_ACCOUNT}:|https://sqs\\.([a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/[0-9]{12}/`,
    'the name of an SQS queue, its ARN or its URL',
  ),
  lambda: {
    // The function itself: metrics and limits are its own, whatever version or alias the queue calls.
    pattern: new RegExp(`^(?:${ARN}:lambda:${REGION_AND_ACCOUNT}:function:)?([A-Za-z0-9_-]{1,64})$`),
    expected: 'the name of a Lambda function, or its ARN without version',
  },
  logGroup: {
    // The console copies the ARN of a log group with `:*` at its end.
    pattern: new RegExp(`^(?:${ARN}:logs:${REGION_AND_ACCOUNT}:log-group:)?([A-Za-z0-9_/.#-]{1,512})(?::\\*)?$`),
    expected: 'the name of a log group such as /aws/ecs/cluster/service, or its ARN',
  },
} as const satisfies Record<string, AwsNameForm>;

export interface AwsName {
  readonly name: string;
  /** Of the ARN or URL; null when only the name is written. */
  readonly region: string | null;
}

/** `text` must match the form's pattern. */
export function readAwsName({ pattern }: AwsNameForm, text: string): AwsName {
  const groups = (pattern.exec(text) ?? [text, text]).slice(1);
  const name = groups.at(-1) ?? text;
  return { name, region: groups.slice(0, -1).find((group) => group !== undefined) ?? null };
}
