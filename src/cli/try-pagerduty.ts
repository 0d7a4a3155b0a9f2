/** Whether pages can get out: a TLS handshake with the receiver, which wakes nobody. */

import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { PagerDutyConfig } from '../config/index.ts';

const HTTPS = 443;

/** Rejects with the reason when there is no session with a certificate that we accept before the deadline. */
export async function tryPagerDuty({ server, caFile }: PagerDutyConfig, deadlineMs: number): Promise<void> {
  const [, host = server, port] = /^(.*?)(?::(\d+))?$/.exec(server) ?? [];
  const ca = caFile === null ? {} : { ca: readFileSync(caFile) };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host, port: Number(port ?? HTTPS), ...(isIP(host) === 0 && { servername: host }), ...ca });
  socket.setTimeout(deadlineMs, () => reject(new Error(`no answer within ${deadlineMs} ms`)));
  socket.once('secureConnect', resolve);
  socket.once('error', reject);
  try {
    await promise;
  } finally {
    socket.destroy();
  }
}
