/** Process entry: argv → a command of cli/. Nothing else. */

import { runCli } from './cli/cli.ts';

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
});
