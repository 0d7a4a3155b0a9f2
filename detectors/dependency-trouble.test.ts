import { failureKind, type LogTemplate, type Reading, type Target, type VendorStatusAnswer } from 'runbookd/sdk';
import { type CaseAnswers, describeDetector, diagnoseWith, judge, unknownAnswer } from 'runbookd/testing';
import { expect, test } from 'vitest';
import {
  alone,
  type Counts,
  change,
  confidenceOf,
  counts,
  even,
  logs,
  MINUTE,
  ONSET,
  STRIPE,
  service,
  status,
  template,
} from '../test/cases/service.ts';
import { detector } from './dependency-trouble.ts';

const of = (signal: string, before: number, after: readonly number[], over: Counts = {}): Reading =>
  counts(signal, before, after, { target: 'stripe', ...over });
const page = (...after: readonly number[]): Reading => of('vendor_indicator', 0, after);
const calls = (...after: readonly number[]): Reading => of('dependency_requests', 300, after);
const failed = (reason: string, ...after: readonly number[]): Reading =>
  of('dependency_errors', 0.6, after, reason === '' ? {} : { labels: { reason } });
const latency = (...after: readonly number[]): Reading => of('dependency_latency_p95', 0.2, after, { unit: 's' });

const keyOf = (one: Reading): string => JSON.stringify([one.signal, one.labels]);
const QUIET = [page(0, 0, 0), calls(300, 298, 304), failed('', 1, 0, 1), latency(0.2, 0.21, 0.19)] as const;
function world(...now: readonly Reading[]): readonly Reading[] {
  const changed = new Set(now.map(keyOf));
  return [...now, ...QUIET.filter((one) => !changed.has(keyOf(one)))];
}
const PAGE_ONLY = [page(0, 2, 2)];

const CALM = {
  'vendor.status': status('none', 'All Systems Operational'),
  'logs.errors': logs([]),
  changes: { changes: [] },
} satisfies CaseAnswers;
const MAJOR: VendorStatusAnswer = {
  ...status('major', 'Partial System Outage'),
  components: [{ name: 'API', status: 'major_outage' }],
};

const said = (text: string, kind: LogTemplate['kind'], n: number, host = 'api.stripe.com'): LogTemplate =>
  template(text, kind, n, { host });
const TIMEOUTS = said('request to https://api.stripe.com/<*> failed, reason: connect ETIMEDOUT <*>', 'timeout', 580);
const world5 = (reason: string): readonly Reading[] => world(failed(reason, 60, 70, 80, 75, 72));

const ours = (
  variant: string,
  reason: string,
  templates: readonly LogTemplate[],
  command: RegExp,
  summary: string | null = null,
) => ({
  name: `our side: ${variant}${summary === null ? '' : `, since ${summary}`}`,
  readings: world5(reason),
  answers: {
    ...CALM,
    'logs.errors': logs(templates, even(60)),
    ...(summary === null ? {} : { changes: { changes: [change('api', summary, ONSET - 4 * MINUTE)] } }),
  },
  first: { cause: 'our-side', variant },
  atLeast: 0.8,
  commands: [command],
  check: alone,
});

const NO_NAME = said('Error: getaddrinfo ENOTFOUND api.stripe.com', 'name-resolution', 300);
const NO_TRUST = said('unable to get local issuer certificate: api.stripe.com', 'tls', 300);
const NO_KEY = said('StripeAuthenticationError: Invalid API Key provided: api.stripe.com', 'authentication', 300);

const CALLER = service('api', ['stripe', 'twilio']);
/** Calls of the api as it counts them itself: those to Stripe and to Twilio, each p95 at the last five periods. */
const seen = (stripe: number, twilio: number): readonly Reading[] =>
  (
    [
      ['api.stripe.com', 0.2, stripe],
      ['api.twilio.com', 0.3, twilio],
    ] as const
  ).map(([host, before, after]) =>
    counts('dependency_latency_p95', before, [after, after, after, after, after], {
      target: 'api',
      unit: 's',
      labels: { host },
    }),
  );
const cpu = (before: number, after: number): Reading =>
  counts('cpu', before, [after, after, after, after, after], { target: 'api', unit: 'ratio' });
const SLOW = latency(1.9, 2, 2.1, 2, 2);

/** Stripe has two hosts, each counted. */
const TWO: Target = { ...STRIPE, hosts: ['api.stripe.com', 'files.stripe.com'] };
const byHost = (signal: string, host: string, before: number, after: number, reason?: string): Reading =>
  of(signal, before, [after, after, after, after, after], {
    labels: { host, ...(reason === undefined ? {} : { reason }) },
  });

