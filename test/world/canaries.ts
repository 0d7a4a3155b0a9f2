/** Secrets to plant and look for, of every kind that must not leave. All made up, from a fixed sequence. */

import { createHash } from 'node:crypto';

export interface Canary {
  /** As it stands in a text. */
  readonly text: string;
  /** What must not be found outside. */
  readonly secret: string;
}

const KINDS: readonly ((noise: string, n: number) => Canary)[] = [
  (noise) => whole(`AKIA${noise.toUpperCase().slice(0, 16)}`),
  (noise) => within('aws_secret_access_key=', `${noise.slice(0, 20)}+/${noise.slice(20, 38)}`),
  (noise) => whole(`eyJhbGciOiJIUzI1NiJ9.eyJ${noise.slice(0, 20)}.${noise.slice(20, 60)}`, noise.slice(20, 60)),
  (noise) => whole(`-----BEGIN PRIVATE KEY-----\n${noise}\n-----END PRIVATE KEY-----`, noise),
  (noise) => within('host=db password=', noise.slice(0, 20)),
  (noise) => within('"password": "', noise.slice(0, 20)),
  (noise) => within('Authorization: Bearer ', noise.slice(0, 40)),
  (noise) => whole(`postgres://app:${noise.slice(0, 16)}@db.internal/x`, noise.slice(0, 16)),
  (noise) => whole(`${noise.slice(0, 10)}@mail.example.com`),
  (_noise, n) => whole(card(n)),
  (noise) => within("alter role app password '", noise.slice(0, 20)),
  (noise) => whole(`gh${'p'}_${noise.slice(0, 36)}`),
  (noise) => within('api_key: ', noise.slice(0, 24)),
];

export function canaries(count: number): readonly Canary[] {
  return Array.from({ length: count }, (_, n) => {
    const noise = createHash('sha256').update(`canary ${n}`).digest('hex');
    return KINDS[n % KINDS.length]!(noise, n);
  });
}

const whole = (text: string, secret: string = text): Canary => ({ text, secret });
const within = (before: string, secret: string): Canary => ({ text: `${before}${secret}`, secret });

/** A number of a test range (4111 11…) with the check digit that ISO/IEC 7812-1 asks for. */
function card(n: number): string {
  const body = `411111${String(n).padStart(9, '0')}`;
  let sum = 0;
  for (let i = 0; i < body.length; i += 1) {
    const digit = Number(body[body.length - 1 - i]) * (i % 2 === 0 ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return `${body}${(10 - (sum % 10)) % 10}`;
}
