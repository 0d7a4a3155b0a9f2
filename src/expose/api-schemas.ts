/**
 * What the API answers, as JSON Schema: the contract for those who read it. Objects may have more keys than are listed
 * here. Times are epoch milliseconds.
 */

export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly (string | null)[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
}

const text: JsonSchema = { type: 'string' };
const number: JsonSchema = { type: 'number' };
const boolean: JsonSchema = { type: 'boolean' };
const textOrNull: JsonSchema = { type: ['string', 'null'] };
const numberOrNull: JsonSchema = { type: ['number', 'null'] };
const scalars: JsonSchema = { type: 'object', additionalProperties: { type: ['string', 'number'] } };

function object(properties: Readonly<Record<string, JsonSchema>>, optional: readonly string[] = []): JsonSchema {
  const required = Object.keys(properties).filter((key) => !optional.includes(key));
  return { type: 'object', properties, required, additionalProperties: true };
}

function list(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] };
}

function oneOf(...values: readonly string[]): JsonSchema {
  return { type: 'string', enum: values };
}

const severity = oneOf('critical', 'error', 'warning', 'info');
const interval = object({ earliest: number, latest: number });
const labels: JsonSchema = { type: 'object', additionalProperties: text };
const causeRef = { cause: text, on: text };

const readingPoint = object({
  signal: text,
  labels,
  unit: text,
  at: number,
  value: numberOrNull,
  expected: numberOrNull,
  lower: numberOrNull,
  upper: numberOrNull,
});

const symptom = object({
  detector: text,
  target: text,
  subject: text,
  severity,
  headline: text,
  summary: text,
  onset: interval,
  readings: list(readingPoint),
});

const evidence = object(
  {
    probe: text,
    factor: text,
    state: oneOf('supports', 'opposes', 'neutral', 'unknown'),
    because: text,
    weight: numberOrNull,
    observed: text,
    headline: text,
    grant: text,
    slots: scalars,
    counted: boolean,
    source: text,
    at: number,
  },
  ['because', 'headline', 'grant', 'slots'],
);

const mitigation: JsonSchema = {
  anyOf: [
    object({
      id: text,
      title: text,
      risk: oneOf('read-only', 'reversible', 'disruptive'),
      riskText: text,
      precheck: textOrNull,
      command: text,
      alternative: textOrNull,
      verify: textOrNull,
      undo: textOrNull,
      effect: textOrNull,
      slots: scalars,
    }),
    object({ id: text, title: text, withheld: text }),
  ],
};

const rankedCause = object({
  ...causeRef,
  variant: textOrNull,
  title: text,
  confidence: number,
  prior: number,
  evidence: list(evidence),
  mitigations: list(mitigation),
});

export const diagnosisSchema = object({
  verdict: oneOf('cause', 'unclear', 'inconclusive', 'healthy'),
  target: text,
  at: number,
  symptom: orNull(symptom),
  causes: list(rankedCause),
  ruledOut: list(object({ ...causeRef, variant: textOrNull, title: text, confidence: number, because: text })),
  gaps: list(object({ what: text, because: text, detail: text, hides: list(text), grant: textOrNull })),
  unexplained: number,
  changes: orNull(object({ lookbackMs: number, seen: list(object({ at: interval, summary: text })) })),
  runbook: text,
  wouldSeparate: textOrNull,
});

export const findingSchema = object({
  id: text,
  detector: text,
  target: text,
  subject: text,
  state: oneOf('pending', 'firing', 'resolved'),
  noData: boolean,
  noDataSince: numberOrNull,
  symptom,
  firstSeenAt: number,
  firedAt: numberOrNull,
  resolvedAt: numberOrNull,
  judgedAt: number,
  cleanPolls: number,
  cleanSince: numberOrNull,
  turns: list(number),
  diagnosis: orNull(diagnosisSchema),
  diagnosedAt: numberOrNull,
});

const effectState = oneOf('not_applied', 'worked', 'partly', 'not_yet');

export const incidentSchema = object({
  id: text,
  state: oneOf('open', 'resolved'),
  openedAt: number,
  resolvedAt: numberOrNull,
  severity,
  cause: orNull(object(causeRef)),
  findings: list(text),
  lead: findingSchema,
  log: list(
    object({
      at: number,
      reason: text,
      severity,
      cause: orNull(object(causeRef)),
      effect: orNull(effectState),
      headline: text,
      measure: numberOrNull,
    }),
  ),
  pagedSeverities: list(severity),
  effects: list(
    object({
      detector: text,
      mitigation: text,
      slots: scalars,
      state: effectState,
      observed: text,
      at: number,
      appliedAt: numberOrNull,
    }),
  ),
});

export const seriesSchema = object({
  target: text,
  signal: text,
  labels,
  unit: text,
  periodMs: number,
  freshness: oneOf('present', 'late', 'missing', 'absent'),
  samples: list(
    object({ at: number, value: numberOrNull, expected: numberOrNull, lower: numberOrNull, upper: numberOrNull }),
  ),
});

const option = object(
  {
    name: text,
    type: oneOf('number', 'integer', 'boolean', 'string'),
    default: { type: ['number', 'boolean', 'string'] },
    description: text,
    unit: text,
    minimum: number,
    maximum: number,
    choices: list(text),
  },
  ['unit', 'minimum', 'maximum', 'choices'],
);

export const detectorSchema = object({
  id: text,
  title: text,
  why: text,
  runbook: text,
  target: text,
  options: list(option),
  causes: list(object({ cause: text, variant: textOrNull, title: text, prior: number })),
});

export const errorSchema = object({ error: text, message: text });
export const probeSchema = object({ status: text, reasons: list(text) });

export { list, object, oneOf, text };
