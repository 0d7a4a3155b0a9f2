/**
 * What the service itself, and RDS beside it, say about the database as the cause: time and queries for each request,
 * CPU and disk of the instance. They stand beside the database's own statistics, and in their place where those cannot
 * be read.
 */

import type { AnyProbe, Hypothesis } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { count, percent, safeName, times } from '../format.ts';
import { isUp, type Level, latencyText, type OtherLevel, overLevel, riseOf } from './service-series.ts';
import { overStatements } from './statements.ts';
import { serviceVersionProbe } from './version-probes.ts';

const MORE = 1.5;
const SAME = 1.2;

/** Per request against before, and as it stands; null when not known. */
function perRequest(level: Level, other: OtherLevel): { readonly now: number; readonly up: number } | null {
  const requests = other('requests');
  const up = riseOf(level);
  const more = requests === null ? null : riseOf(requests);
  if (requests === null || requests.now <= 0 || up === null || more === null || more <= 0) return null;
  return { now: level.now / requests.now, up: up / more };
}

/** The runbook's question: is the time of a request spent in the database? */
export function databaseTimeProbe(ifUp: number, ifFlat: number): AnyProbe {
  return overLevel(
    {
      id: 'database-time',
      factor: 'database-time',
      title: 'time in the database for each request, against before',
      signal: 'db_time_seconds',
      also: ['requests'],
    },
    (level, _symptom, _facts, other) => {
      const found = perRequest(level, other);
      if (found === null) return neutral('time in the database for each request is not known');
      const text = `a request spends ${latencyText(found.now)} in the database, ${times(found.up)} of before`;
      if (found.up >= MORE) return supports(ifUp, text);
      return found.up <= SAME
        ? opposes(ifFlat, text, { headline: `database time for a request ${times(found.up)}` })
        : neutral(text);
    },
  );
}

/** Many small queries for one request are a loop; as many as before are not. */
export function queriesProbe(ifUp: number, ifFlat: number): AnyProbe {
  return overLevel(
    {
      id: 'queries-per-request',
      factor: 'queries',
      title: 'queries for each request, against before',
      signal: 'db_queries',
      also: ['requests', 'db_time_seconds'],
    },
    (level, _symptom, _facts, other) => {
      const found = perRequest(level, other);
      if (found === null) return neutral('queries for each request are not known');
      const text = `a request sends ${count(found.now, 1)} queries, ${times(found.up)} of before`;
      if (found.up <= SAME)
        return ifFlat === 0
          ? neutral(text)
          : opposes(ifFlat, text, { headline: `${count(found.now, 1)} queries a request, as before` });
      if (found.up < MORE) return neutral(text);
      if (ifUp < 0) return opposes(ifUp, text, { headline: `${times(found.up)} the queries for a request` });
      const own = riseOf(level);
      const time = other('db_time_seconds');
      const each = time === null || own === null ? null : (riseOf(time) ?? own) / own;
      if (each !== null && each >= MORE) return supports(ifUp / 2, `${text}, and each takes ${times(each)} as long`);
      const asLong = each === null ? '' : ', each as long as before';
      return supports(ifUp, `${text}${asLong}`, { headline: `${times(found.up)} the queries for a request` });
    },
  );
}

/** Where a database would have to explain another symptom: a statement must stand out at all. */
function standsOutProbe(): AnyProbe {
  return overStatements(
    'stands-out',
    'stands-out',
    'whether any statement is slower, new or more frequent',
    ({ value, suspects, facts }) => {
      if (suspects.length > 0) return neutral(`statement ${suspects[0]!.queryid} stands out`);
      const text = `of ${count(value.top.length)} statements with most time on ${safeName(facts.on.name)} none is slower, new or more frequent`;
      return opposes(3.5, text, { headline: `no statement of ${safeName(facts.on.name)} stands out` });
    },
  );
}

/** A signal of the instance on RDS, above its band and above what matters. */
function rdsProbe(
  id: string,
  signal: string,
  title: string,
  weight: number,
  judge: (level: Level) => { readonly text: string; readonly bad: boolean; readonly good: boolean },
): AnyProbe {
  return overLevel({ id, factor: id, title, signal, of: 'cause' }, (level) => {
    const { text, bad, good } = judge(level);
    if (bad) return supports(weight, text);
    return good ? opposes(1, text, { headline: text }) : neutral(text);
  });
}

const rdsProbes = (): readonly AnyProbe[] => [
  rdsProbe('rds-cpu', 'rds_cpu', 'CPU of the instance on RDS', 1.2, (level) => ({
    text: `CPU of the instance is at ${percent(level.now)}`,
    bad: level.now >= 0.8 && isUp(level, 1.2),
    good: level.now < 0.6,
  })),
  rdsProbe('rds-queue', 'rds_queue_depth', 'disk operations that wait on RDS', 1.2, (level) => ({
    text: `${count(level.now, 1)} disk operations wait on the instance (${times(riseOf(level) ?? Number.NaN)} of before)`,
    bad: level.now >= 5 && isUp(level, 2),
    good: false,
  })),
  rdsProbe('rds-burst', 'rds_burst_balance', 'burst credits of the storage on RDS', 2, (level) => ({
    text: `${percent(level.now)} of the storage's burst credits are left`,
    bad: level.now <= 0.05,
    good: false,
  })),
];

/**
 * The hypotheses about a database (`on: 'database'`) with what the service knows of it. Those about locks and slots have
 * their own figures, and what waits for either also spends its time in the database.
 */
export function withServiceEvidence(hypotheses: readonly Hypothesis[]): readonly Hypothesis[] {
  const more = ({ cause, variant }: Hypothesis): readonly AnyProbe[] => {
    switch (cause) {
      case 'slow-query':
        return variant === 'more-calls'
          ? [databaseTimeProbe(0.5, 2), standsOutProbe()]
          : [
              databaseTimeProbe(1, 3),
              queriesProbe(-1.5, 0),
              standsOutProbe(),
              ...(variant === 'new-query' ? [serviceVersionProbe(1.3)] : []),
            ];
      case 'n-plus-one':
        return [databaseTimeProbe(1, 2), queriesProbe(2.7, 4), standsOutProbe(), serviceVersionProbe(1)];
      case 'database-saturated':
        return [databaseTimeProbe(1, 3), ...rdsProbes()];
      case 'lock-contention':
        return [databaseTimeProbe(0.5, 2)];
      default:
        // Waiting for a connection is not time in the database.
        return [];
    }
  };
  return hypotheses.map((one) => ({ ...one, probes: [...one.probes, ...more(one)] }));
}
