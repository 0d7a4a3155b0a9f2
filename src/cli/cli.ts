/** The command line: argv → a command. Wrong usage exits 2, an error from the catalogue with its own code. */

import { Command, CommanderError, Option } from 'commander';
import { closest, distance } from 'fastest-levenshtein';
import { messageOf, RunbookdError } from '../model/index.ts';
import { VERSION } from '../version.ts';
import { type CheckOptions, check } from './check.ts';
import { detectorsCommand } from './detectors.ts';
import { diagnoseCommand } from './diagnose.ts';
import type { Io } from './output.ts';
import { createOutput, EXIT } from './output.ts';
import { run } from './run.ts';

const INTERNAL = new Set(['DETECTOR_FAILED', 'ABORTED', 'POLL_DEADLINE', 'STORE_WRITE']);
/** Farther than this is another word, not a slip of the fingers. */
const TYPO = 3;

export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const output = createOutput(io);
  let code: number = EXIT.ok;
  const program = new Command('runbookd')
    .description('The troubleshooting runbook as a daemon: watches, walks the runbook, and pages with a diagnosis.')
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text) => output.error(text.replace(/^error: /, 'runbookd: ').trimEnd()),
    })
    .showHelpAfterError('(run with --help for the commands and options)')
    .addHelpText(
      'after',
      `
Without a command it runs. Configuration comes from --config, else RUNBOOKD_CONFIG, else from
DATABASE_URL (and REPLICA_URL, PAGERDUTY_ROUTING_KEY) alone.

Exit codes: 0 well, 1 a finding, 2 wrong usage or configuration or a second daemon on the store,
3 could not look (blind or inconclusive), 4 internal error.`,
    );
  const json = new Option('--json', 'print JSON');
  const common = (command: Command, jsonOption = json): Command =>
    command
      .option('-c, --config <path>', 'configuration file or directory (also RUNBOOKD_CONFIG)')
      .addOption(jsonOption);
  const action =
    (handler: (options: { config?: string; json?: boolean }, argument?: string) => Promise<number>) =>
    async (...args: unknown[]): Promise<void> => {
      const command = args.at(-1) as Command;
      code = await handler(command.opts(), command.args[0]);
    };

  // What it writes is JSON anyway: taken so that every command takes it, but not worth a line of help.
  const daemon = common(program.command('run', { isDefault: true }), new Option('--json').hideHelp())
    .description('watch, diagnose and page until stopped')
    .allowExcessArguments();
  daemon.action(
    action((options, extra) => {
      if (extra === undefined) return run(options, io, output);
      if (argv.includes('run')) return daemon.error(`error: run takes no argument, found ${extra}`);
      const names = program.commands.map((command) => command.name());
      const near = closest(extra, names);
      const hint = distance(extra, near) <= TYPO ? `did you mean ${near}?` : `known: ${names.join(', ')}`;
      return daemon.error(`error: no command is named ${extra}; ${hint}`);
    }),
  );
  const checking = common(program.command('check'))
    .description('validate the configuration, try every source, say what cannot be seen')
    .option('--discover <cluster>', 'instead: print the services of an ECS cluster as configuration')
    .option('--region <region>', 'region of that cluster, where the configuration does not say it')
    .option('--account <name>', 'account of that cluster, a name of aws.accounts')
    .addHelpText(
      'after',
      `
Each line is ok, none (may be left away), blind (a permission is missing: the line after it says which)
or failed. With AWS, it makes every call once that is needed there, and says what the metrics cost a month.

Examples:
  runbookd check --config runbookd.yaml
  runbookd check --discover rastup-prod --region us-east-1 > services.yaml`,
    );
  checking.action(
    action((options: CheckOptions) => {
      if (options.discover === undefined && (options.region ?? options.account) !== undefined) {
        return checking.error('error: --region and --account belong to --discover CLUSTER');
      }
      return check(options, io, output);
    }),
  );
  common(program.command('diagnose'))
    .argument('[target]', 'one target; all of them when left out')
    .description('look once, walk the runbook, print the diagnosis; the exit code is the verdict')
    .action(action((options, target) => diagnoseCommand(target, options, io, output)));
  common(program.command('detectors'))
    .argument('[id]', 'one detector in full')
    .description('list the detectors with their causes, options and mitigations')
    .action(action((options, id) => detectorsCommand(id, options, io, output)));

  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof RunbookdError) {
      output.error(`runbookd: ${error.message}`);
      return INTERNAL.has(error.code) ? EXIT.internal : EXIT.usage;
    }
    output.error(
      `runbookd: internal error: ${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}`,
    );
    return EXIT.internal;
  }
}
