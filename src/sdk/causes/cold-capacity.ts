/**
 * Tasks that have just started answer slowly until their caches, pools and compiled code are warm: after scaling out, a
 * restart or a deployment. It passes by itself, and latency falls while they warm.
 */

import type { EcsServiceAnswer } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis, Mitigation } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, duration, plural, safeName } from '../format.ts';
import { ecsQuestion } from './service-questions.ts';
import { isAfterOnset, latencyText, overLevel } from './service-series.ts';

const MINUTE_MS = 60_000;
/** A task registers and takes traffic within minutes of its start. */
const BEFORE_MS = 5 * MINUTE_MS;
/** What is not warm after this is not cold. */
const WARM_MS = 15 * MINUTE_MS;
const FEW_SHARE = 0.15;

export function coldCapacityHypotheses(prior = 0.06): readonly Hypothesis[] {
  return [
    {
      cause: 'cold-capacity',
      title: 'Cold capacity: tasks that have just started are not warm yet',
      prior,
      on: 'self',
      requires: ['new-tasks'],
      probes: [newTasksProbe(), warmingProbe(), targetGroupProbe()],
      mitigations: ['look-at-tasks', 'slow-start'],
    },
  ];
}

/** Tasks of the present that started just before it began, and those that came only after. */
function startedAround(ecs: EcsServiceAnswer, facts: Facts) {
  const running = ecs.tasks.filter((task) => task.startedAt !== null);
  const near = running.filter(
    (task) => task.startedAt! >= facts.onset.earliest - BEFORE_MS && !isAfterOnset(task.startedAt!, facts),
  );
  const after = running.filter((task) => isAfterOnset(task.startedAt!, facts));
  return { running, near, after };
}

function newTasksProbe(): AnyProbe {
  return probe<'ecs.service'>({
    id: 'new-tasks',
    factor: 'age',
    title: 'when its tasks started',
    ask: (_symptom, facts) => ecsQuestion(facts, facts.target),
    judge(ecs, _symptom, facts) {
      const { running, near, after } = startedAround(ecs, facts);
      if (running.length === 0) return neutral('when its tasks started is not known');
      const oldest = Math.min(...running.map((task) => task.startedAt!));
      if (near.length / running.length < FEW_SHARE) {
        if (after.length > 0)
          return opposes(2.5, `${plural(after.length, 'task')} started, but only after it began`, {
            headline: 'tasks started only after it began',
          });
        const text = `no task started in the 5 min before; the oldest of ${running.length} has run for ${duration((facts.now - oldest) / 1000)}`;
        return opposes(4.5, text, { headline: 'no task has just started' });
      }
      const first = Math.min(...near.map((task) => task.startedAt!));
      const text = `${near.length} of ${plural(running.length, 'task')} started between ${clockTime(first)} and ${clockTime(Math.max(...near.map((task) => task.startedAt!)))}`;
      // A new version can be slow for more reasons than being cold.
      const fresh = new Set(running.filter((task) => !near.includes(task)).map((task) => task.version));
      const sameVersion = near.every((task) => fresh.size === 0 || fresh.has(task.version));
      const deployed = ecs.deployments.some(
        (one) => one.status === 'PRIMARY' && one.createdAt >= facts.onset.earliest - WARM_MS,
      );
      if (deployed && !(fresh.size > 0 && sameVersion))
        return supports(1.7, `${text}, of ${safeName(ecs.version, 60)}, just brought out`);
      return supports(3.2, `${text}, of the version that runs already`, {
        headline: `with ${near.length} of ${running.length} tasks just started`,
      });
    },
  });
}

/** Latency of what warms up falls from minute to minute; what stays slow is not cold. */
function warmingProbe(): AnyProbe {
  return overLevel(
    { id: 'warming', factor: 'warming', title: 'whether latency falls again', signal: 'latency_p95' },
    ({ points, before }, _symptom, facts) => {
      const since = points.filter((one) => one.at >= facts.onset.latest);
      const newest = since.at(-1)!;
      const peak = since.reduce((most, one) => (one.value > most.value ? one : most));
      const text = `p95 was ${latencyText(peak.value)} at ${clockTime(peak.at)} and is ${latencyText(newest.value)} now`;
      const fallen =
        before === null ? 1 - newest.value / peak.value : (peak.value - newest.value) / (peak.value - before);
      if (since.length >= 3 && fallen >= 0.25) return supports(2, `${text}: it falls`);
      if (facts.now - facts.onset.latest >= WARM_MS)
        return opposes(3, `${text}, ${duration((facts.now - facts.onset.latest) / 1000)} after it began`, {
          headline: 'p95 does not fall',
        });
      return since.length >= 6 && newest === peak
        ? opposes(1.5, `${text}: it still rises`, { headline: 'p95 still rises' })
        : neutral(text);
    },
  );
}

/** Whose warm-up could be set. */
function targetGroupProbe(): AnyProbe {
  return probe<'alb.targets'>({
    id: 'target-group',
    factor: 'targets',
    title: 'targets that the load balancer is taking up',
    ask: (_symptom, facts) => ask('alb.targets', facts, {}),
    judge({ targets, targetGroupArn }) {
      const initial = targets.filter((one) => one.state === 'initial').length;
      const text = `${initial} of ${plural(targets.length, 'target')} are being taken up`;
      return neutral(text, { slots: { targetGroupArn } });
    },
  });
}

const ATTRIBUTES = `aws elbv2 describe-target-group-attributes --region {region} --target-group-arn {targetGroupArn}`;

export const coldCapacityMitigations: Readonly<Record<string, Mitigation>> = {
  'look-at-tasks': {
    title: 'Look at the tasks, and wait: it passes as they warm',
    risk: 'read-only',
    riskText: 'reads only',
    command:
      'aws ecs describe-services --region {region} --cluster {cluster} --services {ecsService} --query "services[0].[desiredCount,runningCount,pendingCount,events[0:5]]"',
  },
  'slow-start': {
    title: 'Later: let the load balancer bring new targets up to their share within 60 s',
    risk: 'reversible',
    // 30–900 s, 0 is off; not with the algorithm least_outstanding_requests (ELB user guide, target group attributes).
    riskText:
      'only targets that register from then on; refused where the target group routes by least outstanding requests; while a target warms the others take more; the undo turns it off, where it was on before the check shows the value',
    precheck: `${ATTRIBUTES} --query "Attributes[?Key=='slow_start.duration_seconds']"`,
    command:
      'aws elbv2 modify-target-group-attributes --region {region} --target-group-arn {targetGroupArn} --attributes Key=slow_start.duration_seconds,Value=60',
    verify: `${ATTRIBUTES} --query "Attributes[?Key=='slow_start.duration_seconds']"`,
    undo: 'aws elbv2 modify-target-group-attributes --region {region} --target-group-arn {targetGroupArn} --attributes Key=slow_start.duration_seconds,Value=0',
  },
};
