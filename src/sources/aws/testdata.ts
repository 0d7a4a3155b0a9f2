/** For tests: an endpoint on the loopback that speaks as much of CloudWatch's wire (AWS JSON 1.0) as they need. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import type { AwsAccount } from './calls.ts';

export interface WireRequest {
  /** `GetMetricData`. */
  readonly operation: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: IncomingMessage['headers'];
}

export type WireAnswer =
  | { readonly kind: 'json'; readonly body: unknown }
  | { readonly kind: 'error'; readonly status?: number; readonly type: string; readonly message: string }
  | { readonly kind: 'raw'; readonly status: number; readonly body: string }
  | { readonly kind: 'hang' };

export interface WireServer {
  readonly endpoint: string;
  readonly requests: readonly WireRequest[];
  answer: (request: WireRequest) => WireAnswer;
  /** How far the `Date` of answers is ahead of this machine's clock. */
  aheadMs: number;
  close(): Promise<void>;
}

export const json = (body: unknown): WireAnswer => ({ kind: 'json', body });
export const wireError = (type: string, message = 'no', status = 400): WireAnswer => ({
  kind: 'error',
  status,
  type,
  message,
});

export async function startWireServer(answer: WireServer['answer']): Promise<WireServer> {
  const requests: WireRequest[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8');
      const target = String(request.headers['x-amz-target'] ?? '');
      const seen: WireRequest = {
        operation: target === '' ? (new URLSearchParams(text).get('Action') ?? '') : (target.split('.').at(-1) ?? ''),
        body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {},
        headers: request.headers,
      };
      requests.push(seen);
      response.setHeader('date', new Date(Date.now() + wire.aheadMs).toUTCString());
      write(response, wire.answer(seen));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const wire: WireServer = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer,
    aheadMs: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return wire;
}

function write(response: ServerResponse, answer: WireAnswer): void {
  if (answer.kind === 'hang') return;
  if (answer.kind === 'raw') {
    response.writeHead(answer.status, { 'content-type': 'text/html' }).end(answer.body);
    return;
  }
  const head = { 'content-type': 'application/x-amz-json-1.0' };
  if (answer.kind === 'json') {
    response.writeHead(200, head).end(JSON.stringify(answer.body));
    return;
  }
  const { status = 400, type, message } = answer;
  response.writeHead(status, { ...head, 'x-amzn-requestid': 'req-id' }).end(JSON.stringify({ __type: type, message }));
}

export const accountAt = (endpoint: string, more: Partial<AwsAccount> = {}): AwsAccount => ({
  name: 'default',
  region: 'us-east-1',
  roleArn: null,
  externalId: null,
  endpoint,
  ...more,
});

export const quiet = pino({ level: 'silent' });

/** Short enough for a test that waits for them. */
export const SHORT_DEADLINES = { connectMs: 500, requestMs: 300, callMs: 2500 };
export const NO_LIMITS = { cloudwatch: { perSecond: 1000, burst: 1000 }, ecs: { perSecond: 1000, burst: 1000 } };

/** The SDK's default chain finds these; nothing of this machine's own is looked at. */
export const TEST_CREDENTIALS: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'not-a-secret',
  AWS_SESSION_TOKEN: 'session-token-of-the-test',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
};

/** One query of GetMetricData, as it comes over the wire. */
export interface WireQuery {
  readonly Id: string;
  readonly MetricStat: {
    readonly Metric: {
      readonly Namespace: string;
      readonly MetricName: string;
      readonly Dimensions: readonly { readonly Name: string; readonly Value: string }[];
    };
    readonly Period: number;
    readonly Stat: string;
  };
}

export interface WireResult {
  readonly Id: string;
  readonly StatusCode: string;
  readonly Timestamps: readonly number[];
  readonly Values: readonly number[];
}

/** A value for each period of the span at which `value` gives one. */
export function wireResult(
  query: WireQuery,
  span: { readonly fromSeconds: number; readonly toSeconds: number },
  value: (atSeconds: number) => number | null,
  status = 'Complete',
): WireResult {
  const Timestamps: number[] = [];
  const Values: number[] = [];
  const { Period } = query.MetricStat;
  for (let at = Math.ceil(span.fromSeconds / Period) * Period; at < span.toSeconds; at += Period) {
    const one = value(at);
    if (one === null) continue;
    Timestamps.push(at);
    Values.push(one);
  }
  return { Id: query.Id, StatusCode: status, Timestamps, Values };
}
