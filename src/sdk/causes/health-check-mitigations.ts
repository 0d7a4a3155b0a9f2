/** What to look at when a health endpoint fails; and the restart of a service that hangs. */

import type { Mitigation } from '../detector.ts';
import { serviceLoadMitigations } from './service-load-mitigations.ts';
import { trafficStoppedMitigations } from './traffic-stopped.ts';
import { unevenMitigations } from './uneven-mitigations.ts';
import { unreachableMitigations } from './unreachable-mitigations.ts';

const look = (title: string, command: string, alternative?: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
  ...(alternative === undefined ? {} : { alternative }),
});

export const healthCheckMitigations: Readonly<Record<string, Mitigation>> = {
  'ask-health': look('Ask the health endpoint', 'curl -v -m 10 {healthUrl}'),
  'ask-ready': look('Ask the readiness endpoint, which names its dependencies', 'curl -v -m 10 {readyUrl}'),
  'health-logs': look(
    'Look at what the service says of its health checks',
    'aws logs tail {logGroup} --region {region} --since 15m --filter-pattern "health"',
  ),
  'restart-hung': {
    ...serviceLoadMitigations['rolling-restart']!,
    title: 'Restart the tasks one after another, once their CPU profile or a thread dump is taken',
    riskText:
      'every task is replaced by a new one of the same version, draining; what they hung on is gone with them and may come again; there is no undo',
    precheck: 'curl -v -m 10 {healthUrl}',
  },
  'follow-redirect': look(
    'Look where it redirects to',
    'curl -sS -I -L -m 10 {healthUrl}',
    'curl -sS -I -L -m 10 {readyUrl}',
  ),
  'endpoint-certificate': look(
    'Look at its certificate: its names, its issuer, its end',
    'timeout --foreground 10 openssl s_client -connect {host}:{port} -servername {host}',
  ),
  'resolve-endpoint': unreachableMitigations['resolve-name']!,
  'resolve-way-in': trafficStoppedMitigations['resolve-way-in']!,
  'target-health': unevenMitigations['target-health']!,
  'cache-ping': look(
    'Ask the cache itself; takes the password from REDISCLI_AUTH',
    'redis-cli -h {host} -p {port} PING',
  ),
  'cache-clients': look(
    'Look who is connected to the cache; takes the password from REDISCLI_AUTH',
    'redis-cli -h {host} -p {port} CLIENT LIST',
  ),
  'cache-status': look(
    'Look at the state of the caches (ElastiCache)',
    'aws elasticache describe-cache-clusters --region {region} --query "CacheClusters[].[CacheClusterId,Engine,CacheClusterStatus]"',
  ),
  'cache-events': look(
    'Look at what happened to them in the last hour (failover, replacement, full)',
    'aws elasticache describe-events --region {region} --duration 60',
  ),
};
