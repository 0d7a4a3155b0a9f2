/** What to do about WebSocket connections: look at them, at the way to them, let the clients come back. */

import type { Mitigation } from '../detector.ts';
import { effect } from '../detector.ts';
import { count } from '../format.ts';
import { crashedMitigations } from './crashed-mitigations.ts';
import { serviceLoadMitigations } from './service-load-mitigations.ts';
import { seriesQuestion } from './service-questions.ts';
import { unevenMitigations } from './uneven-mitigations.ts';
import { unreachableMitigations } from './unreachable-mitigations.ts';

const look = (title: string, command: string, alternative?: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
  ...(alternative === undefined ? {} : { alternative }),
});

const METRIC = 'npm run metrics:websocket -- --window=15m --metric=active_connections';

export const websocketMitigations: Readonly<Record<string, Mitigation>> = {
  'ws-connections': look('Look at the connections that are open', METRIC),
  'ws-logs': look(
    'Look at the messages about connections',
    'aws logs tail {logGroup} --region {region} --since 15m --filter-pattern "connection error"',
  ),
  'target-health': unevenMitigations['target-health']!,
  'idle-timeout-look': look(
    'See which load balancer stands before it; its attribute idle_timeout.timeout_seconds must be more than the interval of the pings',
    'aws elbv2 describe-target-groups --region {region} --target-group-arns {targetGroupArn} --query "TargetGroups[0].LoadBalancerArns"',
  ),
  'ping-more-often': {
    title: 'Send pings every {timeoutMs} ms, half of the idle timeout',
    risk: 'reversible',
    riskText:
      'reversible: a few bytes more for each connection; TCP keep-alive and HTTP/2 pings do not count for the load balancer; to undo, set the value again that the first command shows',
    precheck: 'npm run config:get -- --key={timeoutKey}',
    command: 'npm run config:update -- --key={timeoutKey} --value={timeoutMs}',
    verify: METRIC,
    effect: effect<'series'>({
      expect: 'new connections fall by half within 15 min',
      withinMs: 15 * 60_000,
      ask: (_slots, facts) => seriesQuestion(facts, 'ws_new_connections'),
      judge({ points }, _slots, facts) {
        const mean = (some: typeof points): number =>
          some.length === 0 ? Number.NaN : some.reduce((sum, { value }) => sum + value, 0) / some.length;
        const since = points.filter(({ at }) => at >= facts.onset.latest);
        const [worst, now] = [mean(since.slice(0, 5)), mean(since.slice(-3))];
        const observed = `new connections a period: ${count(worst)} when it began, ${count(now)} now`;
        if (!(worst > 0)) return { state: 'not_yet', observed };
        return { state: now <= worst * 0.5 ? 'worked' : now <= worst * 0.8 ? 'partly' : 'not_yet', observed };
      },
    }),
  },
  'secret-changes': unreachableMitigations['secret-changes']!,
  'service-logs': crashedMitigations['service-logs']!,
  'scale-up': {
    ...serviceLoadMitigations['scale-up']!,
    riskText:
      'new tasks take only new connections: those that are open stay where they are; more tasks open more database connections: see that there are slots for them; autoscaling may change the count again; the undo cuts the connections of the tasks that leave',
  },
  'load-look': serviceLoadMitigations['load-look']!,
};
