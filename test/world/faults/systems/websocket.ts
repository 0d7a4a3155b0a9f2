/** Faults whose first symptom is WebSocket connections that are lost, turned away, or opened again and again. */

import { crashPace } from '../services/fault.ts';
import { befall, type SystemFault } from './fault.ts';

const trouble = (cause: string) => ({ detector: 'websocket-trouble', target: 'websocket', cause });
export const WEBSOCKET_WATCH = ['websocket'] as const;

const METRIC = 'npm run metrics:websocket -- --window=15m --metric=active_connections';
const LOGS = 'aws logs tail /aws/ecs/rastup-prod/websocket-service --region us-east-1';
const DEPLOYED = { detector: 'service-unavailable', target: 'websocket', subject: 'deployment' } as const;

export const websocketFaults: readonly SystemFault[] = [
  {
    name: 'ws-idle-timeout',
    title: 'the new app sends pings every two minutes: the load balancer cuts what is silent for one',
    expect: {
      ...trouble('idle-timeout'),
      commands: [METRIC, 'npm run config:update -- --key=websocket.ping_interval_ms --value=30000'],
      says: [/connections live for/, /cuts idle ones after 1 min/],
    },
    watch: WEBSOCKET_WATCH,
    inject: (world) =>
      befall(world, ({ measure }) => {
        measure('websocket', { idle: { share: 0.7, seconds: 60 } });
        return {};
      }),
  },
  {
    name: 'ws-reconnect-storm',
    title: 'version 512 of websocket is brought out, and the clients of the old tasks come back all at once',
    expect: {
      ...trouble('reconnect-storm'),
      commands: [METRIC, '--desired-count'],
      says: [/new connections a period, .*× the usual/, /by a deployment/],
    },
    also: [DEPLOYED],
    lookAlikeOf: 'ws-idle-timeout',
    watch: WEBSOCKET_WATCH,
    inject: (world) =>
      befall(world, ({ measure, deploy }) => {
        deploy('websocket', 512);
        measure('websocket', { cut: { share: 0.95, code: '1012', backMinutes: 3 } });
        return {};
      }),
  },
  {
    name: 'ws-targets-unhealthy',
    title: 'the tasks of websocket do not pass the health check any more and are replaced, with all who were connected',
    expect: {
      ...trouble('service-crashed'),
      variant: 'health-check-failed',
      commands: ['aws elbv2 describe-target-health'],
      says: [/health check/i],
    },
    also: [
      { detector: 'service-unavailable', target: 'websocket' },
      { detector: 'high-error-rate', target: 'websocket' },
      DEPLOYED,
    ],
    lookAlikeOf: 'ws-reconnect-storm',
    watch: WEBSOCKET_WATCH,
    inject: (world) =>
      befall(world, ({ measure, affect, undo }) => {
        const { healthSeconds, startSeconds } = crashPace(world, 0);
        const end = world.fleet.unhealthyTargets('websocket', {
          reason: 'Target.Timeout',
          replaceAfterSeconds: healthSeconds + startSeconds + 20,
        });
        undo(() => end());
        measure('websocket', { cut: { share: 0.9, code: '1001', backMinutes: 40 } });
        affect('websocket', { errors: { share: 0.4, status: 503 } });
        return {};
      }),
  },
  {
    name: 'ws-tokens-refused',
    title: 'the identity provider signs with a key that websocket does not know: it refuses five of six handshakes',
    expect: {
      ...trouble('websocket-auth-failing'),
      commands: [LOGS, 'aws secretsmanager list-secrets'],
      says: [/of new connections fail/, /reason auth|of authentication/, /invalid signature/],
    },
    watch: WEBSOCKET_WATCH,
    inject: (world) =>
      befall(world, ({ measure, affect }) => {
        measure('websocket', { refused: { share: 0.85, status: '401' } });
        affect('websocket', {
          log: { perMinute: 90, messages: ['JsonWebTokenError: invalid signature (handshake {id})'] },
        });
        return {};
      }),
  },
  {
    name: 'ws-tokens-refused-by-version',
    title: 'version 512 of websocket expects another audience in tokens, and refuses four of five handshakes',
    expect: {
      ...trouble('recent-deployment'),
      commands: ['npm run deploy:rollback -- --service=websocket --to-version=websocket:511'],
      says: [/of new connections fail/, /websocket:512/],
    },
    also: [DEPLOYED],
    lookAlikeOf: 'ws-tokens-refused',
    watch: WEBSOCKET_WATCH,
    inject: (world) =>
      befall(world, ({ measure, affect, deploy }) => {
        deploy('websocket', 512);
        measure('websocket', { refused: { share: 0.8, status: '401' } });
        affect('websocket', {
          log: {
            perMinute: 90,
            version: '512',
            messages: ['JsonWebTokenError: jwt audience invalid. expected: rastup-realtime (handshake {id})'],
          },
        });
        return {};
      }),
  },
  {
    name: 'ws-too-many',
    title: 'a campaign: the tasks hold as many connections as they may and turn away who comes next',
    expect: {
      ...trouble('too-many-connections'),
      commands: [METRIC, '--service websocket-service --desired-count 6'],
      says: [/of new connections fail/, /of a limit|reason limit/, /connection limit/],
    },
    lookAlikeOf: 'ws-tokens-refused',
    watch: WEBSOCKET_WATCH,
    inject: (world) =>
      befall(world, ({ measure, affect }) => {
        measure('websocket', { demandFactor: 1.6, limit: 8_000 });
        affect('websocket', {
          log: {
            perMinute: 120,
            messages: ['Error: connection limit of 2000 reached, handshake refused (client {id})'],
          },
        });
        return {};
      }),
  },
  {
    name: 'ws-bad-task',
    title: 'one task of websocket has leaked its file descriptors and fails every handshake that it gets',
    expect: {
      ...trouble('bad-task'),
      commands: ['aws ecs stop-task', '--task {task}'],
      says: [/of new connections fail/, /one of 4/],
    },
    lookAlikeOf: 'ws-too-many',
    watch: WEBSOCKET_WATCH,
    inject: (world) =>
      befall(world, ({ measure, affect }) => {
        const task = world.fleet.runningTasks('websocket')[1]!;
        measure('websocket', { refused: { share: 0.25, status: '500' } });
        affect('websocket', {
          log: { perMinute: 80, messages: ["Error: EMFILE: too many open files, open '/srv/app/session.key'"], task },
        });
        return { task };
      }),
  },
];
