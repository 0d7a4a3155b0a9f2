/** The first messages of a session, as far as they are needed to name what is wrong with a server. */

import type { ReachReason } from '../../model/postgres.ts';
import { APPLICATION_NAME, type Endpoint } from './endpoint.ts';
import { wordsOf } from './failure.ts';

export interface Failure {
  readonly reason: ReachReason;
  readonly message: string;
  readonly sqlstate: string | null;
}

/** SSLRequest: length 8, code 80877103 (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
export const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/** StartupMessage of protocol 3.0 with the three parameters that every pooler lets through. */
export function startupMessage({ user, database }: Endpoint): Buffer {
  const pairs = ['user', user, 'database', database, 'application_name', APPLICATION_NAME];
  const body = Buffer.from(`${pairs.map((text) => `${text}\0`).join('')}\0`, 'utf8');
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE(196_608, 4);
  return Buffer.concat([head, body]);
}

/** Fields of an ErrorResponse; a server that is out of processes sends plain text instead. */
export function refusal(reply: Buffer, endpoint: Endpoint): Failure {
  const fields = new Map<string, string>();
  for (const field of reply.subarray(5).toString('utf8').split('\0')) {
    if (field.length > 1) fields.set(field.charAt(0), field.slice(1));
  }
  const sqlstate = fields.get('C') ?? null;
  const message = wordsOf(new Error(fields.get('M') ?? reply.subarray(1).toString('utf8')), endpoint.password);
  return { reason: reasonOf(sqlstate, message), message, sqlstate };
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html; 08P01 is what PgBouncer says in its own name. */
export function reasonOf(sqlstate: string | null, message: string): ReachReason {
  switch (sqlstate) {
    case '28P01':
      return 'authentication_failed';
    case '28000':
    case '42501':
    case '55000':
      return 'not_permitted';
    case '3D000':
      return 'no_such_database';
    case '57P03':
      return /shutting down/i.test(message) ? 'shutting_down' : 'starting_up';
    case '57P01':
      return 'shutting_down';
    case '57P02':
      return 'starting_up';
    case '53300':
      return /connections for (role|database)/i.test(message) ? 'role_connection_limit' : 'too_many_connections';
    case '08P01':
      if (/no such database|does not exist/i.test(message)) return 'no_such_database';
      if (/no more connections|too many/i.test(message)) return 'too_many_connections';
      if (/auth|password|login/i.test(message)) return 'authentication_failed';
      return 'protocol';
    default:
      return 'protocol';
  }
}
