/** Parts that several sections of the schema share. */

import { z } from 'zod';

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
