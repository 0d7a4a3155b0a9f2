import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { platform } from 'node:os';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Process ids of the direct children of `parent`. A process that ends meanwhile is left out. */
export async function childrenOf(parent: number): Promise<readonly number[]> {
  if (platform() !== 'linux') {
    const { stdout } = await execute('ps', ['-A', '-o', 'pid=,ppid=']);
    const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
    return rows.flatMap(([pid, ppid]) => (ppid === parent && pid !== undefined ? [pid] : []));
  }
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      // The second field is the command in parentheses and may hold spaces: fields count from the last ')'.
      const parentField = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return Number(parentField) === parent ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** Sends a signal; a process that is already gone is not an error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export interface Reaper {
  /** Ends the reaper. Call it when the directory is already gone. */
  readonly release: () => Promise<void>;
}

// Waits for the end of its standard input, which the kernel closes however the parent dies (SIGKILL included), then
// stops every postmaster whose data directory lies in $1 and removes $1. SIGQUIT makes a postmaster take its children
// and its shared memory with it, which SIGKILL would leak; whoever was stopped (SIGSTOP) has to be continued for that,
// or else the postmaster kills it after five seconds. The command line is compared, so that a reused process id is
// never hit.
const reaperScript = `
trap '' INT TERM HUP
cat >/dev/null
postmasters=
for file in "$1"/*/postmaster.pid; do
  read -r pid <"$file" || continue
  { tr '\\0' ' ' <"/proc/$pid/cmdline" || ps -o command= -p "$pid"; } | grep -qF "$1/" || continue
  kill -QUIT "$pid"
  kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children")
  postmasters="$postmasters $pid"
done 2>/dev/null
tries=0
for pid in $postmasters; do
  while kill -0 "$pid" && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
done 2>/dev/null
rm -rf "$1"
`;

/** Cleans `directory` up, with the postmasters that run in it, if this process ends without doing it itself. */
export function startReaper(directory: string): Reaper {
  const child = spawn('/bin/sh', ['-c', reaperScript, 'world-reaper', directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  });
  const exited = once(child, 'exit');
  exited.catch(() => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  (child.stdin as Socket).unref();
  return {
    release: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.ref();
      child.stdin.end();
      await exited;
    },
  };
}
