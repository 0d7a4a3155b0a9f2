import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { generateConfigFiles } from '../../src/config/generate.ts';
import { loadConfig, signalHints } from '../../src/config/index.ts';
import { OPERATOR_COMMAND_PATTERN } from '../../src/config/schema-databases.ts';
import { loadDetectors, mapSdk } from '../../src/detect/load.ts';
import type { AnyDetector } from '../../src/sdk/detector.ts';
import { SLOTS } from '../../src/sdk/slots.ts';
import { parseTemplate } from '../../src/sdk/template.ts';
import { checkSignalQuery } from '../../src/sources/postgres/queries/check-query.ts';
import { KNOWN_SIGNALS } from '../../src/watch.ts';
import { withIamPolicy } from '../iam-readme.ts';
import { runbook } from '../runbook/generate.ts';
import { withSignals } from '../signals-readme.ts';

const ROOT = join(import.meta.dirname, '../..');

let detectors: readonly AnyDetector[] = [];

beforeAll(async () => {
  const url = (path: string) => pathToFileURL(join(ROOT, path)).href;
  mapSdk({ sdk: url('src/sdk/index.ts'), testing: url('src/testing/index.ts') });
  detectors = await loadDetectors([join(ROOT, 'detectors')]);
});

function repositoryFile(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

describe('the generated files of config/', () => {
  test.each(['config/schema.json', 'config/default.yaml'])('%s is current (npm run generate)', (path) => {
    expect(repositoryFile(path)).toBe(generateConfigFiles(detectors)[path]);
  });

  test('the IAM policy of README.md is current (npm run generate)', () => {
    const readme = repositoryFile('config/README.md');
    expect(readme).toBe(withIamPolicy(readme));
  });

  test('the signals of README.md are current (npm run generate)', () => {
    const readme = repositoryFile('config/README.md');
    expect(readme).toBe(withSignals(readme));
  });

  test('default.yaml changes nothing: with it or without it the configuration is the same', () => {
    const env = { DATABASE_URL: 'postgres://monitor@db.internal/app', HOME: '/home/op' };
    const directory = mkdtempSync(join(tmpdir(), 'runbookd-defaults-'));
    const site = join(directory, '20-site.yaml');
    writeFileSync(site, 'databases: { main-db: { url: env:DATABASE_URL } }');
    const without = loadConfig({ path: site, env, detectors });
    writeFileSync(join(directory, '10-default.yaml'), repositoryFile('config/default.yaml'));
    const withDefaults = loadConfig({ path: directory, env, detectors });
    const options = Object.fromEntries(
      detectors.map(({ id, options: specs }) => {
        const values = Object.entries(specs).map(([name, spec]) => [name, spec.default] as const);
        return [id, { enabled: true, options: Object.fromEntries(values) }];
      }),
    );
    expect(plain(withDefaults.detectors)).toEqual(options);
    expect({ ...plain(withDefaults), detectors: {}, origin: '' }).toEqual({ ...plain(without), origin: '' });
  });

  test('what default.yaml has commented out is valid when the marks are taken away', () => {
    const text = repositoryFile('config/default.yaml').replace(/^( *)# (# )?(?=( *)([A-Za-z]+:|NAME:)( |$))/gm, '$1');
    expect(Object.keys(parse(text))).toEqual(Object.keys(JSON.parse(repositoryFile('config/schema.json')).properties));
  });
});

test('detectors/RUNBOOK.md is current (npm run generate)', () => {
  expect(repositoryFile('detectors/RUNBOOK.md')).toBe(runbook(detectors));
});

test('example.yaml is valid against the detectors as they are', () => {
  const secrets = { DATABASE_URL: 'postgres://m@main/rastup', REPLICA_URL: 'postgres://m@replica/rastup' };
  const systems = { TYPESENSE_API_KEY: 'key', REDIS_URL: 'rediss://sessions.internal' };
  const env = { ...secrets, ...systems, PAGERDUTY_ROUTING_KEY: '0123456789abcdef0123456789abcdef', HOME: '/home/op' };
  const checkCommand = (template: string): void => void parseTemplate(template);
  const path = join(ROOT, 'config/example.yaml');
  const checks = { checkCommand, signals: KNOWN_SIGNALS, checkQuery: checkSignalQuery };
  const config = loadConfig({ path, env, detectors, ...checks });
  expect(
    signalHints(
      config,
      KNOWN_SIGNALS.all.map(({ signal }) => signal),
    ),
  ).toEqual([]);
  expect(Object.keys(config.databases)).toEqual(['main-db']);
  expect(Object.keys(config.services)).toEqual(['api']);
  expect(config.services.api?.dependsOn).toEqual(['main-db', 'stripe', 'messages', 'sessions']);
  expect(config.aws?.accounts.default?.region).toBe('us-east-1');
});

test('operatorCommand takes exactly what the slot {psql} takes, so that no command is withheld for it', () => {
  expect(OPERATOR_COMMAND_PATTERN.source).toBe(SLOTS.psql.pattern.source);
});

/** Records have no prototype, which a comparison would see. */
function plain(value: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value));
}
