/**
 * A Redis on loopback, as far as an observer sees it: HELLO, AUTH, PING, INFO, SELECT, CLIENT and QUIT in RESP2 and RESP3,
 * with the replies of https://redis.io/docs/latest/develop/reference/protocol-spec/ and the fields of
 * https://redis.io/docs/latest/commands/info/.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';

export type RedisTrouble =
  | 'hang'
  | 'drip'
  | 'huge'
  | 'garbage'
  | 'reset'
  | 'close'
  | 'max-clients'
  | 'busy'
  | 'lying-length';

export interface RedisState {
  readonly version: string;
  readonly runId: string;
  readonly role: 'master' | 'slave';
  readonly masterLinkUp: boolean;
  readonly loading: boolean;
  readonly uptimeSeconds: number;
  readonly clients: number;
  readonly maxClients: number;
  readonly blockedClients: number;
  readonly usedMemoryBytes: number;
  /** 0 is without a limit. */
  readonly maxMemoryBytes: number;
  readonly policy: string;
  readonly evictedKeys: number;
  readonly rejectedConnections: number;
  readonly hits: number;
  readonly misses: number;
}

export interface Redis extends AsyncDisposable {
  readonly port: number;
  /** With its password. */
  readonly url: string;
  readonly password: string;
  /** Commands in the order in which they came, without their secrets: `AUTH`, `PING`, `INFO`. */
  readonly commands: readonly string[];
  /** Connections that were ever taken, and those that are open. */
  connections(): { readonly taken: number; readonly open: number };
  set(change: Partial<RedisState>): void;
  trouble(kind: RedisTrouble | null): void;
  /** From now on every reply goes through this. */
  mutate(change: ((reply: string) => string) | null): void;
  /** Which commands the user may not run. */
  deny(commands: readonly string[]): void;
  stop(): Promise<void>;
  start(): Promise<void>;
}

const WELL: RedisState = {
  version: '7.4.2',
  runId: '0e61abd297771de3fe812a3c21027732ac9f41fe',
  role: 'master',
  masterLinkUp: true,
  loading: false,
  uptimeSeconds: 864_000,
  clients: 41,
  maxClients: 10_000,
  blockedClients: 0,
  usedMemoryBytes: 268_435_456,
  maxMemoryBytes: 1_073_741_824,
  policy: 'allkeys-lru',
  evictedKeys: 0,
  rejectedConnections: 0,
  hits: 9_000_000,
  misses: 1_000_000,
};

function infoOf(state: RedisState): string {
  const lines = [
    '# Server',
    `redis_version:${state.version}`,
    'redis_mode:standalone',
    'os:Linux 6.8.0 x86_64',
    `run_id:${state.runId}`,
    'tcp_port:6379',
    `uptime_in_seconds:${state.uptimeSeconds}`,
    'executable:/usr/local/bin/redis-server',
    'config_file:',
    '',
    '# Clients',
    `connected_clients:${state.clients}`,
    `maxclients:${state.maxClients}`,
    `blocked_clients:${state.blockedClients}`,
    '',
    '# Memory',
    `used_memory:${state.usedMemoryBytes}`,
    'used_memory_human:256.00M',
    `maxmemory:${state.maxMemoryBytes}`,
    `maxmemory_policy:${state.policy}`,
    '',
    '# Persistence',
    `loading:${state.loading ? 1 : 0}`,
    'async_loading:0',
    '',
    '# Stats',
    'total_connections_received:5210',
    `rejected_connections:${state.rejectedConnections}`,
    `evicted_keys:${state.evictedKeys}`,
    `keyspace_hits:${state.hits}`,
    `keyspace_misses:${state.misses}`,
    '',
    '# Replication',
    `role:${state.role}`,
    ...(state.role === 'slave'
      ? ['master_host:10.0.0.9', `master_link_status:${state.masterLinkUp ? 'up' : 'down'}`]
      : []),
    '',
    '# Keyspace',
    'db0:keys=120321,expires=120000,avg_ttl=301231',
    '',
  ];
  return lines.join('\r\n');
}

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** Commands of a RESP array of bulk strings, as all clients send them; null while it is not whole. */
function readCommand(buffer: Buffer): { readonly words: readonly string[]; readonly used: number } | null {
  const line = (from: number): { readonly text: string; readonly next: number } | null => {
    const end = buffer.indexOf('\r\n', from);
    return end < 0 ? null : { text: buffer.toString('latin1', from, end), next: end + 2 };
  };
  const head = line(0);
  if (head === null) return null;
  if (!head.text.startsWith('*')) return { words: head.text.split(' '), used: head.next };
  const words: string[] = [];
  let at = head.next;
  for (let left = Number(head.text.slice(1)); left > 0; left -= 1) {
    const size = line(at);
    if (size === null) return null;
    const length = Number(size.text.slice(1));
    if (buffer.length < size.next + length + 2) return null;
    words.push(buffer.toString('utf8', size.next, size.next + length));
    at = size.next + length + 2;
  }
  return { words, used: at };
}

const FLOOD = Buffer.alloc(262_144, 'x');

