/** The vendor's unmodified clients against the endpoint, for tests of this world. */

import { AutoScalingClient } from '@aws-sdk/client-auto-scaling';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { EC2Client } from '@aws-sdk/client-ec2';
import { ECSClient } from '@aws-sdk/client-ecs';
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { RDSClient } from '@aws-sdk/client-rds';
import { SQSClient } from '@aws-sdk/client-sqs';

export function awsClients(endpoint: string, accessKeyId = 'AKIAIOSFODNN7EXAMPLE', region = 'us-east-1') {
  const config = {
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey: 'not-a-secret' },
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 5_000, throwOnRequestTimeout: true },
  };
  return {
    cloudwatch: new CloudWatchClient(config),
    ecs: new ECSClient(config),
    logs: new CloudWatchLogsClient(config),
    rds: new RDSClient(config),
    elb: new ElasticLoadBalancingV2Client(config),
    ec2: new EC2Client(config),
    autoScaling: new AutoScalingClient(config),
    lambda: new LambdaClient(config),
    sqs: new SQSClient(config),
  };
}
