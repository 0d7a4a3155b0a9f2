/** The part of the configuration's schema that binds signals by hand. */

import { z } from 'zod';
import type { Unit } from '../model/index.ts';
import { PLAIN_STATISTICS, STATISTIC_PATTERN } from './aws-names.ts';

export const labelName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, { error: 'expected a label: a letter, then letters, digits and "_", lower case' });

const scale = z.number().refine((value) => value !== 0, { error: 'expected a number other than 0' });

/** Lengths and characters: Dimension and MetricStat in the API reference of CloudWatch. */
const cloudwatch = z
  .strictObject({
    namespace: z
      .string()
      .regex(/^[A-Za-z0-9_.#/ -][A-Za-z0-9_.#/: -]{0,254}$/, { error: 'expected a namespace such as Rastup/Api' })
      .meta({ description: 'namespace of the metric', examples: ['Rastup/Api'] }),
    metric: z
      .string()
      .regex(/^[\x20-\x7e]{1,255}$/, { error: 'expected the name of a metric, at most 255 characters' })
      .meta({ description: 'name of the metric', examples: ['DbQueries'] }),
    stat: z
      .string()
      .regex(STATISTIC_PATTERN, {
        error: `expected ${PLAIN_STATISTICS.join(', ')}, or a percentile such as p95 or p99.9`,
      })
      .meta({ description: 'statistic', examples: ['Sum'] }),
    dimensions: z
      .record(
        z.string().regex(/^[^:\x00-\x1f\x7f-\uffff][\x20-\x7e]{0,254}$/, { error: 'expected the name of a dimension' }),
        z.string().regex(/^[\x20-\x7e]{1,1024}$/, { error: 'expected one line of printable ASCII, at most 1024' }),
      )
      .refine((dimensions) => Object.keys(dimensions).length <= 30, { error: 'expected at most 30 dimensions' })
      .prefault({})
      .meta({
        description: 'dimensions; "*" stands for every value, and becomes a label',
        examples: [{ Service: 'api', Endpoint: '*' }],
      }),
    labels: z
      .record(z.string(), labelName)
      .prefault({})
      .meta({
        description: 'label of a dimension with "*", where it has another name than the dimension',
        examples: [{ Endpoint: 'endpoint' }],
      }),
    scale: scale
      .default(1)
      .meta({ description: 'what a value is multiplied with: 0.001 for milliseconds, 0.01 for percent' }),
    sparse: z
      .boolean()
      .default(false)
      .meta({ description: 'published only when not zero: a hole is zero where requests has a value' }),
  })
  .meta({ description: 'a metric of CloudWatch' });

export const signalName = z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, {
  error: 'expected the name of a signal: a letter, then letters, digits and "_", lower case',
});

/** Every word of `Unit`: the compiler sees to it. */
const UNITS = {
  s: 's',
  ms: 'ms',
  bytes: 'bytes',
  ratio: 'ratio',
  count: 'count',
  per_second: 'per_second',
  bytes_per_second: 'bytes_per_second',
  bool: 'bool',
} as const satisfies { readonly [U in Unit]: U };

export const unit = (description: string) => z.enum(UNITS).meta({ description, examples: ['count'] });

const binding = z
  .strictObject({
    cloudwatch: cloudwatch.optional(),
    prometheus: z
      .string()
      .regex(/^(?=[\s\S]*\S)[\s\S]{1,4000}$/, { error: 'expected a query in PromQL, at most 4000 characters' })
      .meta({
        description: 'in place of cloudwatch: a query in PromQL; counts are counts of one period',
        examples: ['sum(increase(db_queries_total[1m]))'],
      })
      .optional(),
    unit: unit('with prometheus: unit of the values, where the name is not one of ours').optional(),
    scale: scale
      .meta({ description: 'with prometheus: what a value is multiplied with', examples: [0.001] })
      .optional(),
  })
  .meta({ description: 'where the signal comes from: cloudwatch or prometheus' });

export const signalsSchema = z
  .record(signalName, binding)
  .prefault({})
  .meta({
    description: 'signals bound by hand, in place of the preset ones or beside them',
    examples: [{ db_queries: { cloudwatch: { namespace: 'Rastup/Api', metric: 'DbQueries', stat: 'Sum' } } }],
  });
