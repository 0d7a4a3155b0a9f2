/** What to do about a cluster without room: look at what it has, let the group of its instances grow. */

import type { Mitigation } from '../detector.ts';
import { ask, effect, rightNow } from '../detector.ts';
import { stuckDeploymentMitigations } from './stuck-deployment-mitigations.ts';

const look = (title: string, command: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
});

const GROUP =
  'aws autoscaling describe-auto-scaling-groups --region {region} --auto-scaling-group-names {autoScalingGroup} --query "AutoScalingGroups[0].[MinSize,DesiredCapacity,MaxSize]"';

export const capacityMitigations: Readonly<Record<string, Mitigation>> = {
  'cluster-capacity': look(
    'Look at the capacity of the cluster',
    'aws ecs describe-clusters --region {region} --clusters {cluster} --include STATISTICS',
  ),
  'container-instances': look(
    'List the instances of the cluster',
    'aws ecs list-container-instances --region {region} --cluster {cluster}',
  ),
  'scaling-activities': look(
    'Look at why the group of instances does not grow',
    'aws autoscaling describe-scaling-activities --region {region} --auto-scaling-group-name {autoScalingGroup} --max-items 5',
  ),
  'service-events': stuckDeploymentMitigations['service-events']!,
  'fargate-quotas': look(
    'Look at the quotas of Fargate',
    'aws service-quotas list-service-quotas --region {region} --service-code fargate --query "Quotas[].[QuotaName,Value]"',
  ),
  'scale-cluster': {
    title: 'Scale the cluster: {instanceCount} instances in {autoScalingGroup} (there is no such group on Fargate)',
    risk: 'reversible',
    riskText:
      'reversible: new instances cost money from their first minute; where a capacity provider manages the group it may set its own size again; to undo, set the size that the first command shows',
    precheck: GROUP,
    command:
      'aws autoscaling set-desired-capacity --region {region} --auto-scaling-group-name {autoScalingGroup} --desired-capacity {instanceCount}',
    verify: GROUP,
    effect: effect({
      expect: 'an instance has room within 5 min, and the wanted tasks run within 10 min',
      withinMs: 10 * 60_000,
      ask: (_slots, facts) => ask('ecs.capacity', facts, {}, rightNow(facts)),
      judge({ autoScalingGroup: group, fitting, instances }, slots) {
        const wanted = Number(slots['instanceCount'] ?? Number.POSITIVE_INFINITY);
        if (group === null || group.desired < wanted) {
          return { state: 'not_applied', observed: `${group?.desired ?? instances} instances are wanted` };
        }
        const observed = `${group.inService} of ${group.desired} instances are in service, ${fitting ?? 0} with room`;
        return { state: group.inService >= group.desired ? 'worked' : 'partly', observed };
      },
    }),
  },
};
