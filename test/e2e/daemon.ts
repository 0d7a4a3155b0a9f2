/** The real entry point as its own process: what the kill test, the bench and the command line tests share. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export const LAUNCHER = fileURLToPath(new URL('../../src/cli/launcher.js', import.meta.url));

export interface Daemon extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Everything that it wrote so far. */
  output(): string;
  exit(): Promise<number | null>;
  /** Ends it and waits. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

export function startDaemon(args: readonly string[], env: Readonly<Record<string, string>> = {}): Daemon {
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', TZ: 'America/New_York', ...env },
  });
  const chunks: string[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const closed = once(child, 'close');
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await closed;
  };
  return {
    child,
    output: () => chunks.join(''),
    async exit() {
      await closed;
      return child.exitCode;
    },
    kill,
    [Symbol.asyncDispose]: () => kill('SIGKILL'),
  };
}

/** Runs a command to its end. */
export async function runToEnd(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly output: string }> {
  const daemon = startDaemon(args, env);
  const code = await daemon.exit();
  return { code, output: daemon.output() };
}
