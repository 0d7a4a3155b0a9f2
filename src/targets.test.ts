import { expect, test } from 'vitest';
import { configFromEnv } from './config/index.ts';
import { contactOf, targetsOf } from './targets.ts';

const base = configFromEnv({
  DATABASE_URL: 'postgres://monitor@db.internal/app',
  REPLICA_URL: 'postgres://monitor@replica.internal/app',
});

test.each([
  ['nobody is configured', {}, null],
  ['the default comes last', { default: '#oncall' }, '#oncall'],
  ['before it the kind of target', { default: '#oncall', databases: '@dba' }, '@dba'],
  ['before that the detector', { default: '#oncall', databases: '@dba', 'slow-queries': '@app' }, '@app'],
])('%s', (_title, contacts, expected) => {
  const config = { ...base, contacts: Object.assign(Object.create(null), contacts) };
  expect(contactOf(config, targetsOf(config)[0]!, 'slow-queries')).toBe(expected);
});

test('the target itself is asked first', () => {
  const [target] = targetsOf(base);
  const config = { ...base, contacts: { 'slow-queries': '@app', default: '#oncall' } };
  expect(contactOf(config, { ...target!, contact: '@orders' }, 'slow-queries')).toBe('@orders');
});
