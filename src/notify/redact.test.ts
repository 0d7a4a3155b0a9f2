import { describe, expect, test } from 'vitest';
import { MAX_REDACT_LENGTH, redact } from './redact.ts';

/** Published examples and test numbers, none of them real; joined from parts so that no scanner takes them for real. */
const AWS_ID = ['AKIA', 'IOSFODNN7EXAMPLE'].join('');
const AWS_SECRET = ['wJalrXUtnFEMI/K7MDENG/', 'bPxRfiCYEXAMPLEKEY'].join('');
const JWT = ['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiIxMjM0In0', 'dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P'].join('.');
const PEM = ['-----BEGIN RSA PRIVATE KEY-----', 'MIIEpAIBAAKCAQEA0Z3VS5JJcds', '-----END RSA PRIVATE KEY-----'].join(
  '\n',
);

test.each([
  'rotated postgres://admin:hunter2@db/x by jane.doe@example.com password=hunter2',
  'key AKIAIOSFODNN7EXAMPLE, card 4242 4242 4242 4242',
])('what was redacted stays as it is: %s', (text) => {
  expect(redact(redact(text))).toBe(redact(text));
});

describe('secrets do not leave', () => {
  test.each([
    ['an AWS key id', `key ${AWS_ID} used`, AWS_ID],
    ['an AWS secret key', `with ${AWS_SECRET}.`, AWS_SECRET],
    ['a JSON Web Token', `got ${JWT}`, 'eyJ'],
    ['a JSON Web Token without its end', `got ${JWT.slice(0, 30)}`, 'eyJ'],
    ['a PEM block', `file: ${PEM} end`, 'MIIE'],
    ['a PEM block without its end', `file: ${PEM.slice(0, 60)}`, 'MIIE'],
    ['a password in a connection string', 'host=db user=app password=hunter2 sslmode=require', 'hunter2'],
    ['a quoted password with spaces', 'password="hunter2 is long"', 'hunter2'],
    ['a password as JSON', '{"Password": "hunter2"}', 'hunter2'],
    ['a password in an environment', 'PGPASSWORD=hunter2 psql', 'hunter2'],
    ['a password in SQL', "alter role app password 'hunter2'", 'hunter2'],
    ['a password in a query string', 'x?user=a&password=hunter2&b=c', 'hunter2'],
    ['a password with punctuation', 'password=a,b;hunter2&c)', 'hunter2'],
    ['a password with escaped quotes', '"password": "a\\"hunter2"', 'hunter2'],
    ['a password with doubled quotes', "alter role app password 'it''s hunter2'", 'hunter2'],
    ['a password in an encoded query', 'https://a.example/?q=%22password%22%3A%20%22hunter2', 'hunter2'],
    ['a secret by its name', 'aws_secret_access_key = hunter2', 'hunter2'],
    ['an API key', 'api-key: hunter2', 'hunter2'],
    ['URL userinfo', 'postgres://app:hunter2@db:5432/x', 'hunter2'],
    ['URL userinfo with an at sign in it', 'postgres://app:hun@ter2@db/x', 'ter2'],
    ['URL userinfo with a slash in it', 'postgres://app:hun/ter2@db/x', 'ter2'],
    ['a token as URL user', 'https://hunter2@git.example/x', 'hunter2'],
    ['a bearer token', 'Authorization: Bearer hunter2hunter2', 'hunter2'],
    ['a bearer token alone', 'sent bearer hunter2hunter2', 'hunter2'],
    ['basic credentials', 'authorization: Basic aHVudGVyMjpodW50ZXIy', 'aHVud'],
    ['an e-mail address', 'mail to Jane.Doe+db@mail.example.com now', 'Doe'],
    ['an e-mail address outside ASCII', 'an jörg@münchen.example gesendet', 'jörg'],
    ['a vendor token', ['use ghp', 'abcdefghijklmnopqrstuvwxyz0123456789'].join('_'), 'abcdefghij'],
    ['a secret with an invisible character inside', `key AKIA\u200b${AWS_ID.slice(4)}`, 'IOSFODNN7'],
    ['a secret after a control character', `\u001b[31mpassword=hunter2`, 'hunter2'],
  ])('%s', (_name, text, secret) => {
    const clean = redact(text);
    expect(clean).not.toContain(secret);
    expect(clean).toMatch(/\[redacted\]|\[e-mail\]/);
  });

  test.each([
    '4111 1111 1111 1111',
    '4111-1111-1111-1111',
    '4111111111111111',
    '5555555555554444',
    '378282246310005',
    '3782 822463 10005',
    '6011111111111117',
    '30569309025904',
    '2223003122003222',
    '6200000000000005',
  ])('card number %s (networks’ public test numbers)', (card) => {
    expect(redact(`paid with ${card}, thanks`)).toBe('paid with [redacted], thanks');
    expect(redact(`order 12 ${card} 7`)).not.toContain(card);
  });
});

