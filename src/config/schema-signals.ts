/** The part of the configuration's schema that binds signals by hand. */

import { z } from 'zod';
import { PLAIN_STATISTICS, STATISTIC_PATTERN } from './aws-names.ts';

const labelName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, { error: 'expected a label: a letter, then letters, digits and "_", lower case' });

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
    scale: z
      .number()
      .refine((scale) => scale !== 0, { error: 'expected a number other than 0' })
      .default(1)
      .meta({ description: 'what a value is multiplied with: 0.001 for milliseconds, 0.01 for percent' }),
    sparse: z
      .boolean()
      .default(false)
      .meta({ description: 'published only when not zero: a hole is zero where requests has a value' }),
  })
  .meta({ description: 'a metric of CloudWatch' });

export const signalsSchema = z
  .record(
    z.string().regex(/^[a-z][a-z0-9_]{0,62}$/, {
      error: 'expected the name of a signal: a letter, then letters, digits and "_", lower case',
    }),
    z.strictObject({ cloudwatch }).meta({ description: 'where the signal comes from' }),
  )
  .prefault({})
  .meta({
    description: 'signals bound by hand, in place of the preset ones or beside them',
    examples: [{ db_queries: { cloudwatch: { namespace: 'Rastup/Api', metric: 'DbQueries', stat: 'Sum' } } }],
  });
