/**
 * The wire protocols: which API a request is for, and what its answers and errors look like.
 *
 * CloudWatch and SQS speak AWS JSON 1.0 with query-compatible errors, ECS and CloudWatch Logs AWS JSON 1.1, Lambda REST
 * JSON, EC2 its own query dialect, the others AWS query (https://smithy.io/2.0/aws/protocols/).
 */

import type { IncomingHttpHeaders } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { element, escapeXml, fields, type XmlValue } from './xml.ts';

/** An error that the vendor would answer with. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  /** Name of the shape, where the query-compatible code is another. */
  readonly shape: string;

  constructor(code: string, message: string, status = 400, shape = code) {
    super(message);
    this.code = code;
    this.status = status;
    this.shape = shape;
  }
}

export type Api =
  | 'cloudwatch'
  | 'ecs'
  | 'logs'
  | 'sqs'
  | 'rds'
  | 'elasticloadbalancing'
  | 'ec2'
  | 'autoscaling'
  | 'sts'
  | 'lambda';

export interface Call {
  readonly api: Api;
  readonly operation: string;
  /** IAM action: `ecs:DescribeServices`. */
  readonly action: string;
  /** JSON input, or the parameters of the path. */
  readonly input: Readonly<Record<string, unknown>>;
  /** Form of the query protocols. */
  readonly form: URLSearchParams;
  readonly region: string;
  readonly accessKey: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a handler gives: a JSON value, or the children of the query result. */
export type Result = { readonly json: unknown } | { readonly xml: Readonly<Record<string, XmlValue>> };

const TARGETS: Readonly<Record<string, { readonly api: Api; readonly version: '1.0' | '1.1' }>> = {
  GraniteServiceVersion20100801: { api: 'cloudwatch', version: '1.0' },
  AmazonEC2ContainerServiceV20141113: { api: 'ecs', version: '1.1' },
  Logs_20140328: { api: 'logs', version: '1.1' },
  AmazonSQS: { api: 'sqs', version: '1.0' },
};
const VERSIONS: Readonly<Record<string, Api>> = {
  '2014-10-31': 'rds',
  '2015-12-01': 'elasticloadbalancing',
  '2016-11-15': 'ec2',
  '2011-01-01': 'autoscaling',
  '2011-06-15': 'sts',
};
const XML_NAMESPACES: Readonly<Partial<Record<Api, string>>> = {
  rds: 'http://rds.amazonaws.com/doc/2014-10-31/',
  elasticloadbalancing: 'http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/',
  ec2: 'http://ec2.amazonaws.com/doc/2016-11-15/',
  autoscaling: 'http://autoscaling.amazonaws.com/doc/2011-01-01/',
  sts: 'https://sts.amazonaws.com/doc/2011-06-15/',
};
/** Namespaces of the error shapes in `__type`. */
const SHAPES: Readonly<Partial<Record<Api, string>>> = {
  cloudwatch: 'com.amazonaws.cloudwatch#',
  sqs: 'com.amazonaws.sqs#',
  logs: '',
  ecs: '',
};
/** CloudWatch, SQS and the query APIs sign with these names; IAM knows some by others. */
const QUERY_COMPATIBLE: readonly Api[] = ['cloudwatch', 'sqs'];

interface Incoming {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Null when the request is for none of the APIs that are spoken here. */
export function readCall({ method, url, headers, body }: Incoming): Call | null {
  const credential = /Credential=([^/,\s]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/.exec(headers.authorization ?? '');
  const [, accessKey = '', region = ''] = credential ?? [];
  const raw = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
  const text = raw.toString('utf8');
  const made = (api: Api, operation: string, input: Call['input'], form = new URLSearchParams()): Call => ({
    api,
    operation,
    action: `${api}:${operation}`,
    input,
    form,
    region,
    accessKey,
  });
  const target = headers['x-amz-target'];
  if (typeof target === 'string') {
    const [prefix = '', operation = ''] = target.split('.');
    const known = Object.hasOwn(TARGETS, prefix) ? TARGETS[prefix] : undefined;
    if (known === undefined) return null;
    return made(known.api, operation, text === '' ? {} : (JSON.parse(text) as Call['input']));
  }
  if ((headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')) {
    const form = new URLSearchParams(text);
    const api = VERSIONS[form.get('Version') ?? ''];
    return api === undefined ? null : made(api, form.get('Action') ?? '', {}, form);
  }
  const { pathname: path, searchParams } = new URL(url, 'http://localhost');
  const concurrency = /^\/2019-09-30\/functions\/([^/]+)\/concurrency$/.exec(path);
  if (method === 'GET' && concurrency !== null) {
    return made('lambda', 'GetFunctionConcurrency', { FunctionName: decodeURIComponent(concurrency[1]!) });
  }
  if (method === 'GET' && /^\/2016-08-19\/account-settings\/?$/.test(path))
    return made('lambda', 'GetAccountSettings', {});
  if (method === 'GET' && /^\/2015-03-31\/event-source-mappings\/?$/.test(path))
    return made('lambda', 'ListEventSourceMappings', Object.fromEntries(searchParams));
  return null;
}

export function answer(call: Call, result: Result, requestId: string): Reply {
  if ('json' in result) {
    return { status: 200, headers: headersOf(call.api, requestId), body: JSON.stringify(result.json) };
  }
  const { api, operation } = call;
  const inner =
    api === 'ec2'
      ? element('requestId', requestId).xml + fields(result.xml).xml
      : element(`${operation}Result`, result.xml).xml + element('ResponseMetadata', { RequestId: requestId }).xml;
  const body = `${PROLOGUE}<${operation}Response xmlns="${XML_NAMESPACES[api]}">${inner}</${operation}Response>`;
  return { status: 200, headers: headersOf(api, requestId), body };
}

export function refusal(call: Call, error: ApiError, requestId: string): Reply {
  const { api } = call;
  const headers = headersOf(api, requestId);
  const fault = error.status >= 500 ? 'Receiver' : 'Sender';
  if (api === 'lambda') {
    const body = JSON.stringify({ Type: error.status >= 500 ? 'Server' : 'User', Message: error.message });
    return { status: error.status, headers: { ...headers, 'x-amzn-errortype': error.shape }, body };
  }
  if (SHAPES[api] !== undefined) {
    const body = JSON.stringify({ __type: `${SHAPES[api]}${error.shape}`, message: error.message });
    if (!QUERY_COMPATIBLE.includes(api)) return { status: error.status, headers, body };
    return { status: error.status, headers: { ...headers, 'x-amzn-query-error': `${error.code};${fault}` }, body };
  }
  const what = `<Code>${escapeXml(error.code)}</Code><Message>${escapeXml(error.message)}</Message>`;
  const body =
    api === 'ec2'
      ? `${PROLOGUE}<Response><Errors><Error>${what}</Error></Errors><RequestID>${requestId}</RequestID></Response>`
      : `${PROLOGUE}<ErrorResponse xmlns="${XML_NAMESPACES[api]}"><Error><Type>${fault}</Type>${what}</Error>` +
        `<RequestId>${requestId}</RequestId></ErrorResponse>`;
  return { status: error.status, headers, body };
}

const PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>\n';

function headersOf(api: Api, requestId: string): Record<string, string> {
  const version = Object.values(TARGETS).find((target) => target.api === api)?.version;
  const type =
    version !== undefined ? `application/x-amz-json-${version}` : api === 'lambda' ? 'application/json' : 'text/xml';
  return { 'content-type': type, 'x-amzn-requestid': requestId };
}

/** What the vendor says when it will not, by API. */
export const denied = (call: Call): ApiError => {
  const message =
    `User: arn:aws:sts::123456789012:assumed-role/runbookd/session is not authorized to perform: ${call.action} ` +
    `on resource: * because no identity-based policy allows the ${call.action} action`;
  if (call.api === 'ec2')
    return new ApiError('UnauthorizedOperation', `You are not authorized to perform this operation. ${message}`, 403);
  if (call.api === 'ecs' || call.api === 'logs') return new ApiError('AccessDeniedException', message);
  if (call.api === 'lambda') return new ApiError('AccessDeniedException', message, 403);
  return new ApiError('AccessDenied', message, 403, call.api === 'sqs' ? 'AccessDeniedException' : 'AccessDenied');
};

export const throttled = (api: Api): ApiError => {
  switch (api) {
    case 'ec2':
      return new ApiError('RequestLimitExceeded', 'Request limit exceeded.', 503);
    case 'lambda':
      return new ApiError('TooManyRequestsException', 'Rate exceeded', 429);
    case 'ecs':
    case 'logs':
      return new ApiError('ThrottlingException', 'Rate exceeded');
    case 'sqs':
      return new ApiError('RequestThrottled', 'Request is throttled.', 403, 'RequestThrottled');
    default:
      return new ApiError('Throttling', 'Rate exceeded');
  }
};

export const expired = (api: Api): ApiError => {
  const message = 'The security token included in the request is expired';
  switch (api) {
    case 'ec2':
      return new ApiError('RequestExpired', 'Request has expired.');
    case 'ecs':
    case 'logs':
      return new ApiError('ExpiredTokenException', message);
    case 'lambda':
      return new ApiError('ExpiredTokenException', message, 403);
    default:
      return new ApiError('ExpiredToken', message, 403);
  }
};

/** @param offMs how far the time of the request is ahead of AWS' */
export const skewed = (api: Api, offMs: number): ApiError => {
  const message =
    offMs < 0
      ? 'Signature expired: 20261120T180000Z is now earlier than 20261120T180500Z (20261120T181000Z - 5 min.)'
      : 'Signature not yet current: 20261120T182000Z is still later than 20261120T181500Z (20261120T181000Z + 5 min.)';
  if (api === 'ec2') return new ApiError('RequestExpired', 'Request has expired.');
  const json = api === 'ecs' || api === 'logs' || api === 'lambda';
  return new ApiError(json ? 'InvalidSignatureException' : 'SignatureDoesNotMatch', message, 403);
};

/** Values of `Prefix.1`, `Prefix.2`… in order. */
export function formList(form: URLSearchParams, prefix: string): readonly string[] {
  const values: string[] = [];
  for (let index = 1; ; index += 1) {
    const value = form.get(`${prefix}.${index}`);
    if (value === null) return values;
    values.push(value);
  }
}
