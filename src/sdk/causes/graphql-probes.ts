/**
 * Probes of GraphQL operations: which fail or are slow, with which errors, and what they ask of the database. The error types are those of `extensions.code` (https://www.apollographql.com/docs/apollo-server/data/errors).
 */

import type { Symptom } from '../../model/index.ts';
import type { AnyProbe, Facts } from '../detector.ts';
import { probe } from '../detector.ts';
import { neutral, opposes, supports } from '../evidence.ts';
import { count, percent, plural, safeName, times } from '../format.ts';
import { excessBy, excessShare } from './label-excess.ts';
import { FEW_MESSAGES, logShare, logsQuestion, seriesQuestion } from './service-questions.ts';
import { isUp, type Level, latencyText, overLevel, overLevels, riseOf, riseOfOther } from './service-series.ts';

/** Errors of who asks, not of who answers. */
export const CLIENT_ERRORS: ReadonlySet<string> = new Set([
  'BAD_USER_INPUT',
  'GRAPHQL_VALIDATION_FAILED',
  'GRAPHQL_PARSE_FAILED',
  'BAD_REQUEST',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
  'OPERATION_RESOLUTION_FAILURE',
]);

export const isClientError = (type: string): boolean => CLIENT_ERRORS.has(type.toUpperCase().replace(/[^A-Z]+/g, '_'));

/** Subjects: all operations, the errors of one, the latency of one. */
const NAME_LENGTH = 80;
export const operationName = (label: string): string => safeName(label, NAME_LENGTH);
export const errorSubject = (label: string): string => `operation:${operationName(label)}`;
export const slowSubject = (label: string): string => `slow:${operationName(label)}`;

/** The operation that a symptom is about; null when it is about all. */
export function operationOf(symptom: Symptom): string | null {
  const found = /^(?:operation|slow):(.*)$/s.exec(symptom.subject);
  return found?.[1] ?? null;
}

const isSlow = (symptom: Symptom): boolean => symptom.subject.startsWith('slow:');

/** Fewer errors more than before tell nothing of what they are. */
const FEW_ERRORS = 10;
/** Fewer operations cannot be told apart. */
const FEW_OPERATIONS = 3;

interface ByOperation {
  readonly ifOne: number;
  /** 0 where that they are all is nothing against it. */
  readonly ifAll: number;
}

/** Which operations have the additional errors. */
export function byOperationProbe({ ifOne, ifAll }: ByOperation): AnyProbe {
  return probe({
    id: 'by-operation',
    factor: 'operations',
    title: 'additional errors by operation',
    ask: (_symptom, facts) => seriesQuestion(facts, 'graphql_errors'),
    also: (_symptom, facts) => [seriesQuestion(facts, 'graphql_requests')],
    judge({ points }, symptom, facts, answered) {
      if (isSlow(symptom)) return neutral('it is about latency');
      const errors = excessBy(points, facts, ({ operation }) => operation ?? null);
      const traffic = excessBy(
        answered(seriesQuestion(facts, 'graphql_requests'))?.points,
        facts,
        ({ operation }) => operation ?? null,
      );
      const [top] = errors.parts;
      if (top === undefined || errors.all < FEW_ERRORS)
        return neutral('too few additional errors to say where they are');
      const operations = Math.max(errors.parts.length, traffic.parts.length);
      const part = top.excess / errors.all;
      const requests = traffic.parts.find((one) => one.name === top.name)?.after ?? 0;
      const ofTraffic = traffic.after > 0 ? requests / traffic.after : 0;
      const observed = `${operationName(top.name)} has ${percent(part)} of ${plural(Math.round(errors.all), 'additional error')} and ${percent(ofTraffic)} of the requests, one of ${plural(operations, 'operation')}`;
      if (operations < FEW_OPERATIONS) return neutral(observed);
      const headline = `${operationName(top.name)} has ${percent(part)} of the errors`;
      if (part >= 0.8 && ofTraffic <= 0.6) return supports(ifOne, observed, { headline });
      if (part > 0.5 || ifAll === 0) return neutral(observed);
      return opposes(ifAll, observed, { headline: `errors in ${plural(errors.parts.length, 'operation')}` });
    },
  });
}

const SLOWER = 1.4;

/** Whether one operation is slow or most are. */
export function slowOperationProbe({ ifOne, ifAll }: ByOperation): AnyProbe {
  return overLevels(
    { id: 'slow-operations', factor: 'operations', title: 'p95 by operation', signal: 'graphql_latency_p95' },
    (levels, symptom) => {
      const slow = levels.filter((level) => isUp(level, SLOWER)).sort((a, b) => b.now - a.now);
      const named = levels.find((level) => operationName(level.labels['operation'] ?? '') === operationOf(symptom));
      const told = named ?? slow[0];
      if (told === undefined) return neutral('no operation is slower');
      const text = `p95 of ${operationName(told.labels['operation'] ?? '')} is ${latencyText(told.now)}; ${slow.length} of ${plural(levels.length, 'operation')} are slower`;
      if (!isSlow(symptom) || levels.length < FEW_OPERATIONS) return neutral(text);
      if (slow.length >= levels.length / 2) {
        return opposes(ifAll, text, { headline: `${slow.length} of ${levels.length} operations are slower` });
      }
      return slow.length <= Math.max(1, levels.length / 5) ? supports(ifOne, text) : neutral(text);
    },
  );
}

