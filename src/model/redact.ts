/**
 * What must be neither kept nor sent: credentials, personal data, and characters that make a text read or paste as
 * something else. Texts that others wrote for people go through `redact` where they come in, and every outgoing string
 * once more: what was redacted stays as it is.
 */

const MARK = '[redacted]';

/** Longer texts are cut first, so that the time of one call is bounded. In UTF-16 code units. */
export const MAX_REDACT_LENGTH = 100_000;

/**
 * C0 and C1 controls but tab, line feed and carriage return (white space, below); zero-width and bidirectional marks,
 * embeddings, overrides and isolates; byte-order mark. Out before anything is matched: one inside a secret would hide it.
 */
const INVISIBLE =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;
const OTHER_SPACE = /\r\n?|[\u2028\u2029]/g;

/**
 * Each is linear: repetitions are bounded, or start at a literal and consume what they matched. Order matters: whole
 * blocks first, then values by the name before them, then values that tell by their own form.
 */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // PEM; without an end (cut) to the end of the text.
  [/-----BEGIN [^-\n]{1,60}-----[\s\S]*?(?:-----END [^-\n]{1,60}-----|$)/g, MARK],
  // JSON Web Token, complete or cut.
  [/eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,2}/g, MARK],
  // URL userinfo, also where the password holds a raw slash or at sign.
  [/:\/\/(?:[^\s/?#"'<>]{1,300}|[^\s/:@"'<>]{1,100}:[^\s"'<>]{1,300})@/g, `://${MARK}@`],
  [/(authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:basic |bearer |digest |token )?)[^\s"',;]+/gi, `$1${MARK}`],
  [/\b(bearer\s{1,3})[A-Za-z0-9._~+/=-]{8,}/gi, `$1${MARK}`],
  // To the end of the word, whatever is in it: too much is better than the tail of a password.
  [
    /((?:passw(?:or)?d|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key(?:[_-]?id)?|account[_-]?key|private[_-]?key|routing[_-]?key|credentials?)(?:["']|%2[27])?\s{0,3}(?:=>|[:=]|%3[ad])(?:\s|%2[027]|\+){0,3})(?:"(?:[^"\\\n]|\\.)+"?|'(?:[^'\\\n]|\\.|'')+'?|\S+)/gi,
    `$1${MARK}`,
  ],
  // SQL: alter role … password '…', identified by '…'.
  [/((?:password|identified by)\s{1,3})'(?:[^'\\\n]|\\.|'')+'?/gi, `$1'${MARK}'`],
  // AWS access key ids, by their documented prefixes.
  [/(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA)[A-Z0-9]{12,}/g, MARK],
  // Tokens of other vendors that tell by a prefix: GitHub, GitLab, Slack, Stripe, npm, Google.
  [
    /(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[rs]k_(?:live|test)_|whsec_|npm_|AIza)[A-Za-z0-9_-]{10,}/g,
    MARK,
  ],
  [/hooks\.slack\.com\/(?:services|workflows)\/[A-Za-z0-9/_-]{1,200}/g, `hooks.slack.com/${MARK}`],
];

/** Found by the sign, then back over the local part (64 characters at most, RFC 5321): forwards would be quadratic. */
const MAIL_DOMAIN = /@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}/gu;
const MAIL_LOCAL = /[\p{L}\p{M}\p{N}._%+'-]/u;
const MAIL_LOCAL_LENGTH = 64;

/** An AWS secret key has no prefix: 40 characters of base64 that are not a hex digest. */
const FORTY = /(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/g;
/** Not the decimals of a figure, a queryid, or a figure with its unit. */
const DIGITS = /(?<!\d\.?)(?<!query_?id[ :=]{0,3}-?)\d(?:[ -]?\d){11,}(?!\d| (?:bytes|rows|ms)\b)/gi;

/** Issuers' prefixes with their lengths (ISO/IEC 7812, as published by the card networks). */
const CARDS: readonly (readonly [prefix: RegExp, lengths: readonly number[]])[] = [
  [/^4/, [13, 16, 19]], // Visa
  [/^(?:5[1-5]|2[2-7])/, [16]], // Mastercard
  [/^3[47]/, [15]], // American Express
  [/^3[068]/, [14]], // Diners Club
  [/^35/, [16]], // JCB
  [/^6/, [16, 17, 18, 19]], // Discover, UnionPay, Maestro
  [/^5[06-9]/, [16]], // Maestro
];
const MAX_CARD_LENGTH = 19;

/** The text without secrets, personal data and invisible characters. Keeps line feeds; cuts at `MAX_REDACT_LENGTH`. */
export function redact(text: string): string {
  const cut = bounded(text);
  let clean = cut.toWellFormed().replace(OTHER_SPACE, '\n').replaceAll('\t', ' ').replace(INVISIBLE, '');
  for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
  clean = maskMail(clean);
  clean = clean.replace(FORTY, (found) =>
    /[a-z]/.test(found) && /[A-Z]/.test(found) && /\d/.test(found) ? MARK : found,
  );
  clean = clean.replace(DIGITS, maskCards);
  return cut.length < text.length ? `${clean} … (${text.length - cut.length} more characters)` : clean;
}

/** Cut at white space, digits groups at the end dropped: half a secret would not be recognised any more. */
function bounded(text: string): string {
  if (text.length <= MAX_REDACT_LENGTH) return text;
  const head = text.slice(0, MAX_REDACT_LENGTH);
  const space = Math.max(head.lastIndexOf(' '), head.lastIndexOf('\n'));
  const whole = space > MAX_REDACT_LENGTH - 5_000 ? head.slice(0, space) : head.slice(0, MAX_REDACT_LENGTH - 5_000);
  let end = whole.length;
  while (end > 0 && /[\d\s-]/.test(whole[end - 1]!)) end -= 1;
  return whole.slice(0, end);
}

function maskMail(text: string): string {
  let out = '';
  let done = 0;
  for (const { index, 0: domain } of text.matchAll(MAIL_DOMAIN)) {
    let from = index;
    while (from > done && index - from < MAIL_LOCAL_LENGTH && MAIL_LOCAL.test(text[from - 1]!)) from -= 1;
    if (from === index) continue;
    out += `${text.slice(done, from)}[e-mail]`;
    done = index + domain.length;
  }
  return out + text.slice(done);
}

/** Masks card numbers within a run of digits whose groups are parted by single spaces or hyphens. */
function maskCards(run: string): string {
  const groups = run.split(/([ -])/);
  let out = '';
  for (let from = 0; from < groups.length; from += 2) {
    const end = endOfCard(groups, from);
    out += end === null ? groups[from]! : MARK;
    if (end !== null) from = end;
    out += groups[from + 1] ?? '';
  }
  return out;
}

/** Index of the last group of the longest card number that starts with the group `from`; null when none does. */
function endOfCard(groups: readonly string[], from: number): number | null {
  const head = `${groups[from]}${groups[from + 2] ?? ''}`.slice(0, 2);
  const lengths = CARDS.find(([prefix]) => prefix.test(head))?.[1];
  if (lengths === undefined) return null;
  let digits = '';
  let end: number | null = null;
  for (let to = from; to < groups.length && digits.length < MAX_CARD_LENGTH; to += 2) {
    digits += groups[to]!;
    if (lengths.includes(digits.length) && luhn(digits)) end = to;
  }
  return end;
}

/** ISO/IEC 7812-1, annex B: every second digit from the right doubled, digits summed, a multiple of ten. */
function luhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i += 1) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = digit * 2;
    sum += i % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
