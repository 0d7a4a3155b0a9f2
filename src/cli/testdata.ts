/** For tests: an AWS that answers from a table, a terminal that keeps what it is told, a configuration from its text. */

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig } from '../config/index.ts';
import { RunbookdError } from '../model/index.ts';
import type { Aws, AwsAccount, AwsAction } from '../sources/aws/calls.ts';
import { awsError } from '../sources/aws/errors.ts';
import type { Io } from './output.ts';

export type Answers = Partial<Record<AwsAction, (input: never) => unknown>>;

export const ACCOUNT: AwsAccount = {
  name: 'default',
  region: 'us-east-1',
  roleArn: null,
  externalId: null,
  endpoint: null,
};

export interface FakeAws extends Aws {
  readonly calls: { readonly action: AwsAction; readonly input: object }[];
  readonly closed: () => boolean;
}

/** What is not in the table is answered with nothing in it. */
export function fakeAws(answers: Answers, account: AwsAccount = ACCOUNT): FakeAws {
  const calls: { action: AwsAction; input: object }[] = [];
  let closed = false;
  return {
    account,
    calls,
    closed: () => closed,
    async call(action, input) {
      calls.push({ action, input });
      return ((answers[action] as ((value: unknown) => unknown) | undefined)?.(input) ?? {}) as never;
    },
    close() {
      closed = true;
    },
  };
}

/** As the SDK says no, in our own error. */
export function refuse(action: AwsAction, kind: string): () => never {
  return () => {
    throw awsError(ACCOUNT, action, Object.assign(new Error('not today'), { name: kind }), 5);
  };
}

export const noCredentials = (): never => {
  throw new RunbookdError('AWS_CREDENTIALS', ['AWS us-east-1', 'Could not load credentials from any providers']);
};

export interface FakeIo extends Io {
  readonly out: () => string;
  readonly err: () => string;
}

export function fakeIo(env: Readonly<Record<string, string>> = {}): FakeIo {
  const out: string[] = [];
  const err: string[] = [];
  return {
    env,
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    out: () => out.join(''),
    err: () => err.join(''),
  };
}

export function configFromText(text: string): Config {
  const path = join(mkdtempSync(join(tmpdir(), 'runbookd-cli-')), 'runbookd.yaml');
  writeFileSync(path, text);
  return loadConfig({ path, env: { KEY: 'canary-hunter2' } });
}
