/**
 * Texts that others wrote (log lines, event messages, bodies of health endpoints), made safe to keep: no credentials, no
 * personal data, nothing that cannot be printed. Rather too much is taken out than too little: what is kept of such a
 * text only has to tell one fault from another.
 */

const MARK = '<*>';

/** Longer texts are cut first, so that the time of one call is bounded. In UTF-16 code units. */
const MAX_LENGTH = 8_000;

/** Escape sequences of terminals (ECMA-48), before the escape character alone is taken out. */
const ANSI = /\u001b(?:\[[0-?]{0,32}[ -/]{0,8}[@-~]|\][^\u0007\u001b]{0,300}(?:\u0007|\u001b\\)|[@-_])/g;
/** Controls but the line feed, zero-width and bidirectional marks, private use; one inside a secret would hide it. */
const INVISIBLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\p{Cf}\p{Co}]/gu;

const NAMES =
  'passw(?:or)?d|passwd|pwd|passphrase|secret|token|api[_-]?key|apikey|access[_-]?key(?:[_-]?id)?|account[_-]?key|' +
  'private[_-]?key|routing[_-]?key|signing[_-]?key|session(?:[_-]?id)?|sid|jsessionid|csrf|xsrf|signature|sig|otp|pin|cvv|cvc|' +
  'ssn|iban|credentials?|auth(?:[_-]?code)?|nonce|pat';

/**
 * Each is linear: repetitions are bounded, or begin at a literal and consume what they matched. Whole blocks first, then
 * values by the name before them, then values that tell by their own form.
 */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  // PEM; without an end (cut) to the end of the text.
  [/-----BEGIN [^-\n]{1,60}-----[\s\S]*?(?:-----END [^-\n]{1,60}-----|$)/g, MARK],
  // Headers that hold several values: to the end of the line.
  [/\b((?:proxy-)?authorization|(?:set-)?cookie|x-amz-security-token)(["'\\]{0,4}\s{0,3}[:=])[^\n]*/gi, `$1$2 ${MARK}`],
  // JSON Web Token, complete or cut.
  [/eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,4}/g, MARK],
  // URL userinfo, also where the password holds a raw slash or at sign.
  [/:\/\/(?:[^\s/?#"'<>]{1,300}|[^\s/:@"'<>]{1,100}:[^\s"'<>]{1,300})@/g, '://'],
  // Addresses keep their host; paths and queries hold ids, names and signatures.
  [/\b([a-z][a-z0-9+.-]{1,20}:\/\/[^\s/?#"'<>)\],]{0,300})[/?#][^\s"'<>)\],]*/gi, `$1/${MARK}`],
  [/\b(basic|bearer|digest|negotiate)\s{1,3}(?=\S{0,200}[\d+/=._-])[A-Za-z0-9._~+/=-]{6,}/gi, `$1 ${MARK}`],
  [/\b(bearer)\s{1,3}[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${MARK}`],
  // name=value, "name": "value", \"name\":\"value\", name => value, "name is value": to the end of the quoted text or word.
  [
    new RegExp(
      `((?:${NAMES})s?(?:\\\\{0,3}["'\`]|%2[27]){0,1}\\]?\\s{0,3}(?:=>|[:=]|%3[ad]|\\b(?:is|was|of)\\b)(?:\\s|%2[027]|\\+){0,3})` +
        `(?:\\\\{1,3}["'][^"'\\n]*|"(?:[^"\\\\\\n]|\\\\.)*"?|'(?:[^'\\\\\\n]|\\\\.|'')*'?|\`[^\`\\n]*\`?|[^\\s]+)`,
      'gi',
    ),
    `$1${MARK}`,
  ],
  // SQL: alter role … password '…', identified by '…'.
  [/((?:password|identified by)\s{1,3})'(?:[^'\\\n]|\\.|'')*'?/gi, `$1${MARK}`],
  // AWS access key ids, by their documented prefixes.
  [/(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA)[A-Z0-9]{8,}/g, MARK],
  // Tokens of other vendors that tell by a prefix: GitHub, GitLab, Slack, Stripe, npm, Google, SendGrid, Twilio, Shopify.
  [
    /(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|[srp]k_(?:live|test)_|whsec_|npm_|AIza|ya29\.|SG\.|SK[0-9a-f]{8}|AC[0-9a-f]{8}|shp(?:at|ss|ca)_|dop_v1_|hf_|sk-)[A-Za-z0-9_.-]{8,}/g,
    MARK,
  ],
  [/hooks\.slack\.com\/(?:services|workflows|triggers)\/[A-Za-z0-9/_-]{1,200}/g, `hooks.slack.com/${MARK}`],
  // Mail addresses: the local part may be quoted away, so the sign with a word on each side is enough.
  [/[\p{L}\p{M}\p{N}._%+'-]{1,64}@[\p{L}\p{N}.-]{1,255}/gu, MARK],
  // Digits as of cards, accounts, telephones: nine and more, also in groups.
  [/(?<![\d.])\+?\d(?:[ -]?\d){8,}/g, MARK],
  // Digests, ids, keys in hexadecimal or base64.
  [/(?<![A-Za-z0-9])(?=[A-Fa-f-]{0,40}\d)[A-Fa-f0-9-]{16,}(?![A-Za-z0-9])/g, MARK],
  [
    /(?<![A-Za-z0-9+/_=-])(?=[A-Za-z0-9+/_-]{0,200}\d)(?=[A-Za-z0-9+/_-]{0,200}[A-Za-z])[A-Za-z0-9+/_-]{24,}={0,2}/g,
    MARK,
  ],
];

/**
 * The text without secrets, personal data and invisible characters; `<*>` where something was. Line feeds are kept.
 * Cut at 8,000 characters, at white space, because half a secret would not be recognised any more.
 */
export function redact(text: string): string {
  let clean = bounded(text)
    .toWellFormed()
    .replace(ANSI, '')
    .replace(/\r\n?|[\u2028\u2029]/g, '\n');
  clean = clean.replaceAll('\t', ' ').replace(INVISIBLE, '');
  for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
  return clean;
}

/** One redacted line of at most `limit` characters. */
export function outside(text: string, limit: number): string {
  const line = redact(text).replace(/\s+/g, ' ').trim();
  const characters = Array.from(line);
  return characters.length <= limit ? line : `${characters.slice(0, limit - 1).join('')}…`;
}

function bounded(text: string): string {
  if (text.length <= MAX_LENGTH) return text;
  const head = text.slice(0, MAX_LENGTH);
  const space = Math.max(head.lastIndexOf(' '), head.lastIndexOf('\n'));
  return head.slice(0, space > MAX_LENGTH / 2 ? space : MAX_LENGTH / 2);
}
