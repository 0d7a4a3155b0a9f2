/**
 * A vendor as the target itself: it is down, it is slow, it says so, it limits us; or only our side of the calls is
 * broken. Spread `dependencyMitigations` into the detector's.
 */

import type { Hypothesis } from '../detector.ts';
import { callerCpuProbe, callsElsewhereProbe } from './dependency-callers.ts';
import { type FailureKind, failureMessagesProbe, failureReasonsProbe, othersFailProbe } from './dependency-failures.ts';
import {
  moreCallsProbe,
  ourChangeProbe,
  ownCallsProbe,
  ownLatencyProbe,
  statusPageProbe,
  untouchedProbe,
} from './dependency-probes.ts';

export { type FailureKind, failureKind } from './dependency-failures.ts';
export { dependencyMitigations } from './dependency-mitigations.ts';

export type OurSideVariant = 'credentials' | 'dns' | 'tls' | 'egress';

interface OurSide {
  readonly title: string;
  readonly prior: number;
  readonly kind: FailureKind;
  /** Of failing in that way: names and silence have reasons on their side too. */
  readonly weight: number;
  readonly alike: number;
  readonly alone: number;
  readonly changes: RegExp;
  /** Of the way to everybody, and not of this vendor: on several of them it is one thing. */
  readonly anywhere?: true;
  readonly mitigations: readonly string[];
}

const OUR_SIDE: Readonly<Record<OurSideVariant, OurSide>> = {
  credentials: {
    title: 'it does not take our credentials (a key that was rotated, revoked or is out of date)',
    prior: 0.06,
    kind: 'credentials',
    weight: 3.2,
    alike: 0,
    alone: 0,
    changes: /secret|api.?key|credential|rotat|token/i,
    mitigations: ['secret-changes', 'ask-host', 'vendor-status', 'disable-flag'],
  },
  dns: {
    title: 'its name does not resolve where we are',
    prior: 0.04,
    kind: 'dns',
    weight: 2.2,
    alike: 3,
    alone: 0,
    changes: /\bdns\b|resolver|route ?53|hosted zone|search domain/i,
    anywhere: true,
    mitigations: ['resolve-host', 'ask-host', 'vendor-status'],
  },
  tls: {
    title: 'we do not accept its certificate (authorities that are out of date, a proxy between)',
    prior: 0.04,
    kind: 'tls',
    weight: 2.2,
    alike: 3,
    alone: 0,
    changes: /cert|\bca\b|trust.?store|\btls\b|proxy/i,
    anywhere: true,
    mitigations: ['host-certificate', 'ask-host', 'vendor-status'],
  },
  egress: {
    title: 'our way out is cut or full (routes, NAT, firewall, proxy)',
    prior: 0.05,
    kind: 'unreached',
    weight: 1.2,
    alike: 3,
    alone: -1.5,
    changes: /route|\bnat\b|firewall|security group|egress|proxy|subnet|network|vpc/i,
    anywhere: true,
    mitigations: ['ask-host', 'way-out', 'vendor-status', 'disable-flag'],
  },
};

function ourSide(variant: OurSideVariant): Hypothesis {
  const { title, prior, kind, weight, alike, alone, changes, anywhere, mitigations } = OUR_SIDE[variant];
  return {
    cause: 'our-side',
    variant,
    title: `Our side of the calls: ${title}`,
    prior,
    on: 'self',
    probes: [
      failureReasonsProbe({ [kind]: weight, else: -4 }),
      failureMessagesProbe({ [kind]: weight, else: -3.5 }),
      statusPageProbe({ bad: -4, minor: -0.5, none: 0.8 }),
      othersFailProbe({ alike, alone }),
      ourChangeProbe(changes, 2),
      ownCallsProbe({ failing: 0.3, well: -5 }),
    ],
    mitigations,
    ...(anywhere === undefined ? {} : { anywhere }),
  };
}

