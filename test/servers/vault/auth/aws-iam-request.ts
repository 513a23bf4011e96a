import { type Fields, textField } from '../fields.js';
import { badRequest } from '../protocol.js';
import { encodeJson, parseJson } from '../raw-json.js';

/** A signed `GetCallerIdentity` as a client sends it in a login. */
export interface IamRequest {
  readonly url: URL;
  readonly body: string;
  /** Names as they were sent. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
}

export interface HeaderRules {
  /** The required value of the server ID header; empty: not required. */
  readonly serverId: string;
  readonly allowed: readonly string[];
}

const FIELDS = ['iam_http_request_method', 'iam_request_url', 'iam_request_body', 'iam_request_headers'];
const SERVER_ID = 'X-Vault-AWS-IAM-Server-ID';
const ALWAYS_ALLOWED = [
  'X-Amz-Algorithm',
  'X-Amz-Content-Sha256',
  'X-Amz-Credential',
  'X-Amz-Date',
  'X-Amz-Security-Token',
  'X-Amz-Signature',
  'X-Amz-SignedHeaders',
].map((name) => name.toLowerCase());

/**
 * Reads and checks it as Vault's `pathLoginUpdateIam` does, before anything is sent to STS.
 *
 * @throws VaultFault 400
 */
export function readIamRequest(call: Fields, rules: HeaderRules): IamRequest {
  const [method = '', encodedUrl = '', encodedBody = ''] = FIELDS.map((name) =>
    name === 'iam_request_headers' ? '' : textField(call, name),
  );
  const headers = headersOf(call.body.get('iam_request_headers'));
  if (FIELDS.some((name) => !call.body.has(name))) {
    throw badRequest("didn't supply required authentication values");
  }
  if (method === '') throw badRequest('missing iam_http_request_method');
  if (method !== 'POST') {
    throw badRequest("invalid iam_http_request_method; currently only 'POST' is supported");
  }
  if (encodedUrl === '') throw badRequest('missing iam_request_url');
  const url = urlOf(decoded(encodedUrl, 'iam_request_url'));
  if (encodedBody === '') throw badRequest('missing iam_request_body');
  const body = decoded(encodedBody, 'iam_request_body');
  checkBody(body);
  if (headers.size === 0) throw badRequest('missing iam_request_headers');
  if (rules.serverId !== '') checkServerId(headers, rules.serverId);
  for (const name of headers.keys()) {
    const folded = name.toLowerCase();
    const isAllowed =
      ALWAYS_ALLOWED.includes(folded) || rules.allowed.some((other) => other.toLowerCase() === folded);
    if (folded.startsWith('x-amz-') && !isAllowed) throw badRequest(`invalid request header: ${name}`);
  }
  return { url, body, headers };
}

function decoded(text: string, name: string): string {
  const isBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text);
  if (!isBase64) throw badRequest(`failed to base64 decode ${name}`);
  return Buffer.from(text, 'base64').toString();
}

function urlOf(text: string): URL {
  if (!URL.canParse(text)) throw badRequest('error parsing iam_request_url');
  const url = new URL(text);
  // A query could contain a different action than the body.
  if (url.search !== '') throw badRequest('invalid request');
  return url;
}

function checkBody(body: string): void {
  const parameters = new URLSearchParams(body);
  for (const name of parameters.keys()) {
    const values = parameters.getAll(name);
    const isKnown = name === 'Version' || (name === 'Action' && values.length === 1);
    if (!isKnown || (name === 'Action' && values[0] !== 'GetCallerIdentity')) {
      throw badRequest('iam request body is invalid');
    }
  }
}

function checkServerId(headers: ReadonlyMap<string, readonly string[]>, wanted: string): void {
  const wrong = (why: string): Error => badRequest(`error validating ${SERVER_ID} header: ${why}`);
  const given = headerOf(headers, SERVER_ID);
  if (given === '') throw wrong(`missing header "${SERVER_ID}"`);
  if (given !== wanted) throw wrong(`expected "${wanted}" but got "${given}"`);
  const authorization = headerOf(headers, 'authorization');
  if (authorization === '') throw wrong('missing Authorization header');
  const signed = /.*SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? [];
  if (!signed.includes(SERVER_ID.toLowerCase())) throw wrong("vault header wasn't signed");
}

function headerOf(headers: ReadonlyMap<string, readonly string[]>, name: string): string {
  const found = [...headers].find(([other]) => other.toLowerCase() === name.toLowerCase());
  return found?.[1].join(',') ?? '';
}

/** A JSON object, or one in base64 or in text; each value a text or a list of texts. */
function headersOf(raw: string | undefined): Map<string, readonly string[]> {
  const value = JSON.parse(raw ?? 'null') as unknown;
  let object: unknown = value;
  if (typeof value === 'string') {
    const text = value.trim().startsWith('{') ? value : Buffer.from(value, 'base64').toString();
    try {
      object = value === '' ? {} : (JSON.parse(encodeJson(parseJson(text))) as unknown);
    } catch {
      throw badRequest(
        `Field validation failed: error converting input ${value} for field "iam_request_headers": invalid JSON`,
      );
    }
  }
  return new Map(
    Object.entries((object ?? {}) as Record<string, unknown>).map(([name, item]) => [
      name,
      [item].flat().map(String),
    ]),
  );
}
