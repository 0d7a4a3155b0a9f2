/** The names of all targets: each stands for one thing only, and what depends on it names it. */

import { invalid, type Path, shown, suggest } from './problems.ts';
import type { Report, ResolveContext } from './resolve-parts.ts';
import type { RawConfig } from './schema.ts';

/** The sections that hold targets. */
export const TARGET_KINDS = ['services', 'databases', 'dependencies', 'queues', 'searches', 'caches'] as const;

export type TargetSection = (typeof TARGET_KINDS)[number];

/** With replicas, which are targets of their own: `main-db/replica-1`. */
export function targetNames(raw: RawConfig): readonly string[] {
  return TARGET_KINDS.flatMap((kind) => Object.keys(raw[kind])).concat(
    Object.entries(raw.databases).flatMap(([name, { replicas }]) =>
      Object.keys(replicas).map((replica) => `${name}/${replica}`),
    ),
  );
}

/** Reports names that are there twice, and `dependsOn` that names nothing, itself, or one thing twice. */
export function checkTargets(raw: RawConfig, context: ResolveContext, report: Report): void {
  for (const [index, kind] of TARGET_KINDS.entries()) {
    for (const name of Object.keys(raw[kind])) {
      const other = TARGET_KINDS.slice(0, index).find((earlier) => Object.hasOwn(raw[earlier], name));
      if (other === undefined) continue;
      report(invalid([kind, name], `is the name of one of the ${other} too; every target needs a name of its own`));
    }
  }
  const known = targetNames(raw);
  const isThere = (name: string): boolean => {
    const [database = '', replica] = name.split('/');
    // Also one that was taken out because something else is wrong with it.
    if (replica !== undefined) return context.written(['databases', database, 'replicas', replica]);
    return TARGET_KINDS.some((kind) => context.written([kind, name]));
  };
  for (const kind of ['services', 'queues', 'searches', 'caches'] as const) {
    for (const [name, { dependsOn }] of Object.entries(raw[kind])) {
      checkDependsOn(name, dependsOn, [kind, name, 'dependsOn'], { known, isThere }, report);
    }
  }
}

interface Known {
  readonly known: readonly string[];
  readonly isThere: (name: string) => boolean;
}

function checkDependsOn(
  name: string,
  dependsOn: readonly string[],
  path: Path,
  { known, isThere }: Known,
  report: Report,
): void {
  const others = known.filter((other) => other !== name);
  for (const [index, other] of dependsOn.entries()) {
    if (other === name) report(invalid(path, `found ${shown(other)}, which is itself`));
    else if (dependsOn.indexOf(other) !== index) report(invalid(path, `found ${shown(other)} twice`));
    else if (!isThere(other)) {
      report(invalid(path, `found ${shown(other)}, which is no target${suggest(other, others, 'targets')}`));
    }
  }
}
