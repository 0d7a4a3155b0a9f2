/** What to do about a deployment that does not end: see where it stands, go back where there is something to go back to. */

import type { Mitigation } from '../detector.ts';
import { deploymentMitigations } from './deployment-mitigations.ts';

const look = (title: string, command: string): Mitigation => ({
  title,
  risk: 'read-only',
  riskText: 'reads only',
  command,
});

export const stuckDeploymentMitigations: Readonly<Record<string, Mitigation>> = {
  'deployment-status': look(
    'Look at the deployments: how many tasks of which version run, are pending, have failed',
    'aws ecs describe-services --region {region} --cluster {cluster} --services {ecsService} --query "services[0].deployments"',
  ),
  'service-events': look(
    'Look at the last events of the service',
    'aws ecs describe-services --region {region} --cluster {cluster} --services {ecsService} --query "services[0].events[0:10]"',
  ),
  rollback: deploymentMitigations['rollback']!,
};
