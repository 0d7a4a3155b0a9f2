/**
 * What one log event says: the message out of a line of JSON (pino, winston, bunyan, logback, structlog, zap, Serilog…),
 * or the line itself, and whether it is an error at all. CloudWatch's filter only knows words, so that `"errors":0` and
 * `INFO took 429 ms` come through it.
 */

import { kindOf } from './kind.ts';

export interface Message {
  /** Not redacted, at most 4,000 characters. */
  readonly text: string;
  /** Host that a field of the line names (`err.hostname`), not checked. */
  readonly host: string | null;
  readonly isError: boolean;
}

const TEXT_LENGTH = 4_000;
/** A longer line is taken as text: a parser's time is not given to it. */
const JSON_LENGTH = 65_536;

type Fields = Readonly<Record<string, unknown>>;

export function messageOf(line: string): Message {
  const trimmed = line.trimStart();
  if (trimmed.startsWith('{') && trimmed.length <= JSON_LENGTH) {
    try {
      const parsed: unknown = JSON.parse(trimmed);
      if (isFields(parsed)) return ofJson(parsed);
    } catch {
      // Cut, or not JSON after all.
    }
  }
  if (/^\{\s*"/.test(trimmed)) return ofCutJson(trimmed);
  const text = line.slice(0, TEXT_LENGTH);
  return ofLogfmt(text) ?? { text, host: null, isError: isErrorText(text) };
}

/**
 * The head of a line of JSON: quotes do not pair any more, so only what stands in the message's own quotes is taken.
 * Containers' runtimes cut at 16 KB.
 */
function ofCutJson(line: string): Message {
  const head = line.slice(0, JSON_LENGTH);
  const message = /"(?:msg|message|errorMessage)"\s*:\s*"((?:[^"\\]|\\.){0,4000})/.exec(head)?.[1] ?? '';
  const level = LEVELS.get(
    /"(?:level|severity|levelname)"\s*:\s*"?([A-Za-z0-9]{1,20})/.exec(head)?.[1]?.toLowerCase() ?? '',
  );
  const text = message.replace(/\\(?:u[0-9a-fA-F]{4}|.)/g, ' ');
  return { text, host: null, isError: level === undefined ? isErrorText(text) : level >= WARN };
}

/** `level=error msg="…" err="…"`, as Go's loggers and Heroku write it. */
function ofLogfmt(line: string): Message | null {
  const level = LEVELS.get(logfmtValue(line, 'level|lvl|severity')?.toLowerCase() ?? '');
  const message = logfmtValue(line, 'msg|message');
  if (level === undefined || message === null) return null;
  const error = logfmtValue(line, 'err|error');
  const text = error === null || message.includes(error) ? message : `${message}: ${error}`;
  return { text, host: null, isError: level >= WARN };
}

function logfmtValue(line: string, names: string): string | null {
  const found = new RegExp(`(?:^|\\s)(?:${names})=(?:"((?:[^"\\\\]|\\\\.)*)"?|(\\S+))`).exec(line);
  return found === null ? null : (found[1] ?? found[2] ?? '').replace(/\\(.)/g, '$1');
}

function ofJson(fields: Fields): Message {
  const error = [fields['err'], fields['error'], fields['exception'], fields['cause']].find(
    (each) => isFields(each) || (typeof each === 'string' && each !== ''),
  );
  const inner = isFields(error)
    ? (textIn(error, ['message', 'msg', 'Message', 'description', 'detail']) ?? textIn(error, ['stack', 'stacktrace']))
    : typeof error === 'string'
      ? error
      : null;
  const name = isFields(error) ? textIn(error, ['code', 'type', 'name', 'class', 'ClassName']) : null;
  const outer =
    textIn(fields, ['msg', 'message', '@m', 'Message', 'event', 'log', 'text', 'errorMessage']) ??
    textIn(fields, ['@mt', 'description', 'reason']);
  const trace = lastLine(textIn(fields, ['exc_info', '@x', 'stack_trace', 'stack', 'stacktrace']));
  // A code of an operating system or a SQLSTATE tells more than the name of a class that every error has.
  const named = name === null || /^(?:Error|string|object)$/.test(name) || inner?.includes(name) ? null : name;
  const parts = [outer, named, inner, inner === null ? trace : null].filter((part): part is string => part !== null);
  const distinct = parts.filter((part, at) => !parts.slice(0, at).some((earlier) => earlier.includes(part)));
  const text = distinct.join(': ').slice(0, TEXT_LENGTH);
  const host = isFields(error) ? (textIn(error, ['hostname', 'host']) ?? hostOfCall(error['config'])) : null;
  const status = statusOf(fields);
  const withStatus = status !== null && (status === 429 || status >= 500) ? `${text} (status ${status})` : text;
  const level = levelOf(fields);
  const isError =
    level === null
      ? inner !== null || status !== null || isErrorText(text)
      : level >= WARN || status === 429 || (status ?? 0) >= 500;
  return { text: text.includes(String(status)) ? text : withStatus, host, isError };
}

