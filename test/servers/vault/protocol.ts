import { randomUUID, type X509Certificate } from 'node:crypto';

import { countStrings, encodeJson, goJson, parseJson, type RawJson } from './raw-json.js';
import type { Acl } from './acl.js';
import type { Token } from './tokens.js';

/** A refusal, answered as `{"errors": […]}`. */
export class VaultFault extends Error {
  constructor(
    readonly status: number,
    readonly errors: readonly string[],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(errors.join('; '));
  }
}

/** An error that a backend returns as a Go error: for requests with a token Vault lists it (recorded). */
export class BackendError extends VaultFault {
  constructor(status: number, text: string) {
    super(status, [text]);
  }

  /** How the request handler wraps an error of a backend, except for logins. */
  listed(): VaultFault {
    return new VaultFault(this.status, [errorList(...this.errors)]);
  }
}

/** The text of a Go multierror. */
export function errorList(...errors: string[]): string {
  const noun = errors.length === 1 ? 'error' : 'errors';
  return `${String(errors.length)} ${noun} occurred:\n${errors.map((text) => `\t* ${text}\n`).join('')}\n`;
}

/** The response of a handler; strings in `data` and `auth` are raw JSON. */
export interface VaultAnswer {
  readonly status: number;
  /** Raw JSON of the whole body, instead of the envelope; empty for none. */
  readonly raw?: string;
  readonly data?: string;
  readonly auth?: string;
  readonly warnings?: readonly string[];
  readonly leaseDuration?: number;
  /** Old paths below `sys/` repeat their data at the top level of the envelope. */
  readonly flat?: boolean;
}

export const NO_CONTENT: VaultAnswer = { status: 204 };

/** Not found: `{"errors":[]}`. */
export function notFound(): VaultFault {
  return new VaultFault(404, []);
}

export function unsupportedOperation(): VaultFault {
  return new BackendError(405, 'unsupported operation');
}

export function unsupportedPath(): VaultFault {
  return new BackendError(404, 'unsupported path');
}

export function badRequest(text: string): VaultFault {
  return new VaultFault(400, [text]);
}

export type Operation = 'read' | 'create' | 'update' | 'delete';

/** One request as it is routed to a mount. */
export interface VaultCall {
  readonly operation: Operation;
  /** Below the mount. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Top-level members of the body as raw JSON. */
  readonly body: ReadonlyMap<string, string>;
  /** The token of the request; absent for logins. */
  readonly token?: Token;
  /** The permissions of the token. */
  readonly acl?: Acl;
  /** Certificates of the client from the TLS handshake, the leaf first; absent without TLS. */
  readonly clientCertificates?: readonly X509Certificate[];
}

export function isWrite(operation: Operation): boolean {
  return operation === 'create' || operation === 'update';
}

export interface BodyRules {
  readonly contentType: string;
  /** OpenBao's `max_request_json_strings`; Vault has no such limit. */
  readonly maxJsonStrings: number | undefined;
}

/** The fields of a request: a DELETE has them in its query (`buildLogicalRequestNoAuth` in Vault's http/logical.go). */
export function fieldsOf(
  operation: Operation,
  query: URLSearchParams,
  body: string,
  rules: BodyRules,
): ReadonlyMap<string, string> {
  if (operation === 'delete') return new Map([...query].map(([name, value]) => [name, goJson(value)]));
  return parseBody(operation === 'update' ? body : '', rules);
}

/** The members of a body: a JSON object, a form, or nothing. */
function parseBody(text: string, rules: BodyRules): ReadonlyMap<string, string> {
  if (text === '') return new Map();
  if (/^application\/x-www-form-urlencoded\b/.test(rules.contentType) && !/^\s*[{[]/.test(text)) {
    return new Map([...new URLSearchParams(text)].map(([name, value]) => [name, goJson(value)]));
  }
  let value: RawJson;
  try {
    value = parseJson(text);
  } catch {
    throw badRequest('error parsing JSON');
  }
  if (value === null) return new Map();
  if (!(value instanceof Map) || countStrings(value) > (rules.maxJsonStrings ?? Infinity)) {
    throw badRequest('error parsing JSON');
  }
  const members = value as ReadonlyMap<string, RawJson>;
  return new Map([...members].map(([name, item]) => [name, encodeJson(item)]));
}

/** The envelope of every answer with a body. */
export function envelope(answer: VaultAnswer): string {
  if (answer.raw !== undefined) return answer.raw;
  const warnings = answer.warnings === undefined ? 'null' : goJson(answer.warnings);
  const flat = answer.flat === true && answer.data !== undefined ? `${answer.data.slice(1, -1)},` : '';
  return (
    `{${flat === ',' ? '' : flat}"request_id":"${randomUUID()}","lease_id":"","renewable":false,` +
    `"lease_duration":${String(answer.leaseDuration ?? 0)},"data":${answer.data ?? 'null'},` +
    `"wrap_info":null,"warnings":${warnings},"auth":${answer.auth ?? 'null'},"mount_type":""}\n`
  );
}
