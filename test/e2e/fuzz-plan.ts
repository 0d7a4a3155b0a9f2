/** What one round does to a channel's answers: the same for the same seed, channel and round. */

import { hashText } from '../world/aws/random.ts';
import { malformedJson, malformedXml, pickOf, seeded } from '../world/mutations.ts';
import { ENDLESS, spoiltReply } from './fuzz-redis.ts';
import { HTTP_TROUBLES, type HttpTrouble, type Spoilt } from './fuzz-upstream.ts';
import type { Channel, FuzzWorld } from './fuzz-world.ts';

/** What a reader may still read right. The AWS SDK does not look at how a body is encoded. */
const READABLE: readonly HttpTrouble[] = ['wrong-type', 'padded', 'many-headers', 'gzip-lie'];
/** Of which a round sees one answer at most. */
const ONE_ANSWER: ReadonlySet<string> = new Set(['status', 'opensearch', 'aws autoscaling']);
/** Megabytes take their time. */
const LARGE: readonly HttpTrouble[] = ['huge', 'gzip-bomb'];
const RARE = 0.04;
/** Answers of a health endpoint that are not its own. */
const UNSAID: readonly HttpTrouble[] = ['redirect', 'redirect-nowhere', 'not-http', 'not-modified'];

export interface Plan {
  readonly name: string;
  readonly next: () => number;
  readonly http: HttpTrouble | 'close' | null;
  /** Share of the answers that are spoilt. */
  readonly share: number;
  /** No answer of the round can be read. */
  readonly whole: boolean;
  /** It is the target itself that seems to be unwell. */
  readonly symptom: boolean;
  readonly seed: number;
}

export function planOf(channel: Channel, seed: number, round: number, slow: boolean): Plan {
  const own = hashText(`${seed} ${channel.name} ${round}`);
  const next = seeded(own);
  const pick = pickOf(next);
  const isBody = !slow && (channel.format === 'resp' ? next() < 0.95 : next() < 0.72);
  if (isBody) {
    // Of a health endpoint the status is what counts, whatever the body is.
    const whole = channel.server !== 'health' && next() < 0.15;
    const share = whole || ONE_ANSWER.has(channel.name) ? 1 : pick([0.4, 0.8, 1, 1]);
    return {
      name: whole ? 'nothing of a format' : `bodies, ${share}`,
      next,
      http: null,
      share,
      whole,
      symptom: false,
      seed: own,
    };
  }
  const kind = troubleOf(channel, slow, next);
  const symptom = channel.symptoms.includes(kind);
  const whole =
    channel.server === 'health' ? UNSAID.includes(kind as HttpTrouble) : !READABLE.includes(kind as HttpTrouble);
  return { name: kind, next, http: kind, share: 1, whole, symptom, seed: own };
}

function troubleOf({ format }: Channel, slow: boolean, next: () => number): HttpTrouble | 'close' {
  const pick = pickOf(next);
  if (format === 'resp') return slow ? 'hang' : 'close';
  if (slow) return pick(['drip', 'hang']);
  return pick(next() < RARE ? LARGE : HTTP_TROUBLES);
}

/** Until it is called with null, each answer that is spoilt is told to `note`. */
export function spoil(fuzz: FuzzWorld, channel: Channel, plan: Plan | null, note: (what: string) => void): void {
  if (channel.server === 'redis') {
    const random = plan === null ? null : seeded(plan.seed + 1);
    fuzz.redis.spoil(
      plan === null || random === null
        ? null
        : (piece) => {
            if (plan.http !== null) {
              note(plan.http);
              return plan.http === 'hang' ? Buffer.from(pickOf(random)(ENDLESS)) : null;
            }
            const made = spoiltReply(piece.toString('latin1'), random, plan.whole);
            if (made === null) return piece;
            note(made.what);
            return Buffer.from(made.reply, 'latin1');
          },
    );
    return;
  }
  const seen = new Map<string, number>();
  for (const upstream of fuzz.http[channel.server]) {
    upstream.spoil(
      plan === null
        ? null
        : (told, asked): Spoilt | null => {
            if (!fuzz.isOf(channel, asked)) return null;
            const request = `${asked.method} ${asked.path} ${asked.body.toString('latin1').slice(0, 300)}`;
            const nth = (seen.get(request) ?? 0) + 1;
            seen.set(request, nth);
            const random = seeded(hashText(`${plan.seed} ${request.replace(/127\.0\.0\.1(?::|%3A)\d+/g, '')} ${nth}`));
            if (random() >= plan.share) return null;
            if (plan.http !== null) {
              note(`${request.slice(0, 120)}: ${plan.http}`);
              return { http: plan.http as HttpTrouble };
            }
            const text = told.body.toString('utf8');
            const make = channel.format === 'xml' ? malformedXml : malformedJson;
            let made = make(text, random);
            while (plan.whole && !made.whole) made = make(text, random);
            note(
              `${request.slice(0, 120)}: ${made.what}${made.whole ? '' : `\n  ${String(made.body).slice(0, 1_500)}`}`,
            );
            return { body: made.body };
          },
    );
  }
}