describe('what on-call needs stays as it is', () => {
  test.each([
    'main-db: 14 sessions blocked for 2 min by pid 2134, idle in transaction (checkout-worker) · 94 % lock contention',
    'psql -h main-db.internal -U admin -d rastup -c "select pg_terminate_backend(pid) from pg_stat_activity where pid = 2134 and backend_start = \'2026-11-23 13:58:02.114873+00\'"',
    'between 14:02:25 and 14:02:40 UTC (2 min 20 s ago)',
    'restart_lsn 16/B374D848, retained 4294967296000 bytes, at 1795442550000',
    'queryid 4532015112830366127: update orders set total = $1 where id = $2',
    'commit 3f786850e387550fdab836ed7e6dc881de23001b, deployed 90 s before the onset',
    'arn:aws:ecs:us-east-1:123456789012:service/rastup-prod/api-service',
    'ratio 0.4111111111111111 of 97 slots; owner @dba; pg@18',
    'https://runbookd.example/incidents/01JD4Z8Q0V5N3?tab=evidence#top',
    'password authentication failed for user "app"',
    'token bucket empty; secrets are read anew; bearer of news',
    'line one\nline two',
  ])('%s', (text) => {
    expect(redact(text)).toBe(text);
  });
});

test('invisible and turning characters are taken out, other scripts are not', () => {
  const text = 'a\u0000b\u001b[201~c\u202ed\u2066e\u200bf\u009bg\r\nh\ti 漢字 עברית 😀';
  expect(redact(text)).toBe('ab[201~cdefg\nh i 漢字 עברית 😀');
  expect(redact('cut \ud83d here').isWellFormed()).toBe(true);
});

test('a long text is cut where no secret is halved, and says so', () => {
  const card = '4111 1111 1111 1111 ';
  const clean = redact(`${'x'.repeat(MAX_REDACT_LENGTH - 10)} ${card.repeat(20)}`);
  expect(clean.length).toBeLessThan(MAX_REDACT_LENGTH + 100);
  expect(clean).not.toContain('4111');
  expect(clean).toMatch(/more characters\)$/);
  expect(redact('a'.repeat(5_000_000)).length).toBeLessThanOrEqual(MAX_REDACT_LENGTH + 100);
});

test('redacting twice changes nothing more', () => {
  const once = redact(`password=x postgres://a:b@c/ ${JWT} ${PEM} jane@mail.example.com`);
  expect(redact(once)).toBe(once);
});

test('no text of the allowed length takes long', () => {
  const atoms = [
    'a',
    '@',
    'a@',
    'a.',
    '4',
    '4 ',
    '4-1',
    'eyJ',
    '-----BEGIN A-----',
    '://',
    '://a:',
    'password=',
    "password '",
  ];
  atoms.push(
    'bearer ',
    'authorization: ',
    '[',
    '\u200b',
    'é',
    'AKIA',
    'query_id ',
    '-',
    ' ',
    '\n',
    'xoxb-',
    'a/+',
    'é.',
  );
  for (const first of atoms) {
    for (const second of ['', 'a', '!', '4', '@', ' ', '://', '.b']) {
      const unit = first + second;
      const text = `${unit.repeat(Math.floor(MAX_REDACT_LENGTH / unit.length))}!`.slice(0, MAX_REDACT_LENGTH);
      const start = performance.now();
      redact(text);
      // Linear is below 60 ms here; a quadratic pattern takes seconds, so that a slow machine does not matter.
      expect(performance.now() - start, JSON.stringify(unit)).toBeLessThan(1_000);
    }
  }
});
