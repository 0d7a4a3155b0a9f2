/** Faults of a vendor, of our way to it, and of our own that only look like the vendor's. */

import type { VendorName } from '../../cloud.ts';
import type { SystemsWorld } from '../../systems.ts';
import { befall, type SystemFault, type SystemMaking } from './fault.ts';

const trouble = (target: VendorName, cause: string) => ({ detector: 'dependency-trouble', target, cause });
export const VENDOR_WATCH = ['api', 'stripe', 'twilio'] as const;

const CALLERS = { 'api.stripe.com': ['api', 'payment'], 'api.twilio.com': ['api', 'messaging'] } as const;
type Host = keyof typeof CALLERS;

const FELT = [
  { detector: 'high-error-rate', target: 'api' },
  { detector: 'high-latency', target: 'api' },
] as const;

interface Calls {
  readonly errorShare?: number;
  readonly latencyAddSeconds?: number;
  /** As the counter of failed calls names it. */
  readonly reason?: string;
  readonly messages?: readonly string[];
  /** Share of the requests of the api that fail with it; default none: it does without. */
  readonly felt?: number;
}

/** Everybody who calls the host meets it; the api says so. */
function callsOf({ affect, measure }: SystemMaking, host: Host, calls: Calls): void {
  const { errorShare, latencyAddSeconds, reason, messages, felt } = calls;
  const dependency = {
    host,
    ...(errorShare === undefined ? {} : { errorShare }),
    ...(latencyAddSeconds === undefined ? {} : { latencyAddSeconds }),
  };
  for (const service of CALLERS[host]) affect(service, { dependency });
  if (reason !== undefined) measure('vendors', { host, reason });
  const log = messages === undefined ? {} : { log: { perMinute: 60, messages } };
  affect('api', {
    ...log,
    ...(felt === undefined ? {} : { errors: { share: felt, status: 502, endpoint: 'POST /v1/checkout' } }),
  });
}

function onPage(world: SystemsWorld, { undo }: SystemMaking, vendor: VendorName, incident: string): void {
  world.vendors[vendor].say('major', incident);
  undo(() => world.vendors[vendor].say('none'));
}

const STRIPE_503 = 'Error: https://api.stripe.com/v1/charges answered 503 Service Unavailable (request req_{id})';

