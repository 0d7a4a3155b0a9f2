/** Whose errors of a shared load balancer are: of the service whose requests are missing. */

import type { Reading } from '../../model/index.ts';

const PERIODS = 5;
const LOW_PERIODS = 3;
/** Well below what is expected: below the band, and by no less than this part. */
const WELL_BELOW = 0.8;
/** Part of the errors that the missing requests must account for. */
const EXPLAINED = 0.5;

/**
 * Whether requests of a service are missing that can be the errors of its load balancer: at least three of the errors'
 * last five periods are well below what is expected, and what is missing is at least half of the errors. One low period
 * is chance, and few missing requests beside thousands of errors are another service's outage.
 *
 * @param requests also one that has ended: where it is not shown any more beside errors that are, no request came
 */
export function requestsLostTo(errors: Reading, requests: Reading | undefined): boolean {
  const last = requests?.samples.at(-1);
  if (requests === undefined || last === undefined) return false;
  const hasEnded = requests.freshness === 'missing' || requests.freshness === 'absent';
  let low = 0;
  let missing = 0;
  let failed = 0;
  for (const { at, value } of errors.samples.slice(-PERIODS)) {
    const same = requests.samples.find((sample) => sample.at === at);
    const came = same?.value ?? (hasEnded && at > last.at ? 0 : null);
    const { band } = same ?? last;
    if (came === null || !band.ready) continue;
    failed += value;
    missing += Math.max(0, band.expected - came);
    if (came < band.lower && came < band.expected * WELL_BELOW) low += 1;
  }
  return low >= LOW_PERIODS && missing >= failed * EXPLAINED;
}
