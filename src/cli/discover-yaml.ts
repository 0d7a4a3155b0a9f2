/** From what was found to a piece of configuration that can be pasted: names made fit, guesses commented out. Pure. */

import { stringify } from 'yaml';
import type { FoundService } from './discover-services.ts';

export interface Place {
  readonly cluster: string;
  readonly region: string;
  /** What the services say under `account`; null for the default one. */
  readonly account: string | null;
  /** The part of `aws` that the present configuration lacks for it. */
  readonly missing:
    | { readonly kind: 'nothing' }
    | { readonly kind: 'region' }
    | { readonly kind: 'account'; readonly roleArn: string | null };
}

export interface NamedService extends FoundService {
  /** The target's name. */
  readonly name: string;
}

/** The longest name of a target. */
const LONGEST = 63;

/**
 * A target's name for each service: `Api_Service` becomes `api`, as people call it. `taken` are the names of targets that
 * there are already.
 */
export function nameServices(services: readonly FoundService[], taken: readonly string[]): readonly NamedService[] {
  const used = new Set(taken);
  return services.map((found) => {
    const name = unused(fitName(found.service), used);
    used.add(name);
    return { ...found, name };
  });
}

function fitName(service: string): string {
  const plain = service
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '');
  const short = plain.replace(/-(service|svc)$/, '').slice(0, LONGEST);
  return short.replace(/-+$/, '') || 'service';
}

function unused(name: string, used: ReadonlySet<string>): string {
  if (!used.has(name)) return name;
  for (let number = 2; ; number++) {
    const other = `${name.slice(0, LONGEST - String(number).length - 1)}-${number}`;
    if (!used.has(other)) return other;
  }
}

/** The services as the configuration holds them: for JSON, and for what `servicesYaml` writes. */
export function servicesConfig(services: readonly NamedService[], place: Place) {
  const entries = services.map(({ name, service, alb, logs }) => {
    const account = place.account === null ? {} : { account: place.account };
    const parts = { ...(alb === null ? {} : { alb }), ...(logs === null ? {} : { logs }) };
    return [name, { ...account, ecs: { cluster: place.cluster, service }, ...parts }] as const;
  });
  return Object.fromEntries(entries);
}

export function servicesYaml(services: readonly NamedService[], place: Place): string {
  const config = servicesConfig(services, place);
  const lines = services.flatMap((one) => {
    const written = stringify({ [one.name]: config[one.name] }, { singleQuote: true, lineWidth: 0 });
    const guess =
      one.logs === null ? [`  # logs: /aws/ecs/${place.cluster}/${one.service}   # a guess: look it up`] : [];
    const path = one.healthPath ?? '/health';
    const health = one.alb === null ? [] : [`  # health: { live: https://HOST${path} }`];
    return [...written.trimEnd().split('\n'), ...guess, ...health, '  # dependsOn: []'];
  });
  return [...awsYaml(place), 'services:', ...lines.map((line) => `  ${line}`)].join('\n');
}

function awsYaml({ region, account, missing }: Place): readonly string[] {
  if (missing.kind === 'nothing') return [];
  if (missing.kind === 'region') return ['aws:', `  region: ${region}`];
  const role = missing.roleArn === null ? [] : [`      roleArn: ${missing.roleArn}`];
  return ['aws:', '  accounts:', `    ${account}:`, `      region: ${region}`, ...role];
}