export const dependencyFaults: readonly SystemFault[] = [
  {
    name: 'vendor-down-said',
    title: 'Stripe does not answer, says so, and checkouts fail for it',
    expect: {
      ...trouble('stripe', 'external-service'),
      variant: 'down',
      commands: ['npm run flags:disable -- --flag=stripe_enabled', 'https://api.stripe.com/'],
      says: [/of our calls fail/, /Elevated errors on the API/],
    },
    also: FELT,
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        callsOf(moves, 'api.stripe.com', {
          errorShare: 0.7,
          latencyAddSeconds: 2,
          reason: 'timeout',
          messages: ['Error: request to https://api.stripe.com/v1/charges failed, reason: connect ETIMEDOUT {ip}:443'],
          felt: 0.6,
        });
        onPage(world, moves, 'stripe', 'Elevated errors on the API');
        return {};
      }),
  },
  {
    name: 'vendor-down-unsaid',
    title: 'Stripe answers one call in three with 503, and its page says that all is well; the api does without',
    expect: {
      ...trouble('stripe', 'external-service'),
      variant: 'down',
      commands: ['npm run flags:disable -- --flag=stripe_enabled', 'npm run status:external-services'],
      says: [/\d % of our calls fail/, /with an error of its own/, /All Systems Operational/],
    },
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        callsOf(moves, 'api.stripe.com', { errorShare: 0.35, reason: '5xx', messages: [STRIPE_503] });
        return {};
      }),
  },
  {
    name: 'vendor-key-revoked',
    title: 'somebody revoked our key at Stripe: every call is answered with 401',
    expect: {
      ...trouble('stripe', 'our-side'),
      variant: 'credentials',
      commands: ['aws secretsmanager list-secrets'],
      says: [/at our credentials/],
    },
    lookAlikeOf: 'vendor-down-unsaid',
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        callsOf(moves, 'api.stripe.com', {
          errorShare: 0.98,
          reason: '401',
          messages: [
            'StripeAuthenticationError: Expired API key: https://api.stripe.com/v1/charges answered status code 401',
          ],
        });
        return {};
      }),
  },
  {
    name: 'vendor-limits-us',
    title: 'a job sends reminders to everybody: Twilio answers two calls in five with 429',
    expect: {
      ...trouble('twilio', 'rate-limited'),
      variant: 'theirs',
      commands: ['npm run status:external-services', 'npm run flags:enable -- --flag=twilio_api_cache_enabled'],
      says: [/at a limit \(429\)/],
    },
    lookAlikeOf: 'vendor-down-unsaid',
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        callsOf(moves, 'api.twilio.com', {
          errorShare: 0.4,
          reason: '429',
          messages: [
            'Error: https://api.twilio.com/2010-04-01/Accounts answered 429 Too Many Requests for message {id}',
          ],
        });
        return {};
      }),
  },
  {
    name: 'vendor-name',
    title: "a private zone for stripe.com, made for a test, hides the vendor's names from us",
    expect: {
      ...trouble('stripe', 'our-side'),
      variant: 'dns',
      commands: ['dig +short api.stripe.com'],
      says: [/at its name/],
    },
    lookAlikeOf: 'vendor-down-unsaid',
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        callsOf(moves, 'api.stripe.com', {
          errorShare: 0.97,
          reason: 'dns',
          messages: ['Error: getaddrinfo ENOTFOUND api.stripe.com (request {id})'],
        });
        moves.measure('vendors', { host: 'files.stripe.com', reason: 'dns', errorShare: 0.97 });
        return {};
      }),
  },
  {
    name: 'vendor-one-host',
    title: 'only the host of Stripe that takes files fails; payments go on',
    expect: {
      ...trouble('stripe', 'external-service'),
      variant: 'down',
      commands: ['https://files.stripe.com/'],
      says: [/files\.stripe\.com/],
    },
    lookAlikeOf: 'vendor-name',
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        moves.measure('vendors', { host: 'files.stripe.com', reason: '5xx', errorShare: 0.8 });
        moves.affect('api', {
          log: {
            perMinute: 60,
            messages: ['Error: https://files.stripe.com/v1/files answered 503 Service Unavailable (dispute {id})'],
          },
        });
        return {};
      }),
  },
  {
    name: 'vendor-slow',
    title: 'Stripe takes two seconds more for every call, and its page is silent',
    expect: {
      ...trouble('stripe', 'external-service'),
      variant: 'slow',
      commands: [
        'npm run flags:enable -- --flag=stripe_api_cache_enabled',
        'npm run config:update -- --key=stripe.timeout_ms --value=2000',
      ],
      says: [/p95 of our calls/, /calls to other hosts take/],
    },
    also: FELT,
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        callsOf(moves, 'api.stripe.com', { latencyAddSeconds: 2.1 });
        return {};
      }),
  },
  {
    name: 'vendor-slow-by-us',
    title: 'a loop in the api keeps its CPU busy: whatever it calls seems slow',
    expect: {
      ...trouble('stripe', 'service-saturated'),
      variant: 'cpu',
      on: 'api',
      commands: ['npm run metrics:infra -- --services=api --metrics=cpu,memory'],
      says: [/calls to other hosts take/, /api\.twilio\.com/],
    },
    also: [
      ...FELT,
      { detector: 'high-cpu-memory', target: 'api' },
      { detector: 'dependency-trouble', target: 'twilio' },
    ],
    lookAlikeOf: 'vendor-slow',
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, ({ affect }) => {
        affect('api', { cpu: { add: 0.6 }, latency: { factor: 4 } });
        affect('api', { dependency: { host: 'api.stripe.com', latencyAddSeconds: 1.6 } });
        affect('api', { dependency: { host: 'api.twilio.com', latencyAddSeconds: 1.6 } });
        return {};
      }),
  },
  {
    name: 'vendor-slow-way',
    title: 'the proxy that all calls of the api go through is slow, with CPU to spare in the api',
    expect: {
      ...trouble('stripe', 'our-side'),
      variant: 'slow',
      on: 'api',
      commands: ['npm run metrics:external-services -- --window=15m --metric=latency'],
      says: [/calls to other hosts take longer too/],
    },
    also: [...FELT, { detector: 'dependency-trouble', target: 'twilio' }],
    lookAlikeOf: 'vendor-slow',
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, ({ affect }) => {
        for (const host of ['api.stripe.com', 'api.twilio.com']) {
          affect('api', { dependency: { host, latencyAddSeconds: 1.8 } });
        }
        return {};
      }),
  },
  {
    name: 'vendor-way-out',
    title: 'the route to the internet is gone from the subnets of the api: it reaches no vendor',
    expect: {
      ...trouble('stripe', 'our-side'),
      variant: 'egress',
      commands: ['aws ec2 describe-nat-gateways', 'https://api.stripe.com/'],
      says: [/without an answer/, /calls to others fail in the same way|name other hosts in the same way/],
    },
    also: [...FELT, { detector: 'dependency-trouble', target: 'twilio' }],
    lookAlikeOf: 'vendor-down-said',
    watch: VENDOR_WATCH,
    inject: (world) =>
      befall(world, (moves) => {
        for (const host of ['api.stripe.com', 'api.twilio.com'] as const) {
          callsOf(moves, host, {
            errorShare: 0.95,
            reason: 'timeout',
            messages: [`Error: connect ETIMEDOUT {ip}:443, request to https://${host}/v1 failed (request {id})`],
            felt: 0.4,
          });
        }
        return {};
      }),
  },
];
