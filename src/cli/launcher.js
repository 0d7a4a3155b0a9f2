#!/usr/bin/env node
/**
 * In front of main.ts, in plain JavaScript that old versions of Node can read: Node strips types from version 24 on,
 * so on an older one the program could only fail with a syntax error.
 */

const REQUIRED = 24;
const major = Number(process.versions.node.split('.')[0]);
if (major < REQUIRED) {
  process.stderr.write(
    `runbookd needs Node ${REQUIRED} or newer, this is ${process.versions.node}. ` +
      'Inside the repository run it as "npm start -- <command>" after "npm ci" (which brings Node 24 along), ' +
      'elsewhere install Node 24.\n',
  );
  process.exit(2);
}
await import('../main.ts');
