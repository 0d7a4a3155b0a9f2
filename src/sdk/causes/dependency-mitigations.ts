/** What to do about a vendor in trouble, and about our own way to it. */

import type { Effect, Mitigation } from '../detector.ts';
import { effect } from '../detector.ts';
import { count } from '../format.ts';
import { externalServiceMitigations } from './external-service-mitigations.ts';
import { serviceLoadMitigations } from './service-load-mitigations.ts';
import { seriesQuestion } from './service-questions.ts';
import { unreachableMitigations } from './unreachable-mitigations.ts';

const look = (title: string, command: string, alternative?: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
  ...(alternative === undefined ? {} : { alternative }),
});

/** Its own counter of calls has no need of a host: all of them are to it. */
const callsEnd: Effect = effect<'series'>({
  expect: 'calls to it end within 5 min, and the errors with them',
  withinMs: 5 * 60_000,
  ask: (_slots, facts) => seriesQuestion(facts, 'dependency_requests'),
  judge({ points }, _slots, facts) {
    const periods = new Map<number, number>();
    for (const { at, value } of points) periods.set(at, (periods.get(at) ?? 0) + value);
    const mean = (some: readonly (readonly [number, number])[]): number =>
      some.length === 0 ? 0 : some.reduce((sum, [, value]) => sum + value, 0) / some.length;
    const series = [...periods].sort(([a], [b]) => a - b);
    const before = mean(series.filter(([at]) => at <= facts.onset.earliest));
    const now = mean(series.slice(-2));
    const observed = `calls to ${facts.on.name} went from ${count(before)} to ${count(now)} a period`;
    if (before <= 0 || now > before * 0.5) return { state: 'not_applied', observed };
    return { state: now <= before * 0.05 ? 'worked' : 'partly', observed };
  },
});

export const dependencyMitigations: Readonly<Record<string, Mitigation>> = {
  ...externalServiceMitigations,
  'disable-flag': { ...externalServiceMitigations['disable-flag']!, effect: callsEnd },
  'ask-host': look(
    'Ask it from where the service runs: how far the call gets, and what it answers',
    'curl -sS -v -m 10 -o /dev/null https://{host}/',
  ),
  'resolve-host': look('Resolve its name from where the service runs', 'dig +short {host}', 'getent hosts {host}'),
  'host-certificate': look(
    'Look at its certificate, its issuer, and whether we trust it',
    'timeout --foreground 10 openssl s_client -connect {host}:{port} -servername {host}',
  ),
  'load-look': serviceLoadMitigations['load-look']!,
  'secret-changes': unreachableMitigations['secret-changes']!,
  'way-out': look(
    'Look at our way out: NAT gateways and whether they work',
    'aws ec2 describe-nat-gateways --query "NatGateways[].[NatGatewayId,State,SubnetId,FailureMessage]"',
  ),
};
