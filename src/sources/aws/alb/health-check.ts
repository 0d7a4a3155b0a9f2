/** A target group's health check in one line: `GET /health on port 8080, expects 200`. */

import type { TargetGroup } from '@aws-sdk/client-elastic-load-balancing-v2';

/** @param port that the targets are really checked on, where it is known and the same for all */
export function healthCheckText(group: TargetGroup, port: string | null): string | null {
  const protocol = group.HealthCheckProtocol;
  if (group.HealthCheckEnabled === false || protocol === undefined) return null;
  const configured = group.HealthCheckPort ?? 'traffic-port';
  const where = port ?? (configured === 'traffic-port' ? null : configured);
  const on = where === null ? 'on the traffic port' : `on port ${where}`;
  if (group.HealthCheckPath === undefined) return `${protocol} connection ${on}`;
  const expects = group.Matcher?.HttpCode ?? group.Matcher?.GrpcCode ?? '200';
  const grpc = group.ProtocolVersion === 'GRPC';
  const what = grpc ? `gRPC ${group.HealthCheckPath}` : `GET ${group.HealthCheckPath}`;
  return `${what} ${on}${protocol === 'HTTPS' ? ' (HTTPS)' : ''}, expects ${grpc ? 'code ' : ''}${expects}`;
}
