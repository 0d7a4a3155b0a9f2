/** The routes. All of them read, but one: others may tell us of changes. */

import type { FastifyInstance } from 'fastify';
import type { Change, EpochMs, Finding, Incident, IncidentQuery, Reading, Sample } from '../model/index.ts';
import {
  detectorSchema,
  errorSchema,
  findingSchema,
  incidentSchema,
  type JsonSchema,
  list,
  object,
  probeSchema,
  seriesSchema,
  text,
} from './api-schemas.ts';
import { acceptedSchema, readChange, type ToldChange, toldChangeSchema } from './changes.ts';
import { type DetectorInfo, describeDetector } from './detector-info.ts';
import type { Metrics } from './metrics.ts';

export interface FindingQuery {
  readonly state?: Finding['state'];
  readonly limit: number;
}

/** What the server may look at. */
export interface View {
  /** Newest first. */
  incidents(query: IncidentQuery): Promise<readonly Incident[]>;
  incident(id: string): Promise<Incident | null>;
  /** Newest first. */
  findings(query: FindingQuery): Promise<readonly Finding[]>;
  /** The present readings of all targets. */
  series(): readonly Reading[];
}

export interface Health {
  /** False when the scheduler's watchdog is late: the process should be restarted. */
  live(): boolean;
  /** Why it cannot be relied on yet or any more; empty when it is ready. Read without a token: no names, no values. */
  notReady(): readonly string[];
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a token. */
    open?: true;
    /** Answered with the write token, and with no other. */
    write?: true;
  }
}

/** `/livez` and `/readyz`. */
export function probeRoutes(app: FastifyInstance, health: Health): void {
  const schema = { response: { '2xx': probeSchema, 503: probeSchema } };
  const answer = (ok: boolean, word: string, reasons: readonly string[]) => ({
    status: ok ? word : `not ${word}`,
    reasons,
  });
  app.get('/livez', { config: { open: true }, schema }, (_, reply) => {
    const live = health.live();
    return reply.code(live ? 200 : 503).send(answer(live, 'live', live ? [] : ['the scheduler does not run on time']));
  });
  app.get('/readyz', { config: { open: true }, schema }, (_, reply) => {
    const reasons = health.notReady();
    return reply.code(reasons.length === 0 ? 200 : 503).send(answer(reasons.length === 0, 'ready', reasons));
  });
}

export function metricsRoute(app: FastifyInstance, metrics: Metrics, open: boolean): void {
  app.get('/metrics', { config: open ? { open } : {} }, async (_, reply) => {
    return reply.header('content-type', metrics.contentType).send(await metrics.text());
  });
}

const MAX_LIST = 500;
/** Readings reach back 60 minutes: all of them at a period of 15 s. */
const MAX_SAMPLES = 240;

const limit = { type: 'integer', minimum: 1, maximum: MAX_LIST, default: 100 };

function query(properties: Readonly<Record<string, unknown>>) {
  return { type: 'object', properties, additionalProperties: false };
}

function answers(schema: JsonSchema) {
  return { 200: schema, '4xx': errorSchema, '5xx': errorSchema };
}

export interface ApiOptions {
  readonly view: View;
  readonly detectors: readonly DetectorInfo[];
  readonly version: string;
}

/** `/api/v1/…`. */
export function apiRoutes(app: FastifyInstance, { view, detectors, version }: ApiOptions): void {
  app.get<{ Querystring: IncidentQuery }>(
    '/api/v1/incidents',
    {
      schema: {
        querystring: query({ state: { enum: ['open', 'resolved'] }, limit }),
        response: answers(object({ incidents: list(incidentSchema) })),
      },
    },
    async (request) => ({ incidents: await view.incidents(request.query) }),
  );

  app.get<{ Params: { readonly id: string } }>(
    '/api/v1/incidents/:id',
    { schema: { response: answers(object({ incident: incidentSchema })) } },
    async (request, reply) => {
      const incident = await view.incident(request.params.id);
      if (incident !== null) return { incident };
      return reply.code(404).send({ error: 'not_found', message: 'no incident has this id' });
    },
  );

  app.get<{ Querystring: FindingQuery }>(
    '/api/v1/findings',
    {
      schema: {
        querystring: query({ state: { enum: ['pending', 'firing', 'resolved'] }, limit }),
        response: answers(object({ findings: list(findingSchema) })),
      },
    },
    async (request) => ({ findings: await view.findings(request.query) }),
  );

  app.get<{ Querystring: SeriesQuery }>(
    '/api/v1/series',
    {
      schema: {
        querystring: query({
          target: { type: 'string', maxLength: 200 },
          signal: { type: 'string', maxLength: 200 },
          samples: { type: 'integer', minimum: 1, maximum: MAX_SAMPLES, default: 1 },
          limit,
        }),
        response: answers(object({ series: list(seriesSchema), truncated: { type: 'boolean' } })),
      },
    },
    (request, reply) => reply.send(readSeries(view.series(), request.query)),
  );

  const described = detectors.map(describeDetector);
  app.get(
    '/api/v1/detectors',
    { schema: { response: answers(object({ version: text, detectors: list(detectorSchema) })) } },
    (_, reply) => reply.send({ version, detectors: described }),
  );
}

export const CHANGES_PATH = '/api/v1/changes';
const CHANGE_BYTES = 16_384;

export interface ChangeOptions {
  /** Resolves when it is on disk. */
  readonly acceptChange: (change: Change) => Promise<'new' | 'known'>;
  /** Names of all that is watched. */
  readonly targets: readonly string[];
  readonly now: () => EpochMs;
}

/** `POST /api/v1/changes`. */
export function changeRoute(app: FastifyInstance, { acceptChange, targets, now }: ChangeOptions): void {
  app.post<{ Body: ToldChange }>(
    CHANGES_PATH,
    {
      bodyLimit: CHANGE_BYTES,
      config: { write: true },
      schema: { body: toldChangeSchema, response: { '2xx': acceptedSchema, '4xx': errorSchema, '5xx': errorSchema } },
    },
    async (request, reply) => {
      const read = readChange(request.body, { now: now(), targets });
      if (!read.ok) {
        const error = read.status === 404 ? 'not_found' : 'bad_request';
        return reply.code(read.status).send({ error, message: read.message });
      }
      const state = await acceptChange(read.change);
      return reply.code(state === 'new' ? 201 : 200).send({ id: read.id, state });
    },
  );
}

interface SeriesQuery {
  readonly target?: string;
  readonly signal?: string;
  readonly samples: number;
  readonly limit: number;
}

function readSeries(readings: readonly Reading[], { target, signal, samples, limit: most }: SeriesQuery) {
  const wanted = readings.filter(
    (one) => (target === undefined || one.target === target) && (signal === undefined || one.signal === signal),
  );
  const series = wanted.slice(0, most).map((reading) => ({
    target: reading.target,
    signal: reading.signal,
    labels: reading.labels,
    unit: reading.unit,
    periodMs: reading.periodMs,
    freshness: reading.freshness,
    samples: reading.samples.slice(-samples).map(sampleJson),
  }));
  return { series, truncated: wanted.length > most };
}

/** A band that is not ready holds NaN, which JSON has no word for. */
function sampleJson({ at, value, band }: Sample) {
  const { ready, expected, lower, upper } = band;
  return ready ? { at, value, expected, lower, upper } : { at, value, expected: null, lower: null, upper: null };
}
