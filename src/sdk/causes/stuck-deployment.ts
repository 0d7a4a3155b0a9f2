/** A deployment that does not come to its end: its tasks fail, or it goes on for longer than any healthy one. */

import type { EcsDeployment, EcsServiceAnswer, Judged, StoppedTask, TargetKind } from '../../model/index.ts';
import type { AnyProbe, Facts, Hypothesis } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { clockTime, duration, plural, safeName } from '../format.ts';
import { reasonText, shortReason } from './crashed.ts';
import { previousText, previousVersionSlots } from './healthy-version.ts';
import { ecsQuestion, primaryOf } from './service-questions.ts';

export { stuckDeploymentMitigations } from './stuck-deployment-mitigations.ts';

export interface StuckDeploymentOptions {
  readonly on?: 'self' | TargetKind;
  readonly prior?: number;
  /** In progress for longer than this is stuck. */
  readonly stuckMinutes?: number;
  /** Subject of the symptom that is the deployment itself: only there it explains everything. */
  readonly subject?: string;
}

/** Spread `stuckDeploymentMitigations` into the detector's mitigations beside them. */
export function stuckDeploymentHypotheses(options: StuckDeploymentOptions = {}): readonly Hypothesis[] {
  const { on = 'self', prior = 0.08, stuckMinutes = 30, subject = 'deployment' } = options;
  return [
    {
      cause: 'deployment-stuck',
      title: 'Deployment stuck: it does not come to its end',
      prior,
      on,
      requires: ['rollout'],
      probes: [rolloutProbe(stuckMinutes, subject), failedTasksProbe(), steadyProbe(), circuitBreakerProbe()],
      mitigations: ['deployment-status', 'service-events', 'rollback'],
    },
    {
      cause: 'deployment-stuck',
      variant: 'rolled-back',
      title: 'Deployment stuck: ECS has given it up and gone back by itself; wait and verify',
      prior: prior / 2,
      on,
      requires: ['taken-back'],
      probes: [takenBackProbe(subject)],
      mitigations: ['deployment-status', 'service-events'],
    },
  ];
}

const age = (deployment: EcsDeployment, facts: Facts): string =>
  duration(Math.round((facts.now - deployment.createdAt) / 1000));

function rolloutProbe(stuckMinutes: number, subject: string): AnyProbe {
  return probe({
    id: 'rollout',
    factor: 'rollout',
    title: 'how far the deployment has come',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge(ecs, symptom, facts): Judged {
      const primary = primaryOf(ecs);
      if (primary === null) return neutral('no deployment is known');
      const version = safeName(primary.version, 60);
      if (ecs.rolledBack !== null)
        return opposes(5, `${safeName(ecs.rolledBack.from, 60)} was taken back already`, {
          headline: 'taken back already',
        });
      const isOver = primary.rollout === 'completed' || (primary.rollout === null && ecs.deployments.length === 1);
      if (isOver) {
        return opposes(6, `the deployment of ${version} was completed`, { headline: `${version} is out everywhere` });
      }
      const failed = primary.failed === 0 ? '' : `, ${plural(primary.failed, 'task')} failed`;
      const said = primary.rolloutReason === null ? '' : `: ${safeName(primary.rolloutReason, 120)}`;
      const observed = `${version} runs on ${primary.running} of ${plural(primary.desired, 'task')} after ${age(primary, facts)}${failed}${said}`;
      const isStuck =
        primary.rollout === 'failed' || primary.failed >= 2 || facts.now - primary.createdAt >= stuckMinutes * 60_000;
      if (!isStuck) return opposes(2, observed, { headline: `${version} is on its way` });
      const [last] = failedTasks(ecs, primary.version);
      const runs = `${version} runs on ${primary.running} of ${primary.desired} tasks`;
      const headline = last === undefined ? runs : `${runs}: ${shortReason(last)}`;
      // Where old tasks should go on serving, a deployment that is stuck explains no outage by itself.
      return supports(symptom.subject === subject ? 5 : 1.5, `${observed}${previousText(ecs, facts.onset)}`, {
        headline,
        slots: previousVersionSlots(ecs, facts.onset),
      });
    },
  });
}

/** Of the version that is brought out, newest first; those that were told to leave are no failures. */
function failedTasks(ecs: EcsServiceAnswer, version: string): readonly StoppedTask[] {
  return ecs.stopped.filter(
    (task) => task.version === version && !['scaling', 'deployment', 'user'].includes(task.kind),
  );
}

function failedTasksProbe(): AnyProbe {
  return probe({
    id: 'failed-tasks',
    factor: 'events',
    title: 'why tasks of the new version stopped',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge(ecs): Judged {
      const primary = primaryOf(ecs);
      const failed = primary === null ? [] : failedTasks(ecs, primary.version);
      const [last] = failed;
      if (last === undefined) return neutral('no task of the new version stopped by itself');
      const observed = `${plural(failed.length, 'task')} of ${safeName(last.version, 60)} stopped: ${reasonText(last)}`;
      return supports(0.7, observed, { slots: { stoppedTask: last.id } });
    },
  });
}

function steadyProbe(): AnyProbe {
  return probe({
    id: 'steady-state',
    factor: 'events',
    title: 'events of the service since the deployment began',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge(ecs) {
      const primary = primaryOf(ecs);
      const since = ecs.events.filter((event) => primary !== null && event.at >= primary.createdAt);
      const steady = since.find((event) => event.kind === 'steady');
      if (steady !== undefined) {
        return opposes(1, `the service was steady at ${clockTime(steady.at)}`, {
          headline: `steady at ${clockTime(steady.at)}`,
        });
      }
      const telling = since.find((event) => event.kind !== 'other' && event.kind !== 'deployment-started');
      return telling === undefined
        ? neutral('no telling event since then')
        : supports(0.5, safeName(telling.message, 200));
    },
  });
}

function circuitBreakerProbe(): AnyProbe {
  return probe({
    id: 'circuit-breaker',
    factor: 'circuit-breaker',
    title: "whether ECS' circuit breaker would end it",
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge({ circuitBreaker }) {
      if (circuitBreaker === null) return neutral('the circuit breaker is not known');
      if (!circuitBreaker.enabled) return neutral('the circuit breaker is off: ECS goes on trying for ever');
      return neutral(
        `the circuit breaker is on ${circuitBreaker.rollback ? 'and rolls back' : 'but does not roll back'}`,
      );
    },
  });
}

function takenBackProbe(subject: string): AnyProbe {
  return probe({
    id: 'taken-back',
    factor: 'rollout',
    title: 'whether ECS has taken a deployment back',
    ask: (_symptom, facts) => ecsQuestion(facts),
    judge({ rolledBack }, symptom) {
      if (rolledBack === null) return opposes(4, 'no deployment was taken back', { headline: 'none was taken back' });
      const { from, to, at, reason } = rolledBack;
      const observed = `${safeName(from, 60)} was taken back to ${safeName(to, 60)} at ${clockTime(at.latest)}: ${safeName(reason, 160)}`;
      const headline = `${safeName(from, 60)} was taken back at ${clockTime(at.latest)}`;
      return supports(symptom.subject === subject ? 6 : 1, observed, { headline });
    },
  });
}
