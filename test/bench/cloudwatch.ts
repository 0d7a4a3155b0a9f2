/**
 * A CloudWatch that answers at once, as a process of its own so that what it costs is not counted: GetMetricData and
 * ListMetrics in the JSON protocol, values that are cheap to make. Prints its port. For measuring the daemon, not for truth.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Query {
  readonly Id: string;
  readonly MetricStat: { readonly Period: number; readonly Metric: { readonly MetricName: string } };
}

const ZONES = ['us-east-1a', 'us-east-1b'];

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Readonly<Record<string, unknown>>;
    const target = String(request.headers['x-amz-target']).split('.')[1];
    const answer = target === 'ListMetrics' ? listMetrics(body) : metricData(body);
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-requestid': 'r' });
    response.end(JSON.stringify(answer));
  });
});

function metricData(body: Readonly<Record<string, unknown>>): unknown {
  const queries = body.MetricDataQueries as readonly Query[];
  const [from, to] = [Number(body.StartTime), Number(body.EndTime)];
  const results = queries.map(({ Id, MetricStat: { Period, Metric } }, index) => {
    const Timestamps: number[] = [];
    const Values: number[] = [];
    for (let at = Math.ceil(from / Period) * Period; at < to; at += Period) {
      Timestamps.push(at);
      Values.push(sampleOf(Metric.MetricName, at, index) * (/Count$/.test(Metric.MetricName) ? Period / 60 : 1));
    }
    return { Id, Label: Id, StatusCode: 'Complete', Timestamps, Values };
  });
  return { MetricDataResults: results, Messages: [] };
}

function sampleOf(metric: string, at: number, index: number): number {
  const noise = ((at / 60 + index * 31) * 2_654_435_761) % 1000;
  if (metric === 'RequestCount') return 1000 + (Math.abs(noise) % 60);
  if (metric === 'TargetResponseTime') return 0.2 + (Math.abs(noise) % 20) / 1000;
  return metric === 'HealthyHostCount' ? 4 : 0;
}

function listMetrics({ Dimensions = [] }: { readonly Dimensions?: unknown }): unknown {
  const given = (Dimensions as readonly { readonly Name: string; readonly Value?: string }[]).filter(
    (one) => one.Value !== undefined,
  );
  const Metrics = ZONES.map((zone) => ({
    Namespace: 'AWS/ApplicationELB',
    MetricName: 'RequestCount',
    Dimensions: [...given, { Name: 'AvailabilityZone', Value: zone }],
  }));
  return { Metrics };
}

server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