describeDetector(detector, {
  target: STRIPE,
  dependencies: [CALLER],
  silent: [
    { name: 'all is well', readings: world() },
    { name: 'a minor incident', readings: world(page(1, 1, 1)) },
    { name: 'one poll only', readings: world(page(0, 0, 2)) },
    { name: 'a few failed calls', readings: world(failed('timeout', 2, 1, 3)) },
    { name: 'slow for three minutes', readings: world(latency(0.5, 0.6, 0.5)) },
    {
      name: 'slower by less than 50 ms',
      readings: world(of('dependency_latency_p95', 0.02, [0.06, 0.06, 0.06, 0.06, 0.06], { unit: 's' })),
    },
    { name: 'it has a page and nothing else, and is well', readings: [page(0, 0, 0)] },
  ],
  firing: [
    {
      name: 'the page alone, of a major incident, never pages',
      readings: PAGE_ONLY,
      severity: 'info',
      headline: /^its status page tells of a major incident$/,
    },
    { name: 'the page alone, of a critical incident', readings: [page(3, 3, 3)], severity: 'warning' },
    {
      name: 'a critical incident that does not touch our calls',
      readings: world(page(3, 3, 3)),
      severity: 'info',
      headline: /a critical incident, our calls are as before$/,
    },
    {
      name: 'our calls fail',
      readings: world(page(2, 2, 2), failed('timeout', 60, 70, 80, 75, 72)),
      severity: 'error',
      headline: /^24 % of our calls fail \(baseline 0\.[0-9] %\)$/,
    },
    {
      name: 'most of our calls fail',
      readings: world(failed('timeout', 260, 270, 280, 275, 272)),
      severity: 'critical',
    },
    {
      name: 'it is slow',
      readings: world(latency(0.9, 1, 1.1, 1, 1)),
      severity: 'warning',
      headline: /^p95 of our calls 1 s \(5× the baseline 0\.2 s\)$/,
    },
  ],
  missing: [
    { name: 'nothing is known of it', readings: [] },
    { name: 'its page is not seen any more', readings: [{ ...page(2, 2, 2), freshness: 'missing' }] },
  ],
  causes: [
    {
      name: 'it is down: calls time out, others do not, and its page says so',
      readings: world(page(0, 2, 2), ...world5('timeout')),
      answers: { ...CALM, 'vendor.status': MAJOR, 'logs.errors': logs([TIMEOUTS], even(90)) },
      first: { cause: 'external-service', variant: 'down' },
      atLeast: 0.9,
      commands: [
        /^curl -sS -m 10 https:\/\/status\.stripe\.com\/api\/v2\/status\.json$/,
        /flags:disable -- --flag=stripe_enabled/,
      ],
      check: alone,
    },
    {
      name: 'it is down and its page is green: pages lag',
      readings: world5('500'),
      answers: { ...CALM, 'logs.errors': unknownAnswer('not_configured', 'no log group') },
      first: { cause: 'external-service', variant: 'down' },
      atLeast: 0.8,
      check: alone,
    },
    {
      name: 'it is slow',
      readings: world(latency(1.9, 2, 2.1, 2, 2)),
      answers: CALM,
      first: { cause: 'external-service', variant: 'slow' },
      atLeast: 0.8,
      commands: [
        /flags:enable -- --flag=stripe_api_cache_enabled/,
        /config:update -- --key=stripe\.timeout_ms --value=1000/,
        /metrics:external-services -- --window=15m --metric=latency/,
      ],
      check: alone,
    },
    {
      name: 'it only says so: what we call is not touched, as far as we see',
      readings: PAGE_ONLY,
      answers: { ...CALM, 'vendor.status': MAJOR, 'logs.errors': unknownAnswer('not_configured', 'no log group') },
      first: { cause: 'external-service', variant: 'announced' },
      atLeast: 0.8,
      commands: [/status\.stripe\.com/],
      check: alone,
    },
    {
      name: 'it says so, and our calls are well',
      readings: world(page(2, 2, 2)),
      answers: { ...CALM, 'vendor.status': MAJOR },
      first: { cause: 'external-service', variant: 'announced' },
      atLeast: 0.8,
      check: (diagnosis) => {
        alone(diagnosis);
        expect(confidenceOf(diagnosis, 'external-service', 'down')).toBeLessThan(0.05);
      },
    },
    {
      name: 'it limits our calls: it does answer',
      readings: world(calls(520, 540, 530, 525, 530), failed('429', 200, 230, 220, 215, 220)),
      answers: {
        ...CALM,
        'logs.errors': logs([said('Stripe: 429 Too Many Requests', 'rate-limited', 900)], even(150)),
      },
      first: { cause: 'rate-limited', variant: 'theirs' },
      atLeast: 0.9,
      commands: [/status:external-services/, /flags:enable/],
      check: alone,
    },
    {
      name: 'it is slow, and the others whom we call are as fast as ever',
      readings: [...world(SLOW), ...seen(2, 0.3), cpu(0.4, 0.4)],
      answers: CALM,
      first: { cause: 'external-service', variant: 'slow', on: 'stripe' },
      atLeast: 0.9,
      check: alone,
    },
    {
      name: 'the caller has no CPU left: everybody whom it calls seems slow',
      readings: [...world(SLOW), ...seen(2, 2.1), cpu(0.4, 0.97)],
      answers: CALM,
      first: { cause: 'service-saturated', variant: 'cpu', on: 'api' },
      atLeast: 0.9,
      commands: [/^npm run metrics:infra -- --services=api --metrics=cpu,memory$/],
      check: alone,
    },
    {
      name: 'everybody whom the caller calls seems slow, and it has CPU to spare',
      readings: [...world(SLOW), ...seen(2, 2.1), cpu(0.4, 0.4)],
      answers: CALM,
      first: { cause: 'our-side', variant: 'slow', on: 'api' },
      atLeast: 0.8,
      commands: [/metrics:external-services/],
      check: alone,
    },
    ours('credentials', '401', [NO_KEY], /secretsmanager list-secrets/),
    ours('credentials', '', [NO_KEY], /secretsmanager list-secrets/, 'secret stripe_api_key was rotated'),
    ours('dns', 'ENOTFOUND', [NO_NAME], /^dig \+short api\.stripe\.com$/),
    ours('dns', 'dns', [NO_NAME, said('ENOTFOUND api.twilio.com', 'name-resolution', 90, 'api.twilio.com')], /^dig /),
    ours('tls', 'tls', [NO_TRUST], /openssl s_client -connect api\.stripe\.com:443/),
    ours(
      'egress',
      'timeout',
      [TIMEOUTS, said('connect ETIMEDOUT api.twilio.com', 'timeout', 300, 'api.twilio.com')],
      /describe-nat-gateways/,
    ),
    {
      name: 'its name is gone, and its page says so: it is not our resolver',
      readings: world(page(2, 2, 2), ...world5('dns')),
      answers: { ...CALM, 'vendor.status': MAJOR },
      first: { cause: 'external-service', variant: 'down' },
      check: (diagnosis) => {
        expect(confidenceOf(diagnosis, 'our-side', 'dns')).toBeLessThan(0.3);
      },
    },
    {
      name: 'its page cannot be read now, and calls fail for nobody knows what',
      readings: world(failed('', 60, 70, 80, 75, 72)),
      answers: { ...CALM, 'vendor.status': unknownAnswer('timeout', 'no answer in 4.5 s') },
      first: { cause: 'external-service', variant: 'down' },
      check: (diagnosis) => {
        expect(diagnosis.causes[0]!.confidence).toBeLessThan(0.85);
        expect(diagnosis.gaps.map((gap) => gap.what)).toContain("stripe: the vendor's status page");
      },
    },
  ],
});

