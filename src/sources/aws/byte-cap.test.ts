import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { CloudWatchClient, ListMetricsCommand } from '@aws-sdk/client-cloudwatch';
import { afterEach, expect, test } from 'vitest';
import { capBytes, type Stacked } from './byte-cap.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function clientOf(handler: RequestListener): Promise<CloudWatchClient> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = new CloudWatchClient({
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    maxAttempts: 1,
  });
  closers.push(
    () => server.close(),
    () => server.closeAllConnections(),
    () => client.destroy(),
  );
  capBytes(client as unknown as Stacked, 2 * 1024 * 1024);
  return client;
}

const head = { 'content-type': 'application/x-amz-json-1.0' };
const list = new ListMetricsCommand({});

test('an answer below the limit is read as it was', async () => {
  const metrics = Array.from({ length: 500 }, (_, index) => ({ MetricName: `m${index}` }));
  const client = await clientOf((_, response) =>
    response.writeHead(200, head).end(JSON.stringify({ Metrics: metrics })),
  );
  expect((await client.send(list)).Metrics).toEqual(metrics);
});

test('one without an end fails at the limit, and its connection is closed', async () => {
  const closed = Promise.withResolvers<void>();
  let written = 0;
  const client = await clientOf((_, response) => {
    response
      .writeHead(200, head)
      .on('close', closed.resolve)
      .on('error', () => undefined);
    const more = (): void => {
      while (!response.destroyed && written < 1e9) {
        written += 65_536;
        if (!response.write(' '.repeat(65_536))) return;
      }
    };
    response.on('drain', more);
    more();
  });
  await expect(client.send(list)).rejects.toThrow('an answer of more than 2 MB');
  await closed.promise;
  expect(written).toBeLessThan(64 * 1024 * 1024);
});

test('one that breaks off fails', async () => {
  const client = await clientOf((_, response) => {
    response.writeHead(200, { ...head, 'content-length': '1000' }).write('{"Metrics":[', () => response.destroy());
  });
  await expect(client.send(list)).rejects.toThrow(/aborted|closed/);
});
