/** Parts that several sections of the schema share. */

import { z } from 'zod';
import { AWS_NAMES, type AwsNameForm } from './aws-names.ts';
import { SECRET_REF } from './secrets.ts';

/** Names of targets: they become labels, slots and parts of keys. */
export const NAME_PATTERN = /^[a-z][a-z0-9-]{0,62}$/;

export const name = z.string().regex(NAME_PATTERN, {
  error: 'expected a name: a letter, then letters, digits and "-", lower case, at most 63',
});

/** The same, or a replica: `main-db/replica-1`. */
export const targetName = z.string().regex(/^[a-z][a-z0-9-]{0,62}(\/[a-z][a-z0-9-]{0,62})?$/, {
  error: 'expected the name of a target, such as main-db or main-db/replica-1',
});

export const contact = z
  .string()
  .regex(/^[^\x00-\x1f\x7f]{1,100}$/, { error: 'expected one line of at most 100 characters' })
  .meta({ description: 'who is asked when it breaks' });

export const secret = (what: string, example: string) =>
  z
    .string()
    .regex(SECRET_REF, { error: `a secret is never written here; write env:NAME or file:/path, as ${example}` })
    .meta({ description: what, writeOnly: true, examples: [example] });

/** Checked as a URL where it is resolved. */
export const url = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .meta({ description, examples: [example] });

/** A key of people's own configuration or flag system, as it stands in commands. */
export const ownKey = (description: string, example: string) =>
  z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,99}$/, {
      error: 'expected a letter, then letters, digits and "_.-", at most 100',
    })
    .meta({ description, examples: [example] });

export const awsName = (form: AwsNameForm, description: string, example: string) =>
  z
    .string()
    .regex(form.pattern, { error: `expected ${form.expected}` })
    .meta({ description, examples: [example] });

export const targetAccount = name
  .meta({ description: 'account where it runs, a name of aws.accounts', examples: ['default'] })
  .optional();

export const dependsOn = z
  .array(targetName)
  .max(100)
  .prefault([])
  .meta({ description: 'what it needs: names of other targets, of whatever kind', examples: [['main-db']] });

export const logs = (description: string, example: string) =>
  z
    .union(
      [
        awsName(AWS_NAMES.logGroup, 'log group', example),
        z.strictObject({
          group: awsName(AWS_NAMES.logGroup, 'log group', example),
          filter: z
            .string()
            .regex(/^[^\x00-\x1f\x7f]{1,1024}$/, { error: 'expected one line of at most 1024 characters' })
            .meta({ description: 'filter pattern of CloudWatch Logs', examples: ['?ERROR ?FATAL'] })
            .optional(),
        }),
      ],
      { error: 'expected the name of a log group, or { group, filter }' },
    )
    .meta({ description, examples: [example] })
    .optional();

/** Names of fields: RFC 9110 has more characters, that nobody uses. */
export const headers = (example: string) =>
  z
    .record(
      z.string().regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, { error: 'expected the name of a header' }),
      secret('its whole value', example),
    )
    .prefault({})
    .meta({
      description: 'headers that are sent along; their values are secrets',
      examples: [{ Authorization: example }],
    });
