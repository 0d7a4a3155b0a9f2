/** What to do while a vendor does not work: see what it says, and do without it where a flag allows that. */

import type { Effect, Facts, Mitigation } from '../detector.ts';
import { effect } from '../detector.ts';
import { count } from '../format.ts';
import type { Points } from './service-questions.ts';
import { isHostOf, seriesQuestion, share } from './service-questions.ts';

/** Calls a period to its hosts before the onset and in the last two minutes. */
function callsAtEnds(points: Points, facts: Facts): { readonly before: number; readonly now: number } {
  const own = points.filter((point) => isHostOf(point.labels['host'] ?? null, facts.on.hosts ?? []));
  const perPoint = (some: Points): number =>
    share(
      some.reduce((sum, one) => sum + one.value, 0),
      some.length,
    );
  const latest = own.reduce((last, one) => Math.max(last, one.at), 0);
  return {
    before: perPoint(own.filter((one) => one.at <= facts.onset.earliest)),
    now: perPoint(own.filter((one) => one.at > latest - 2 * 60_000)),
  };
}

const callsText = (calls: number): string => count(calls, calls < 10 ? 1 : 0);

/** Where the calls to it end, the flag has been turned off: until then nobody has. */
const callsEnd: Effect = effect({
  expect: 'calls to it end within 5 min, and the errors with them',
  withinMs: 5 * 60_000,
  ask: (_slots, facts) => seriesQuestion(facts, 'dependency_requests'),
  judge({ points }, _slots, facts) {
    const { before, now } = callsAtEnds(points, facts);
    const observed = `calls to ${facts.on.name} went from ${callsText(before)} to ${callsText(now)} a period`;
    if (before <= 0 || now > before * 0.5) return { state: 'not_applied', observed };
    return { state: now <= before * 0.05 ? 'worked' : 'partly', observed };
  },
});

export const externalServiceMitigations: Readonly<Record<string, Mitigation>> = {
  'vendor-status': {
    title: 'Look at what the vendor says',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'curl -sS -m 10 {statusUrl}',
    alternative: 'npm run status:external-services',
  },
  'external-services': {
    title: 'Look at the state of all external services',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run status:external-services',
  },
  'external-latency': {
    title: 'Look at how long external services take',
    risk: 'read-only',
    riskText: 'reads only',
    command: 'npm run metrics:external-services -- --window=15m --metric=latency',
  },
  'disable-flag': {
    title: 'Turn off what needs {dependency}: flag {flag}',
    risk: 'reversible',
    riskText: 'reversible: what is behind {flag} is gone for every user until it is enabled again',
    precheck: 'curl -sS -m 10 {statusUrl}',
    command: 'npm run flags:disable -- --flag={flag}',
    undo: 'npm run flags:enable -- --flag={flag}',
    effect: callsEnd,
  },
  'enable-cache': {
    title: 'Turn on the cache of {dependency}: flag {cacheFlag}',
    risk: 'reversible',
    riskText: 'reversible: users may see older answers of it until it is disabled again',
    precheck: 'npm run metrics:external-services -- --window=15m --metric=latency',
    command: 'npm run flags:enable -- --flag={cacheFlag}',
    undo: 'npm run flags:disable -- --flag={cacheFlag}',
  },
  'reduce-timeout': {
    title: 'Wait for {dependency} no longer than {timeoutMs} ms',
    risk: 'reversible',
    riskText:
      'reversible: calls that would have been answered later fail; the value of before is what the first command shows',
    precheck: 'npm run config:get -- --key={timeoutKey}',
    command: 'npm run config:update -- --key={timeoutKey} --value={timeoutMs}',
    verify: 'npm run config:get -- --key={timeoutKey}',
  },
};
