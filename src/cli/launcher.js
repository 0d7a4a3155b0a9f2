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

/**
 * V8 lets its nursery grow to 32 MB while the program loads and never gives that back; a daemon that works for a few
 * milliseconds every few seconds does with 2 MB. Not `--max-semi-space-size`: that one counts only on the command line.
 * It comes before the compile cache, which keeps code apart by V8's flags.
 */
const { setFlagsFromString } = await import('node:v8');
setFlagsFromString('--semi-space-growth-factor=1');
/** Nor does it give back what answers of megabytes made of the heap, on a machine with memory to spare; with this it does. */
setFlagsFromString('--optimize-for-size');

/**
 * Node keeps what it compiles, types already stripped: the next start takes half the time, and without the stripper
 * in memory the process is some 30 MB smaller. NODE_COMPILE_CACHE names another directory (an image brings a filled
 * one), NODE_DISABLE_COMPILE_CACHE=1 switches it off; a directory that cannot be written costs only the gain. Not
 * Node's own default below the shared /tmp: the cache is code, and whoever gets there first could leave theirs.
 */
const { default: nodeModule } = await import('node:module');
const { existsSync } = await import('node:fs');
const { HOME = '', XDG_CACHE_HOME = '', NODE_COMPILE_CACHE } = process.env;
const [base, below] = XDG_CACHE_HOME === '' ? [HOME, '.cache/runbookd'] : [XDG_CACHE_HOME, 'runbookd'];
// A user without a home (/nonexistent) is not given one.
if (!NODE_COMPILE_CACHE && base.startsWith('/') && existsSync(base)) nodeModule.enableCompileCache(`${base}/${below}`);

await import('../main.ts');
