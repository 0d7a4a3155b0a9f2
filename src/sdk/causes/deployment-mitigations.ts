/** What to do about a version that is not well: look at what was brought out, go back to what ran healthy. */

import type { EcsServiceAnswer } from '../../model/index.ts';
import type { Effect, Mitigation } from '../detector.ts';
import { ask, effect, rightNow } from '../detector.ts';
import { safeName } from '../format.ts';

const DEPLOYMENTS =
  'aws ecs describe-services --region {region} --cluster {cluster} --services {ecsService} --query "services[0].deployments"';

/** How far the wanted version has come, for effects: how many tasks run it. */
function progress(ecs: EcsServiceAnswer, version: string) {
  const running = ecs.tasks.filter((task) => task.status === 'RUNNING');
  const there = running.filter((task) => task.version === version).length;
  const done = there === running.length && there >= ecs.desired && ecs.desired > 0;
  return { done, text: `${safeName(version, 60)} runs on ${there} of ${ecs.desired} tasks` };
}

const versionBack: Effect = effect({
  expect: '{previousVersion} runs on every task within 10 min, and the errors fall with the tasks that leave',
  withinMs: 10 * 60_000,
  ask: (_slots, facts) => ask('ecs.service', facts, {}, rightNow(facts)),
  judge(ecs, slots) {
    const version = String(slots['previousVersion'] ?? '');
    if (ecs.version !== version) return { state: 'not_applied', observed: `${safeName(ecs.version, 60)} is wanted` };
    const { done, text } = progress(ecs, version);
    return { state: done ? 'worked' : 'partly', observed: text };
  },
});

export const deploymentMitigations: Readonly<Record<string, Mitigation>> = {
  'deploy-history': {
    title: 'Look at what was brought out last',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run deploy:history -- --limit=5',
    alternative: DEPLOYMENTS,
  },
  rollback: {
    title: 'Go back to {previousVersion}, which ran healthy before',
    risk: 'reversible',
    riskText:
      'reversible: tasks are replaced one after another; look first whether the newer version changed the database in a way that the one before cannot read; to undo, bring the newer version out again',
    precheck: 'npm run deploy:history -- --limit=5',
    command: 'npm run deploy:rollback -- --service={service} --to-version={previousVersion}',
    alternative:
      'aws ecs update-service --region {region} --cluster {cluster} --service {ecsService} --task-definition {previousVersion}',
    verify: DEPLOYMENTS,
    effect: versionBack,
  },
  'watch-rollback': {
    title:
      'Watch the rollback: it is done when one deployment is left and the errors have fallen; do not roll back again',
    risk: 'read-only',
    riskText: 'reads only',
    command: DEPLOYMENTS,
  },
};