interface ByType {
  readonly ifClients: number;
  readonly ifServer: number;
}

/** Whose errors they are, by their type. */
export function errorTypesProbe({ ifClients, ifServer }: ByType): AnyProbe {
  return probe({
    id: 'error-types',
    factor: 'types',
    title: 'additional errors by type',
    ask: (_symptom, facts) => seriesQuestion(facts, 'graphql_errors'),
    judge({ points }, symptom, facts) {
      if (isSlow(symptom)) {
        return ifServer < -1
          ? opposes(4, 'it is about latency, not errors', { headline: 'no errors' })
          : neutral('it is about latency');
      }
      const wanted = operationOf(symptom);
      const types = excessBy(points, facts, ({ operation, error_type: type }) =>
        wanted !== null && operationName(operation ?? '') !== wanted ? null : (type ?? null),
      );
      const [top] = types.parts;
      if (top === undefined || types.all < FEW_ERRORS) return neutral('too few additional errors to say what they are');
      const clients = excessShare(types, isClientError);
      const observed = `${percent(clients)} of ${plural(Math.round(types.all), 'additional error')} are of a type that callers make, most ${safeName(top.name, 60)}`;
      const headline = `${percent(top.excess / types.all)} ${safeName(top.name, 60)}`;
      const judged = (weight: number) =>
        weight === 0
          ? neutral(observed)
          : weight > 0
            ? supports(weight, observed, { headline })
            : opposes(weight, observed, { headline });
      if (clients >= 0.8) return judged(ifClients);
      return clients <= 0.3 ? judged(ifServer) : neutral(observed);
    },
  });
}

interface Queries {
  readonly ifUp: number;
  readonly ifFlat: number;
}

/** Queries that an operation sends to the database: a loop around a query makes many of one. */
export function queriesPerOperationProbe({ ifUp, ifFlat }: Queries): AnyProbe {
  return overLevels(
    {
      id: 'queries-per-operation',
      factor: 'queries',
      title: 'database queries of one operation, against before',
      signal: 'graphql_queries_per_operation',
    },
    (levels, symptom) => {
      const wanted = operationOf(symptom);
      const named = levels.filter((one) => wanted === null || operationName(one.labels['operation'] ?? '') === wanted);
      const most = named.reduce<Level | null>(
        (best, one) => (best === null || (riseOf(one) ?? 0) > (riseOf(best) ?? 0) ? one : best),
        null,
      );
      const up = most === null ? null : riseOf(most);
      if (most === null || up === null) return neutral('queries of an operation before are not known');
      const name = operationName(most.labels['operation'] ?? 'an operation');
      const text = `${name} sends ${count(most.now, 1)} queries, before ${count(most.before ?? 0, 1)} (${times(up)})`;
      if (up >= 2 && isUp(most, 2)) {
        const headline = `${name} sends ${times(up)} the queries`;
        return ifUp > 0 ? supports(ifUp, text, { headline }) : opposes(ifUp, text, { headline });
      }
      if (up > 1.2 || ifFlat === 0) return neutral(text);
      return opposes(ifFlat, text, { headline: `${count(most.now, 1)} queries an operation, as before` });
    },
  );
}

/** Time that went to the database is not the resolver's own. */
export function databaseTimeElsewhereProbe(weight: number): AnyProbe {
  return overLevel(
    {
      id: 'database-time',
      factor: 'database-time',
      title: 'time in the database for each request, against before',
      signal: 'db_time_seconds',
      also: ['requests'],
    },
    (level, _symptom, _facts, other) => {
      const up = riseOf(level);
      const more = riseOfOther(other, 'requests') ?? 1;
      if (up === null || more <= 0) return neutral('time in the database before is not known');
      const text = `a request spends ${times(up / more)} of its time of before in the database`;
      if (up / more < 1.5) return neutral(text);
      return opposes(weight, text, { headline: `database time for a request ${times(up / more)}` });
    },
  );
}

/** Messages about somebody else say that the resolver is only where it shows. */
export function ownResolverProbe(): AnyProbe {
  return probe({
    id: 'own-messages',
    factor: 'logs',
    title: 'what the error messages since then are about',
    ask: (_symptom, facts: Facts) => logsQuestion(facts),
    judge(logs, _symptom, facts) {
      const own = logShare(
        logs,
        facts,
        ({ kind, host }) => (kind === 'exception' || kind === 'other') && host === null,
      );
      if (own.all < FEW_MESSAGES) return neutral('no more error messages than before');
      const observed = `${own.fitting} of ${own.all} additional error messages are about the service's own code`;
      if (own.share <= 0.4) return opposes(4, observed, { headline: 'most messages are about others' });
      return own.share >= 0.7 && own.top !== null
        ? supports(0.8, `${observed}: ${safeName(own.top.template, 120)}`)
        : neutral(observed);
    },
  });
}
