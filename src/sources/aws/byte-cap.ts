/** A limit on what the SDK takes into memory of one answer; it has none of its own. */

import { type Readable, Transform } from 'node:stream';

/**
 * The largest page of GetMetricData has 100,800 points, some 5 MB; FilterLogEvents gives 1 MB of lines, which JSON may
 * make six of.
 */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

interface Answered {
  readonly response: unknown;
}

type Next = (args: unknown) => Promise<Answered>;

export interface Stacked {
  readonly middlewareStack?: {
    add(middleware: (next: Next) => Next, options: Readonly<Record<string, string>>): void;
  };
}

/** From now on an answer that is larger fails its call, and its connection is closed. */
export function capBytes({ middlewareStack }: Stacked, most = MAX_ANSWER_BYTES): void {
  const middleware =
    (next: Next): Next =>
    async (args) => {
      const result = await next(args);
      const response = result.response as { body?: Readable };
      if (typeof response?.body?.pipe === 'function') response.body = capped(response.body, most);
      return result;
    };
  // Of a low priority, it comes before the body is read and parsed.
  middlewareStack?.add(middleware, { step: 'deserialize', priority: 'low', name: 'capBytes' });
}

function capped(body: Readable, most: number): Readable {
  let size = 0;
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.byteLength;
      if (size <= most) return done(null, chunk);
      body.destroy();
      done(new Error(`an answer of more than ${Math.round(most / 1024 / 1024)} MB`));
    },
  });
  body.on('error', (error) => limit.destroy(error));
  // One that ends without its end would be waited for.
  body.on('close', () => {
    if (!body.readableEnded) limit.destroy(new Error('the connection was closed before the answer was whole'));
  });
  return body.pipe(limit);
}
