import { describe, expect, it } from 'vitest';
import { relationNames } from './tables.ts';

describe('relationNames', () => {
  it.each([
    ['select * from orders where id = $1', ['orders']],
    ['SELECT o.*, c.name FROM orders o JOIN "Customers" c ON c.id = o.customer_id', ['Customers', 'orders']],
    [
      'UPDATE search.outbox SET processed = $1 WHERE id IN (SELECT id FROM search.queue LIMIT $2)',
      ['search.outbox', 'search.queue'],
    ],
    ['INSERT INTO orders (a) SELECT a FROM staging.orders', ['orders', 'staging.orders']],
    ['DELETE FROM a USING b WHERE a.id = b.id', ['a', 'b']],
    ['WITH recent AS (SELECT * FROM orders) SELECT * FROM recent, public.recent', ['orders', 'public.recent']],
    ['SELECT (SELECT max(x) FROM a) + $1 FROM b WHERE EXISTS (SELECT $2 FROM c)', ['a', 'b', 'c']],
    ['MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DO NOTHING', ['a', 'b']],
    ['TRUNCATE a, b', ['a', 'b']],
    ['VACUUM orders', ['orders']],
    ['SELECT $1', []],
    // Cut texts, which no parser takes.
    [
      'select * from orders o join "Search Box".outbox b on o.id = b.id where o.id in ($1, $2…',
      ['Search Box.outbox', 'orders'],
    ],
    ['UPDATE ONLY Public.Orders SET a =…', ['public.orders']],
    ['select * from (select a from lateral_things where…', ['lateral_things']],
  ])('of %j are %j', async (sql, expected) => {
    const names = await relationNames(sql);
    expect(names.map(({ schema, name }) => (schema === null ? name : `${schema}.${name}`)).sort()).toEqual(expected);
  });

  it('takes a deep text without exhausting the stack', async () => {
    const names = await relationNames(`select ${'1 + '.repeat(900)}1 from orders`);
    expect(names).toEqual([{ schema: null, name: 'orders' }]);
  });
});
