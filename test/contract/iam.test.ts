import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AWS_ACTIONS } from '../../src/sources/aws/actions.ts';
import { AWS_COMMANDS } from '../../src/sources/aws/commands.ts';
import { iamPolicy } from '../../src/sources/aws/policy.ts';

const SRC = join(import.meta.dirname, '../../src');

/** What is called here is called to find out whether it may be, which is no reason to need it. */
const TRIES = 'cli/try-aws.ts';

/** `.call('ecs:ListTasks'`, by file. */
const CALLS = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !/\.test\.ts$|testdata/.test(name))
  .flatMap((file) => {
    const text = readFileSync(join(SRC, file), 'utf8');
    return [...text.matchAll(/\.call\(\s*['"]([^'"]+)['"]/g)].map((match) => ({ file, action: match[1]! }));
  });

const POLICY = iamPolicy({ taskDefinitions: true }).Statement.flatMap(({ Action }) => Action);

describe('the IAM policy and the calls', () => {
  test('there are calls to compare with', () => {
    expect(CALLS.length).toBeGreaterThan(20);
  });

  test.each(CALLS.map(({ action, file }) => [action, file]))('%s, called in %s, is known and allowed', (action) => {
    expect(Object.keys(AWS_COMMANDS)).toContain(action);
    expect(Object.keys(AWS_ACTIONS)).toContain(action);
    expect(POLICY).toContain(action);
  });

  test.each(POLICY)('%s is allowed because something calls it', (action) => {
    const files = CALLS.filter((call) => call.action === action && call.file !== TRIES).map(({ file }) => file);
    expect(files).not.toEqual([]);
  });

  test.each(POLICY)('%s is tried by runbookd check, or needed for discovery only', (action) => {
    const tried = CALLS.some((call) => call.action === action && call.file === TRIES);
    expect(tried || action === 'ecs:ListServices').toBe(true);
  });
});
