/**
 * Messages that differ only in their variable parts become one template, in the manner of Drain (He et al., ICWS 2017,
 * section 3): a token with a digit is a parameter. No tree is needed for ten thousand lines: after the mask, equal texts
 * are equal templates. The mask is also what keeps data of people from leaving: quoted values, values behind an equals
 * sign, ids, paths of URLs and random words are never part of a template.
 */

import { isHost } from './kind.ts';
import { redact } from './redact.ts';

const MASK = '<*>';
const TEMPLATE_LENGTH = 200;
/** Cut before it is masked: what comes later would not be shown. */
const INPUT_LENGTH = 1_000;

/** Digits that say what happened are carried through the mask as characters that no input has any more. */
const KEPT_ZERO = 0xe100;
const STATUS =
  /\b((?:status(?:[ _]?code)?|http(?:\/\d(?:\.\d)?)?|code|error|returned|responded with)["'\\]{0,4}\s{0,2}[:=]?\s{0,2})([45]\d\d)(?![\d.]|\s?m?s\b)/gi;
const CODES =
  /(?<![A-Za-z0-9])(?:53300|57P0[1-5]|57014|40P01|28P01|55P03|42P01|3D000|P[12]\d{3}|ORA-\d{5}|HTTP\/\d(?:\.\d)?)(?![A-Za-z0-9])/g;

/** Date and time at the head of a line, in the forms of ISO 8601, log4j, syslog, and the common log format. */
const HEAD_TIME =
  /^\s*[[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:\s?(?:Z|UTC|[+-]\d\d:?\d\d))?|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}|\d{10}(?:\d{3})?)[\])]?[\s,|-]*/;

const MASKS: readonly (readonly [RegExp, string])[] = [
  // Quoted values; an apostrophe inside a word is none. What is not closed goes to the end.
  [/(?<![\p{L}\p{N}])\\{0,3}"(?:[^"\\]|\\.){0,1000}(?:"|$)/gu, MASK],
  [/"[^"]*(?:"|$)/g, MASK],
  [/`[^`]*(?:`|$)/g, MASK],
  [/(?<![\p{L}\p{N}])'[^']*'(?![\p{L}\p{N}])/gu, MASK],
  [/(?<=[\s=(:[{,]|^)'[^']*$/g, MASK],
  // DETAIL: Key (email)=(…) already exists.
  [/=\s?\([^)]*(?:\)|$)/g, `=(${MASK})`],
  // name=value of logfmt and the like.
  [/(?<=[\p{L}\p{N}_\])])=(?!=)(?!\(<)[^\s,;&)\]}]+/gu, `=${MASK}`],
  // Who it was, in prose.
  [
    /\b((?:user|username|user name|customer|patient|member|subscriber|login|principal)[:#]? {1,2})(?!(?:not|is|was|has|had|does|did|do|could|cannot|can|will|with|for|from|in|on|at|to|of|and|or|id|ids|failed|failure|error|errors|request|requests|service|session|sessions|data|agent|pool|model|table|input|name|profile|disconnected|closed|already|lookup|database|account|api)\b)[^\s,;:()"'`]+/gi,
    `$1${MASK}`,
  ],
  [/\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/gi, MASK],
  [/\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?/g, MASK],
  [/(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?![\w.])/g, MASK],
  [/(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])/gi, MASK],
];

const URL_TEXT = /\b([a-z][a-z0-9+.-]{1,20}):\/\/([^\s/?#"'<>)\],]{0,300})[^\s"'<>)\],]*/gi;
const TOKEN = /[^\s,;()[\]{}<>|"'`=]+/g;

/** A printable line of at most 200 characters; `(no text)` when nothing is left to tell. */
export function templateOf(text: string): string {
  let line = redact(firstLine(text).slice(0, INPUT_LENGTH).replace(HEAD_TIME, ''));
  line = line.replace(URL_TEXT, (_, scheme: string, authority: string) => hostOnly(scheme, authority));
  line = line.replace(STATUS, (_, before: string, status: string) => `${before}${keep(status)}`);
  line = line.replace(CODES, keep);
  for (const [mask, replacement] of MASKS) line = line.replace(mask, replacement);
  line = line.replace(TOKEN, maskToken);
  line = line
    .replace(/(?:<\*>[\s,:;/|.+-]{0,3}){2,}/g, `${MASK} `)
    .replace(/[\ue100-\ue109]/g, (kept) => String(kept.charCodeAt(0) - KEPT_ZERO))
    .replace(/\s+/g, ' ')
    .replace(/^(?:<\*>[\s,:;|-]+)+(?=\S)/, '')
    .trim();
  const characters = Array.from(line);
  if (!/\p{L}{2}/u.test(line)) return '(no text)';
  return characters.length <= TEMPLATE_LENGTH ? line : `${characters.slice(0, TEMPLATE_LENGTH - 1).join('')}…`;
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => /\p{L}/u.test(line)) ?? '';
}

function keep(digits: string): string {
  return digits.replace(/\d/g, (digit) => String.fromCharCode(KEPT_ZERO + Number(digit)));
}

/** `https://api.stripe.com/v1/charges/ch_1?key=…` keeps its host, in letters that the mask of digits does not see. */
function hostOnly(scheme: string, authority: string): string {
  const host = authority.split('@').at(-1)?.split(':')[0]?.toLowerCase() ?? '';
  return isHost(host) ? `${scheme}://${keep(host)}/${MASK}` : MASK;
}

function maskToken(token: string): string {
  if (token === '*') return token;
  // A name of a host may hold digits: it is shown as a host anyway.
  const [, name = '', port = '', end = ''] = /^([A-Za-z0-9.-]*[A-Za-z0-9])(:\d{1,5})?([.:]*)$/.exec(token) ?? [];
  if (isHost(name.toLowerCase()) && (port !== '' || name.split('.').length > 2)) {
    return `${name}${port === '' ? '' : `:${MASK}`}${end}`;
  }
  // Paths, package names, and pairs: part by part, so that what surrounds an id is kept.
  return token.replace(/[^/:.@#&?%$\\]+/g, (part) => (isVariable(part) ? MASK : part));
}

/** Words that have a digit and are no parameter. */
const WORDS_WITH_DIGITS =
  /^(?:s3|ec2|oauth2|h2|k8s|ipv[46]|utf-?8|base64|sha(?:1|256|512)|md5|x509|p\d\d|http2|log4j2?|slf4j|c3p0|psycopg[23]|web3|l[47])$/i;

function isVariable(part: string): boolean {
  if (/\d/.test(part)) return !WORDS_WITH_DIGITS.test(part);
  return isRandomWord(part);
}

/**
 * Letters only, and yet no word. In names of classes one letter in four is a capital and the case changes twice a hump of
 * five letters; in random letters of both cases every second is one. English has two vowels in five letters and seldom
 * five consonants in a row; the alphabet has one vowel in five.
 */
function isRandomWord(part: string): boolean {
  return part.split(/[_-]/).some((word) => {
    const { length } = word;
    if (length < 16) return false;
    if (length > 60) return true;
    const share = (pattern: RegExp): number => (word.match(pattern)?.length ?? 0) / length;
    const capitals = share(/\p{Lu}/gu);
    if (capitals > 0.32 && capitals < 0.7) return true;
    if (share(/(?<=\p{Ll})\p{Lu}|(?<=\p{Lu})\p{Ll}/gu) > 0.4) return true;
    if (length >= 20 && share(/[aeiou]/gi) < 0.28) return true;
    return length >= 32 && /[^aeiou]{6}/i.test(word);
  });
}