test('of several hosts, the one that fails is named and asked', () => {
  const readings = [
    byHost('dependency_requests', 'api.stripe.com', 300, 300),
    byHost('dependency_requests', 'files.stripe.com', 60, 60),
    byHost('dependency_errors', 'api.stripe.com', 0.3, 0, 'timeout'),
    byHost('dependency_errors', 'files.stripe.com', 0.1, 48, '5xx'),
  ];
  const judged = judge(detector, { name: '', readings }, TWO);
  const [symptom] = judged.state === 'judged' ? judged.symptoms : [];
  const diagnosis = diagnoseWith(detector, symptom!, CALM, TWO, { readings });
  const [first] = diagnosis.causes;
  expect(first).toMatchObject({ cause: 'external-service', variant: 'down' });
  expect(first!.evidence.map((one) => one.observed).join()).toMatch(/nearly all of them to files\.stripe\.com/);
  expect(JSON.stringify(first!.mitigations)).toContain('https://files.stripe.com/');
});

test.each([
  ['429', 'limited'],
  ['rate_limit', 'limited'],
  ['401', 'credentials'],
  ['ENOTFOUND', 'dns'],
  ['CERT_HAS_EXPIRED', 'tls'],
  ['503', 'server'],
  ['ETIMEDOUT', 'unreached'],
  ['ECONNREFUSED', 'unreached'],
  ['', 'other'],
])('a call that failed with %s failed at %s', (label, kind) => {
  expect(failureKind(label)).toBe(kind);
});

test('a page that is not seen any more has not become well', () => {
  const readings = [{ ...page(2, 2, 2), freshness: 'missing' as const }, calls(300, 298, 304)];
  expect(judge(detector, { name: '', readings, active: [''] }, STRIPE)).toMatchObject({
    state: 'judged',
    symptoms: [],
    unjudged: [''],
  });
});
