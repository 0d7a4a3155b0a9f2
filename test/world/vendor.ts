/** A vendor's status page and a service's health endpoints on loopback, in the forms that their makers document. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Indicator = 'none' | 'minor' | 'major' | 'critical';

export interface Vendor extends AsyncDisposable {
  /** Root of the page: `http://127.0.0.1:…`. */
  readonly url: string;
  /** What the page says from now on; an incident unless all is well. */
  say(indicator: Indicator, incident?: string): void;
}

export interface HealthEndpoints extends AsyncDisposable {
  readonly live: string;
  readonly ready: string;
  /** The answers from now on: which checks of /ready fail, and whether /health says that it is well. */
  set(state: HealthState): void;
}

export interface HealthState {
  readonly live: boolean;
  readonly failing: readonly string[];
  /** What /ready says of a check that fails; default a timeout. */
  readonly error?: string;
  /** Connections are taken and never answered, or reset. */
  readonly hangs?: boolean;
  readonly resets?: boolean;
  /** Of /ready, which then says nothing of its checks. */
  readonly status?: number;
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function closing(server: Server): () => Promise<void> {
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

/** As Atlassian Statuspage's API v2 has it: https://metastatuspage.com/api */
export async function startVendor(name: string, now: () => number = Date.now): Promise<Vendor> {
  let indicator: Indicator = 'none';
  let incident: string | null = null;
  let since = new Date(0);
  const words = { none: 'All Systems Operational', minor: 'Minor', major: 'Partial', critical: 'Major' };
  const status = () => ({
    indicator,
    description: indicator === 'none' ? words.none : `${words[indicator]} Service Outage`,
  });
  const server = createServer((request, response) => {
    const page = {
      id: 'p1',
      name,
      url: 'https://status.example',
      time_zone: 'Etc/UTC',
      updated_at: since.toISOString(),
    };
    const incidents =
      incident === null
        ? []
        : [{ id: 'i1', name: incident, status: 'investigating', impact: indicator, created_at: since.toISOString() }];
    const components = [
      { id: 'c1', name: 'API', status: indicator === 'none' ? 'operational' : 'major_outage', group: false },
      { id: 'c2', name: 'Dashboard', status: 'operational', group: false },
    ];
    const bodies: Readonly<Record<string, unknown>> = {
      '/api/v2/status.json': { page, status: status() },
      '/api/v2/summary.json': { page, status: status(), components, incidents, scheduled_maintenances: [] },
    };
    const body = bodies[request.url ?? ''];
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(body ?? { error: 'not found' }));
  });
  const url = await listening(server);
  return {
    url,
    say(next, what) {
      indicator = next;
      incident = next === 'none' ? null : (what ?? 'Elevated API errors');
      since = new Date(now());
    },
    [Symbol.asyncDispose]: closing(server),
  };
}

/** `/health` says that the process lives, `/ready` what it needs, each check by its name. */
export async function startHealthEndpoints(
  checks: readonly string[],
  /** Whether any process is there to answer; default always. */
  isServed: () => boolean = () => true,
): Promise<HealthEndpoints> {
  let state: HealthState = { live: true, failing: [] };
  const server = createServer((request, response) => {
    if (state.hangs === true) return;
    if (state.resets === true) {
      response.socket?.resetAndDestroy();
      return;
    }
    const isReady = request.url === '/ready';
    const own = isReady ? state.status : undefined;
    const well = state.live && isServed() && (!isReady || (state.failing.length === 0 && own === undefined));
    response.writeHead(well ? 200 : (own ?? 503), { 'content-type': 'application/json' });
    const one = (name: string) =>
      state.failing.includes(name)
        ? { status: 'unhealthy', error: state.error ?? 'connection timeout' }
        : { status: 'healthy' };
    const details =
      isReady && own === undefined && isServed()
        ? { checks: Object.fromEntries(checks.map((name) => [name, one(name)])) }
        : {};
    response.end(JSON.stringify({ status: well ? 'ok' : 'error', ...details }));
  });
  const url = await listening(server);
  return {
    live: `${url}/health`,
    ready: `${url}/ready`,
    set(next) {
      state = next;
    },
    [Symbol.asyncDispose]: closing(server),
  };
}
