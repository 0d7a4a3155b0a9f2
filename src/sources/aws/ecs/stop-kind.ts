/**
 * Why a task stopped, from what ECS says of it. Texts as in the developer guide ("Amazon ECS stopped tasks error
 * messages") and as ECS gives them; exit codes over 128 are 128 + the signal (137 SIGKILL, 139 SIGSEGV, 143 SIGTERM).
 */

import type { StopKind, StoppedTask } from '../../../model/aws.ts';

export interface StopFacts {
  readonly stopCode: string | null;
  /** As ECS gives it, not cut. */
  readonly reason: string;
  /** It was RUNNING at some time. */
  readonly started: boolean;
  readonly containers: readonly {
    readonly name: string;
    readonly exitCode: number | null;
    readonly reason: string | null;
  }[];
  /** Its deployment was no longer the wanted one when it stopped. */
  readonly replaced: boolean;
}

const SIGKILL = 137;

/** Containers that AWS adds to a task; how they fare says nothing of the service, and their images change by themselves. */
export function isInjected(container: string): boolean {
  return /^(aws-guardduty-agent|ecs-service-connect-|~internal~ecs)/.test(container);
}

export function stopKindOf({ stopCode, reason, started, containers, replaced }: StopFacts): StopKind {
  const own = containers.filter(({ name }) => !isInjected(name));
  const reasons = own.map((container) => container.reason ?? '').filter((text) => text !== '');
  if ([reason, ...reasons].some((text) => /\bOutOfMemory(Error)?\b/.test(text))) return 'out-of-memory';
  if (stopCode === 'SpotInterruption' || /\bspot\b.*\binterrupt/i.test(reason)) return 'spot';
  if (isHost(stopCode, reason)) return 'host';
  if (stopCode === 'UserInitiated' || /^Task stopped by user|forced by user/i.test(reason)) return 'user';
  if (/failed .*health checks?/i.test(reason)) return 'health-check-failed';
  const killed = own.some(({ exitCode }) => exitCode === SIGKILL);
  if (/^Scaling activity initiated by|rebalanc|draining/i.test(reason)) {
    if (killed) return 'slow-shutdown';
    return replaced ? 'deployment' : 'scaling';
  }
  // Beside a task that ran, a container's error may be one of a helper that never mattered.
  const failed = startFailure(started && stopCode !== 'TaskFailedToStart' ? [reason] : [reason, ...reasons]);
  if (failed !== null) return failed;
  if (stopCode === 'TaskFailedToStart') return 'start-failed';
  if (stopCode === 'EssentialContainerExited' || /essential container/i.test(reason)) {
    return 'essential-container-exited';
  }
  if (stopCode === 'ServiceSchedulerInitiated') {
    if (killed) return 'slow-shutdown';
    if (/deployment/i.test(reason)) return 'deployment';
  }
  return 'other';
}

/** An instance or Fargate's own hardware went away or is to be replaced. */
function isHost(stopCode: string | null, reason: string): boolean {
  return (
    stopCode === 'TerminationNotice' ||
    stopCode === 'InfrastructureHealth' ||
    /^Host EC2 \(instance|underlying infrastructure|task retirement|container instance is (unhealthy|impaired)/i.test(
      reason,
    )
  );
}

function startFailure(texts: readonly string[]): StopKind | null {
  // The name of the step, which stands there also when neither of the two was the matter.
  const plain = texts.map((text) => text.replace(/unable to pull secrets or registry auth/gi, ''));
  const any = (pattern: RegExp): boolean => plain.some((text) => pattern.test(text));
  if (any(/CannotPull\w*|pull image manifest/i)) return 'image-pull';
  if (any(/retrieve secrets? from (asm|ssm)|secret data from|secrets ?manager|parameter store|\b(asm|ssm)\b/i)) {
    return 'secrets';
  }
  if (any(/ecr registry auth|registry auth from|ECR: GetAuthorizationToken/i)) return 'image-pull';
  const others =
    /ResourceInitializationError|CannotStart\w*Error|CannotCreate\w*Error|ContainerRuntime\w*Error|DockerTimeoutError|InternalError|network interface provision|Create Network Interface|^Task failed to start|TaskFailedToStart/i;
  return any(others) ? 'start-failed' : null;
}

/** Whether nobody wanted the task to stop. A task that was killed for stopping slowly was to stop. */
export function isCrash({ kind, stopCode }: Pick<StoppedTask, 'kind' | 'stopCode'>): boolean {
  if (kind === 'other') return stopCode !== 'ServiceSchedulerInitiated';
  return kind !== 'scaling' && kind !== 'deployment' && kind !== 'user' && kind !== 'slow-shutdown';
}
