/**
 * Why a task of ECS stops, in the vendor's words: stopCode, stoppedReason, and the container's exit code and reason.
 * Texts from the ECS developer guide, "Amazon ECS stopped tasks error messages", and from DescribeTasks answers.
 */

export type StopReason =
  | 'out-of-memory'
  | 'exit'
  | 'segfault'
  | 'health-check'
  | 'container-health-check'
  | 'image-pull'
  | 'secrets'
  | 'start-failed'
  | 'runtime-timeout'
  | 'slow-shutdown'
  | 'scaling'
  | 'spot'
  | 'host'
  | 'user';

export interface StopDetail {
  readonly stopCode: string;
  readonly reason: string;
  readonly exitCode: number | null;
  readonly containerReason: string | null;
  /** False when the task never reached RUNNING. */
  readonly starts: boolean;
}

export interface StopContext {
  readonly targetGroupArn: string;
  readonly deployment: string;
  readonly image: string;
  readonly region: string;
  readonly instanceId: string;
}

export function stopDetail(
  kind: StopReason,
  context: StopContext,
  given: { readonly [K in keyof StopDetail]?: StopDetail[K] | undefined } = {},
): StopDetail {
  const base = DETAILS[kind](context);
  return {
    stopCode: given.stopCode ?? base.stopCode,
    reason: given.reason ?? base.reason,
    exitCode: given.exitCode === undefined ? base.exitCode : given.exitCode,
    containerReason: given.containerReason === undefined ? base.containerReason : given.containerReason,
    starts: given.starts ?? base.starts,
  };
}

const detail = (
  stopCode: string,
  reason: string,
  exitCode: number | null,
  containerReason: string | null = null,
  starts = true,
): StopDetail => ({ stopCode, reason, exitCode, containerReason, starts });

const EXITED = 'Essential container in task exited';

const DETAILS: Readonly<Record<StopReason, (context: StopContext) => StopDetail>> = {
  'out-of-memory': () =>
    detail('EssentialContainerExited', EXITED, 137, 'OutOfMemoryError: Container killed due to memory usage'),
  exit: () => detail('EssentialContainerExited', EXITED, 1),
  segfault: () => detail('EssentialContainerExited', EXITED, 139),
  'health-check': ({ targetGroupArn }) =>
    detail('ServiceSchedulerInitiated', `Task failed ELB health checks in (target-group ${targetGroupArn})`, 143),
  'container-health-check': () => detail('ServiceSchedulerInitiated', 'Task failed container health checks', 143),
  'image-pull': ({ image }) =>
    detail(
      'TaskFailedToStart',
      `CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref ${image}: ${image}: not found`,
      null,
      `CannotPullContainerError: pull image manifest has been retried 7 time(s): failed to resolve ref ${image}: ${image}: not found`,
      false,
    ),
  secrets: ({ region }) =>
    detail(
      'TaskFailedToStart',
      'ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: ' +
        'unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret ' +
        `arn:aws:secretsmanager:${region}:123456789012:secret:rastup/database from secrets manager: AccessDeniedException`,
      null,
      null,
      false,
    ),
  'start-failed': () =>
    detail(
      'TaskFailedToStart',
      'CannotStartContainerError: Error response from daemon: failed to create task for container: OCI runtime create ' +
        'failed: exec: "server": executable file not found in $PATH',
      null,
      'CannotStartContainerError: Error response from daemon: OCI runtime create failed',
      false,
    ),
  'runtime-timeout': () =>
    detail(
      'TaskFailedToStart',
      'ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m0s',
      null,
      'ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m0s',
      false,
    ),
  'slow-shutdown': ({ deployment }) =>
    detail('ServiceSchedulerInitiated', `Scaling activity initiated by (deployment ${deployment})`, 137),
  scaling: ({ deployment }) =>
    detail('ServiceSchedulerInitiated', `Scaling activity initiated by (deployment ${deployment})`, 143),
  spot: () => detail('SpotInterruption', 'Your Spot Task was interrupted.', 143),
  host: ({ instanceId }) => detail('TerminationNotice', `Host EC2 (instance ${instanceId}) terminated.`, null),
  user: () => detail('UserInitiated', 'Task stopped by user', 143),
};
