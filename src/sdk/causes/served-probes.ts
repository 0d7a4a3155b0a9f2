/** How users and the load balancer, who come another way than we do, find a service whose health endpoint fails. */

import type { AnyProbe } from '../detector.ts';
import { ask, probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { percent, plural, safeName, times } from '../format.ts';
import { overLevel, riseOf } from './service-series.ts';
import { weighed } from './weighed.ts';

/** Of the requests before: with more they are served as ever, with less they hardly are. */
const AS_EVER = 0.7;
const HARDLY = 0.4;
/** Errors within this share of the requests are no harm, whatever they were. */
const FEW_ERRORS = 0.01;

type TargetWeights = Readonly<Record<'allHealthy' | 'noneHealthy' | 'someUnhealthy' | 'timeouts', number>>;

/** What the load balancer, which looks from another side, says of the same service. A weight may have either sign. */
export function balancerProbe(weights: TargetWeights): AnyProbe {
  return probe({
    id: 'targets',
    factor: 'targets',
    title: 'whether the load balancer holds the targets for healthy',
    ask: (_symptom, facts) => ask('alb.targets', facts, {}),
    judge({ targets, healthy, unhealthy, healthCheck, targetGroupArn }) {
      const slots = { targetGroupArn };
      const bad = targets.filter(({ state }) => state === 'unhealthy');
      const why = bad[0]?.reason ?? null;
      const check = healthCheck === null ? '' : ` (${safeName(healthCheck, 80)})`;
      const text = `the load balancer holds ${healthy} of ${plural(healthy + unhealthy, 'target')} for healthy${check}`;
      const observed = why === null ? text : `${text}: ${safeName(why, 60)}`;
      if (healthy + unhealthy === 0) return neutral('no target is in use', { slots });
      const late = bad.filter(({ reason }) => reason === 'Target.Timeout').length;
      if (late > 0 && late * 2 >= bad.length) return weighed(weights.timeouts, observed, { slots });
      if (unhealthy === 0)
        return weighed(weights.allHealthy, observed, { slots, headline: `${healthy} healthy targets` });
      const weight = healthy === 0 ? weights.noneHealthy : weights.someUnhealthy;
      return weighed(weight, observed, { slots, headline: `${plural(unhealthy, 'unhealthy target')}` });
    },
  });
}

/** Whether requests come in as ever: users take the way that we look at. */
export function usersProbe(weights: { readonly asEver: number; readonly fewer: number }): AnyProbe {
  return overLevel(
    { id: 'users', factor: 'users', title: 'whether requests still come in', signal: 'requests' },
    (level) => {
      const up = riseOf(level);
      if (up === null) return neutral('requests before are not known');
      const observed = `requests are ${times(up)} what they were`;
      if (up >= AS_EVER) {
        return weighed(weights.asEver, `${observed}: they get in, so it may be our own look that fails`, {
          headline: 'requests come in as ever',
        });
      }
      if (up >= HARDLY) return neutral(observed);
      return weighed(weights.fewer, `${observed}: they do not get in either`, { headline: `requests ${times(up)}` });
    },
  );
}

/** A service that serves as ever is well, whatever its health endpoint says. */
export function servedProbe(): AnyProbe {
  return overLevel(
    { id: 'served', factor: 'users', title: 'errors beside their band', signal: 'errors', also: ['requests'] },
    (errors, _symptom, _facts, other) => {
      const requests = other('requests');
      const rise = requests === null ? null : riseOf(requests);
      const part = requests === null || requests.now <= 0 ? null : errors.now / requests.now;
      const failing = part === null ? `${errors.now} errors a period` : `${percent(part)} of the requests fail`;
      const observed = rise === null ? failing : `${failing}, requests are ${times(rise)} what they were`;
      const isUp =
        errors.now > Math.max(errors.upper ?? (errors.before ?? 0) * 2, 0) && (part === null || part > FEW_ERRORS);
      if (isUp) return opposes(4, observed, { headline: failing });
      if (rise !== null && rise < HARDLY) return opposes(3, observed, { headline: `requests ${times(rise)}` });
      return rise !== null && rise >= AS_EVER ? supports(2, `${observed}: as ever`) : neutral(observed);
    },
  );
}
