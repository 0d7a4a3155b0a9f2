/**
 * Why WebSocket connections are lost, refused or opened again and again: the load balancer's idle timeout, their
 * authentication, a limit, clients that all come back at once. Spread `websocketMitigations` into the detector's.
 */

import type { LogTemplate } from '../../model/index.ts';
import type { AnyProbe, Hypothesis } from '../detector.ts';
import { neutral } from '../evidence.ts';
import { versionBeforeProbe } from './explained-by-version.ts';
import { fullProbe } from './load-probes.ts';
import {
  acceptedProbe,
  lifetimeProbe,
  reopenedProbe,
  replacedTasksProbe,
  roomProbe,
  saidProbe,
  settingProbe,
} from './websocket-probes.ts';
import { reasonProbes } from './websocket-reasons.ts';

export { websocketMitigations } from './websocket-mitigations.ts';
export { type CloseReason, closeReason } from './websocket-reasons.ts';

/** New connections against what is usual, from which on it is a storm. */
const STORM = 5;

const IDLE =
  /idle.?timeout|timed out due to inactivity|(?:ping|pong|heartbeat) (?:timeout|missed|not received)|keep.?alive/i;
const LIMIT =
  /too many (?:open files|connections|clients|sockets)|\bEMFILE\b|\bENFILE\b|(?:connection|client|socket) limit|max(?:imum)?\s?(?:number of )?(?:connections|clients|sockets)|\bENOBUFS\b|handshake (?:queue|backlog)/i;
const SECRETS = /secret|jwt|jwks|signing.?key|\bkeys?\b.*rotat|rotat.*\bkeys?\b|issuer|audience|token/i;

const isIdle = ({ template }: LogTemplate): boolean => IDLE.test(template);
const isLimit = ({ template }: LogTemplate): boolean => LIMIT.test(template);
const isAuth = ({ kind, host }: LogTemplate): boolean => kind === 'authentication' && host === null;

export function websocketHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'idle-timeout',
      title: 'Idle timeout: connections are cut because nothing was sent for as long as the load balancer waits',
      prior: 0.1,
      on: 'self',
      requires: ['lifetime'],
      probes: [
        ...reasonProbes('idle', { most: 3, hardly: 3 }),
        lifetimeProbe({ near: 3, longer: 3 }),
        settingProbe(
          'timeout-change',
          'changes of timeouts and pings in the 2 h before',
          /idle.?timeout|ping|heart.?beat|keep.?alive/i,
          2,
        ),
        saidProbe('idle-messages', 'messages that speak of idle connections', isIdle, { most: 1.5, hardly: 1 }),
        acceptedProbe({ accepted: 0.3, refused: 3 }),
        versionBeforeProbe({ ifBefore: 0.5, ifNone: 0 }),
      ],
      mitigations: ['ws-connections', 'idle-timeout-look', 'ping-more-often', 'rollback', 'ws-logs'],
    },
    {
      cause: 'websocket-auth-failing',
      title: 'Authentication: connections are refused because their tokens are not accepted',
      prior: 0.12,
      on: 'self',
      probes: [
        ...reasonProbes('auth', { most: 3.5, hardly: 4 }),
        saidProbe('auth-messages', 'messages that speak of authentication', isAuth, { most: 2.2, hardly: 1.5 }),
        settingProbe('key-change', 'changes of keys, issuers and secrets in the 2 h before', SECRETS, 2),
        acceptedProbe({ accepted: -1.5, refused: -0.7 }),
        versionBeforeProbe({ ifBefore: -5.5, ifNone: 0 }),
      ],
      mitigations: ['ws-logs', 'secret-changes', 'ws-connections'],
    },
    {
      cause: 'too-many-connections',
      title: 'Too many connections: the tasks take no more of them',
      prior: 0.1,
      on: 'self',
      probes: [
        ...reasonProbes('limit', { most: 3.5, hardly: 4 }),
        saidProbe('limit-messages', 'messages that speak of a limit', isLimit, { most: 2.5, hardly: 1.2 }),
        roomProbe(),
        fullProbe('cpu', 1),
        fullProbe('memory', 1),
        settingProbe('limit-change', 'changes of limits in the 2 h before', /max.?(?:connections|clients)|limit/i, 1.5),
      ].map(onlyFor),
      mitigations: ['ws-connections', 'scale-up', 'ws-logs', 'load-look'],
    },
    {
      cause: 'reconnect-storm',
      title: 'Reconnect storm: clients come back all at once after their tasks were replaced or the way was cut',
      prior: 0.12,
      on: 'self',
      requires: ['new-connections'],
      probes: [
        reopenedProbe(STORM, { storm: 2.2, calm: 4 }),
        replacedTasksProbe({ replaced: 1.8, crashed: 4 }),
        acceptedProbe({ accepted: 1, refused: 2.5 }),
        lifetimeProbe({ near: -3.5, longer: 0 }),
        ...reasonProbes('idle', { most: -4, hardly: 0 }),
        roomProbe(),
      ],
      mitigations: ['ws-connections', 'ws-logs', 'scale-up', 'target-health'],
    },
  ];
}

/** A limit of connections is reached with CPU and memory to spare as well: that they are full tells, that they are not does not. */
function onlyFor(probe: AnyProbe): AnyProbe {
  if (probe.factor !== 'saturation') return probe;
  return {
    ...probe,
    judge(...given) {
      const judged = probe.judge(...given);
      return judged.weight < 0 ? neutral(judged.observed) : judged;
    },
  };
}

/**
 * A deployment replaces tasks and cuts their connections: where all that come back are accepted, it is the way that it
 * was brought out, and not its version.
 */
export function withWebsocketDoubts(deployments: readonly Hypothesis[]): readonly Hypothesis[] {
  const doubts = [acceptedProbe({ accepted: -4, refused: 0 })];
  return deployments.map((one) => ({ ...one, probes: [...one.probes, ...doubts] }));
}