/** Axios and its like keep what was called: `config: { baseURL, url }`. */
function hostOfCall(config: unknown): string | null {
  if (!isFields(config)) return null;
  const url = [config['baseURL'], config['url']].find((each) => typeof each === 'string' && /^https?:/.test(each));
  return typeof url === 'string' ? (URL.parse(url)?.hostname ?? null) : null;
}

/** Levels of pino and bunyan: 30 is info, 40 warning. */
const WARN = 40;
const LEVELS: ReadonlyMap<string, number> = new Map(
  [
    ['10', 'trace', 'verbose', 'silly'],
    ['20', 'debug', 'fine'],
    ['30', 'info', 'information', 'informational', 'notice', 'log'],
    ['40', 'warn', 'warning'],
    ['50', 'err', 'error', 'severe'],
    ['60', 'fatal', 'critical', 'crit', 'alert', 'emerg', 'emergency', 'panic', 'dpanic'],
  ].flatMap((names) => names.map((name): [string, number] => [name, Number(names[0])])),
);

function levelOf(fields: Fields): number | null {
  const nested = fields['log'];
  const raw =
    fields['level'] ??
    fields['severity'] ??
    fields['levelname'] ??
    fields['lvl'] ??
    fields['log.level'] ??
    fields['@l'] ??
    fields['Level'] ??
    (isFields(nested) ? nested['level'] : undefined);
  if (typeof raw === 'number') return raw >= 10 ? raw : null;
  if (typeof raw !== 'string') return null;
  return LEVELS.get(raw.trim().toLowerCase()) ?? null;
}

function statusOf(fields: Fields): number | null {
  const places = [fields, fields['res'], fields['response'], fields['http'], fields['httpRequest'], fields['err']];
  for (const place of places) {
    if (!isFields(place)) continue;
    for (const name of ['statusCode', 'status_code', 'status', 'http_status']) {
      const status = Number(place[name]);
      if (Number.isInteger(status) && status >= 400 && status <= 599) return status;
    }
  }
  return null;
}

const QUIET = /\b(?:INFO|DEBUG|TRACE|NOTICE|VERBOSE|info|debug|trace|notice)\b/;
const LOUD =
  /\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC|EMERG|WARN(?:ING)?|error|fatal|critical|panic|warn(?:ing)?|Error)\b/;
const TELLING =
  /error|exception|fatal|panic|critical|severe|traceback|unhandled|uncaught|failed|failure|refused|timed?[ -]?out|timeout|denied/i;
/** Places of a stack trace, which the awslogs driver sends as lines of their own. */
const STACK = /^\s+(?:at\s|File "|\.{3} \d+ (?:more|common)|\^)|^\s*goroutine \d|^\s+\S+\.go:\d+/;

/** A line of an access log: the request in quotes, then the status and the size. */
const ACCESS = /"[A-Z]{3,10} \S{1,2000} HTTP\/\d(?:\.\d)?" (\d{3}) (?:\d+|-)/;

function isErrorText(text: string): boolean {
  if (STACK.test(text)) return false;
  const access = Number(ACCESS.exec(text)?.[1] ?? Number.NaN);
  if (!Number.isNaN(access)) return access >= 500 || access === 429;
  const kind = kindOf(text);
  if (kind !== 'other' && kind !== 'exception') return true;
  const head = text.slice(0, 120);
  if (QUIET.test(head) && !LOUD.test(head)) return false;
  return kind === 'exception' || TELLING.test(text);
}

function textIn(fields: Fields, names: readonly string[]): string | null {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === 'string' && value.trim() !== '') return value.slice(0, TEXT_LENGTH);
  }
  return null;
}

/** Python ends a traceback with the exception. Others begin with it: then the last line is a place, and the first tells. */
function lastLine(trace: string | null): string | null {
  const lines = trace?.split('\n').filter((line) => line.trim() !== '') ?? [];
  const last = lines.at(-1);
  return (last === undefined || /^\s/.test(last) ? lines[0] : last) ?? null;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
