/** A process to kill: commits pages to the store given as argument, and prints each id once its commit has returned. */

import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import { sampleFinding, sampleNotification } from './samples.ts';

const store = await openSqliteStore({ path: process.argv[2]!, log: pino({ level: 'silent' }), now: Date.now });
for (let n = 0; n < 100_000; n += 1) {
  const id = randomUUID();
  await store.commit({
    findings: [sampleFinding(id)],
    incidents: [],
    notifications: [{ channel: 'pagerduty', notification: sampleNotification(id) }],
    changes: [],
  });
  writeSync(1, `${id}\n`);
}
