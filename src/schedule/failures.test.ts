import { expect, test, vi } from 'vitest';
import { createFailures } from './failures.ts';

test('each message is logged once, and the count is told when the job works again', () => {
  const log = { info: vi.fn(), warn: vi.fn() };
  const failures = createFailures('main-db', log);
  failures.succeeded();
  for (const message of ['refused', 'refused', 'timeout', 'refused', 'timeout']) failures.failed(new Error(message));
  expect(log.warn.mock.calls.map(([fields]) => fields.err.message)).toEqual(['refused', 'timeout']);
  expect(log.info).not.toHaveBeenCalled();
  failures.succeeded();
  failures.succeeded();
  expect(log.info.mock.calls).toEqual([[{ job: 'main-db', failures: 5 }, 'job works again']]);
  failures.failed(new Error('refused'));
  expect(log.warn).toHaveBeenCalledTimes(3);
});

test('messages that differ each time do not fill the log', () => {
  const log = { info: vi.fn(), warn: vi.fn() };
  const failures = createFailures('main-db', log);
  for (let i = 0; i < 500; i++) failures.failed(new Error(`pid ${i} is gone`));
  expect(log.warn).toHaveBeenCalledTimes(20);
});