export async function startRedis(initial: Partial<RedisState> = {}): Promise<Redis> {
  const password = 'canary-redis-password';
  let state: RedisState = { ...WELL, ...initial };
  let trouble: RedisTrouble | null = null;
  let mutate: ((reply: string) => string) | null = null;
  let denied: readonly string[] = [];
  let port = 0;
  let taken = 0;
  let server: Server | null = null;
  const sockets = new Set<Socket>();
  const commands: string[] = [];

  const replyTo = (words: readonly string[], session: { authenticated: boolean; protocol: 2 | 3 }): string => {
    const name = (words[0] ?? '').toUpperCase();
    if (name === 'HELLO') {
      const wanted = words[1] ?? String(session.protocol);
      if (wanted !== '2' && wanted !== '3') return '-NOPROTO unsupported protocol version\r\n';
      if (words[2]?.toUpperCase() === 'AUTH') session.authenticated = words[4] === password;
      if (!session.authenticated) {
        return words[2] === undefined
          ? '-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time\r\n'
          : '-WRONGPASS invalid username-password pair or user is disabled.\r\n';
      }
      session.protocol = wanted === '3' ? 3 : 2;
      const fields = [
        bulk('server'),
        bulk('redis'),
        bulk('version'),
        bulk(state.version),
        bulk('proto'),
        `:${wanted}\r\n`,
      ];
      fields.push(bulk('role'), bulk(state.role === 'master' ? 'master' : 'replica'), bulk('modules'), '*0\r\n');
      return `${session.protocol === 3 ? `%${fields.length / 2}` : `*${fields.length}`}\r\n${fields.join('')}`;
    }
    if (name === 'AUTH') {
      session.authenticated = words.at(-1) === password;
      return session.authenticated ? '+OK\r\n' : '-WRONGPASS invalid username-password pair or user is disabled.\r\n';
    }
    if (name === 'QUIT') return '+OK\r\n';
    if (!session.authenticated) return '-NOAUTH Authentication required.\r\n';
    if (denied.includes(name)) {
      return `-NOPERM User default has no permissions to run the '${name.toLowerCase()}' command\r\n`;
    }
    if (trouble === 'busy')
      return '-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n';
    switch (name) {
      case 'PING':
        return state.loading ? '-LOADING Redis is loading the dataset in memory\r\n' : '+PONG\r\n';
      case 'INFO':
        return session.protocol === 3
          ? `=${Buffer.byteLength(infoOf(state)) + 4}\r\ntxt:${infoOf(state)}\r\n`
          : bulk(infoOf(state));
      case 'SELECT':
      case 'CLIENT':
        return '+OK\r\n';
      default:
        return `-ERR unknown command '${words[0]}', with args beginning with: \r\n`;
    }
  };

  const misbehave = (socket: Socket): boolean => {
    switch (trouble) {
      case 'hang':
        return true;
      case 'drip': {
        const timer = setInterval(() => socket.write('+'), 20);
        socket.on('close', () => clearInterval(timer));
        return true;
      }
      case 'huge': {
        socket.write('$4294967296\r\n');
        const more = (): void => {
          while (!socket.destroyed && socket.write(FLOOD));
          if (!socket.destroyed) socket.once('drain', more);
        };
        more();
        return true;
      }
      case 'garbage':
        socket.write('HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n400 Bad Request');
        return true;
      case 'lying-length':
        socket.write('$40\r\nshort\r\n');
        return true;
      case 'reset':
        socket.resetAndDestroy();
        return true;
      case 'close':
        socket.end();
        return true;
      default:
        return false;
    }
  };

  const serve = (socket: Socket): void => {
    taken += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    if (trouble === 'max-clients') {
      socket.resume().end('-ERR max number of clients reached\r\n');
      return;
    }
    const session = { authenticated: false, protocol: 2 as 2 | 3 };
    let buffer: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      buffer = Buffer.concat([buffer, chunk]);
      for (let found = readCommand(buffer); found !== null; found = readCommand(buffer)) {
        buffer = buffer.subarray(found.used);
        commands.push((found.words[0] ?? '').toUpperCase());
        if (misbehave(socket)) return;
        const reply = replyTo(found.words, session);
        if (!socket.destroyed) socket.write(mutate === null ? reply : mutate(reply));
      }
    });
  };

  const start = async (): Promise<void> => {
    if (server !== null) return;
    const started = createServer(serve);
    await new Promise<void>((resolve) => started.listen(port, '127.0.0.1', resolve));
    port = (started.address() as AddressInfo).port;
    server = started;
  };
  const stop = async (): Promise<void> => {
    const stopping = server;
    server = null;
    for (const socket of sockets) socket.destroy();
    if (stopping !== null) await new Promise<void>((resolve) => stopping.close(() => resolve()));
  };
  await start();
  return {
    port,
    url: `redis://:${password}@127.0.0.1:${port}`,
    password,
    commands,
    connections: () => ({ taken, open: sockets.size }),
    set(change) {
      state = { ...state, ...change };
    },
    trouble(kind) {
      trouble = kind;
    },
    mutate(change) {
      mutate = change;
    },
    deny(names) {
      denied = names;
    },
    stop,
    start,
    [Symbol.asyncDispose]: stop,
  };
}