export function dependencyHypotheses(): readonly Hypothesis[] {
  return [
    {
      cause: 'external-service',
      variant: 'down',
      title: 'External service: calls to it fail',
      prior: 0.2,
      on: 'self',
      requires: ['own-calls'],
      probes: [
        ownCallsProbe({ failing: 2.2, well: -4.5 }),
        statusPageProbe({ bad: 2, minor: 0.7, none: 0, whileFailing: true }),
        failureReasonsProbe({ server: 1.7, unreached: 1.2, else: -3.2 }),
        failureMessagesProbe({ server: 1.7, unreached: 1.2, else: -3.2 }),
        othersFailProbe({ alike: -4.5, alone: 0.7 }),
      ],
      mitigations: ['vendor-status', 'disable-flag', 'ask-host', 'external-services'],
    },
    {
      cause: 'external-service',
      variant: 'slow',
      title: 'External service: it answers slowly',
      prior: 0.15,
      on: 'self',
      requires: ['own-latency'],
      probes: [
        ownLatencyProbe({ slow: 3.5, asBefore: 4.5 }),
        ownCallsProbe({ failing: -3.5, well: 0.3 }),
        statusPageProbe({ bad: 1, minor: 0.5, none: 0, whileFailing: true }),
        othersFailProbe({ alike: -3, alone: 0 }),
        callsElsewhereProbe({ alike: -4.5, alone: 1 }),
      ],
      mitigations: ['external-latency', 'vendor-status', 'enable-cache', 'reduce-timeout', 'disable-flag'],
    },
    {
      cause: 'external-service',
      variant: 'announced',
      title: 'External service: it announces trouble; our calls are well, or are not seen',
      prior: 0.2,
      on: 'self',
      requires: ['vendor-status'],
      probes: [
        statusPageProbe({ bad: 3.5, minor: -1, none: -6 }),
        untouchedProbe({ touched: 6, well: 0.7 }),
        failureMessagesProbe({ else: -3.5 }),
      ],
      mitigations: ['vendor-status', 'external-services', 'enable-cache', 'disable-flag'],
    },
    {
      cause: 'rate-limited',
      variant: 'theirs',
      title: 'Rate limiting: it turns our calls away with 429',
      prior: 0.06,
      on: 'self',
      probes: [
        failureReasonsProbe({ limited: 4.2, else: -4 }),
        failureMessagesProbe({ limited: 3.7, else: -3.5 }),
        moreCallsProbe(0.8),
        statusPageProbe({ bad: -1.5, minor: 0, none: 0.3 }),
        ownCallsProbe({ failing: 0.3, well: -5 }),
      ],
      mitigations: ['external-services', 'enable-cache', 'disable-flag'],
    },
    ...(Object.keys(OUR_SIDE) as readonly OurSideVariant[]).map(ourSide),
    {
      cause: 'our-side',
      variant: 'slow',
      title: 'Our side of the calls: they wait in the caller, or on the way to everybody',
      prior: 0.08,
      on: 'dependent',
      requires: ['calls-elsewhere'],
      probes: [
        ownLatencyProbe({ slow: 1, asBefore: 4.5 }),
        callsElsewhereProbe({ alike: 3.7, alone: -4.5 }),
        callerCpuProbe({ full: -3.5, room: 0.5 }),
        ownCallsProbe({ failing: -2, well: 0.3 }),
      ],
      mitigations: ['load-look', 'external-latency'],
      seenBy: ['high-latency'],
    },
    {
      // As the caller's own latency calls it: both are one incident.
      cause: 'service-saturated',
      variant: 'cpu',
      title: 'Service saturated: the caller has no CPU left, and so everybody whom it calls seems slow',
      prior: 0.05,
      on: 'dependent',
      requires: ['calls-elsewhere', 'caller-cpu'],
      probes: [
        ownLatencyProbe({ slow: 0.7, asBefore: 4.5 }),
        callsElsewhereProbe({ alike: 2, alone: -4.5 }),
        callerCpuProbe({ full: 3.5, room: 5 }),
        ownCallsProbe({ failing: -2, well: 0.3 }),
      ],
      mitigations: ['load-look', 'external-latency'],
      seenBy: ['high-latency', 'high-cpu-memory'],
    },
  ];
}
