import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

import type { SeenRequest } from './request-log.js';

/** Credentials by access key ID. */
export type AccessKeys = Readonly<
  Record<string, { readonly secret: string; readonly sessionToken?: string }>
>;

export type SigV4Verdict =
  | { readonly ok: true; readonly accessKeyId: string; readonly signedHeaders: readonly string[] }
  | { readonly ok: false; readonly code: SigV4Fault; readonly message: string };

/** Error codes of AWS's common errors. */
export type SigV4Fault =
  | 'MissingAuthenticationToken'
  | 'IncompleteSignature'
  | 'InvalidSignatureException'
  | 'UnrecognizedClientException';

export interface SigV4Rules {
  readonly keys: AccessKeys;
  readonly service: string;
  /** Any region when absent. */
  readonly region?: string;
  /** Seconds that a request's date may be off; AWS allows 5 minutes, STS 15. */
  readonly maxAgeSeconds: number;
  readonly now?: () => Date;
}

/**
 * Verifies an AWS Signature Version 4 in the `Authorization` header, as "Create a signed AWS API
 * request" of the IAM User Guide describes it: canonical request, string to sign, derived key.
 */
export function verifySigV4(
  request: Pick<SeenRequest, 'method' | 'url' | 'headers' | 'body'>,
  rules: SigV4Rules,
): SigV4Verdict {
  const authorization = header(request, 'authorization');
  if (authorization === undefined) {
    return refuse('MissingAuthenticationToken', 'Missing Authentication Token');
  }
  const parts = partsOf(authorization);
  const amzDate = header(request, 'x-amz-date') ?? '';
  if (parts === undefined || !/^\d{8}T\d{6}Z$/.test(amzDate)) {
    return refuse(
      'IncompleteSignature',
      'Authorization header requires Credential, SignedHeaders, Signature and a date',
    );
  }
  const { accessKeyId, date, region, service, signedHeaders } = parts;
  const key = rules.keys[accessKeyId];
  if (key === undefined)
    return refuse('UnrecognizedClientException', 'The security token included in the request is invalid.');
  if (key.sessionToken !== header(request, 'x-amz-security-token')) {
    return refuse('UnrecognizedClientException', 'The security token included in the request is invalid.');
  }
  if (
    service !== rules.service ||
    (rules.region !== undefined && region !== rules.region) ||
    !amzDate.startsWith(date)
  ) {
    return refuse('InvalidSignatureException', 'Credential should be scoped to a valid region and service.');
  }
  if (!signedHeaders.includes('host')) return refuse('InvalidSignatureException', "'Host' must be signed");
  const ageSeconds = Math.abs((rules.now?.() ?? new Date()).getTime() - parseAmzDate(amzDate)) / 1000;
  if (ageSeconds > rules.maxAgeSeconds) return refuse('InvalidSignatureException', 'Signature expired');
  const expected = signature(request, {
    signedHeaders,
    amzDate,
    scope: `${date}/${region}/${service}/aws4_request`,
    secret: key.secret,
  });
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(parts.signature))) {
    return refuse(
      'InvalidSignatureException',
      'The request signature we calculated does not match the signature you provided.',
    );
  }
  return { ok: true, accessKeyId, signedHeaders };
}

interface Parts {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

function partsOf(authorization: string): Parts | undefined {
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  const [accessKeyId, date, region, service, terminator] = match?.[1]?.split('/') ?? [];
  if (!accessKeyId || !date || !region || !service || terminator !== 'aws4_request') return undefined;
  const signedHeaders = (match?.[2] ?? '').split(';');
  return { accessKeyId, date, region, service, signedHeaders, signature: match?.[3] ?? '' };
}

function signature(
  request: Pick<SeenRequest, 'method' | 'url' | 'headers' | 'body'>,
  parts: { signedHeaders: readonly string[]; amzDate: string; scope: string; secret: string },
): string {
  const url = new URL(request.url, 'http://host');
  const query = [...url.searchParams.entries()]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const headers = parts.signedHeaders
    .map((name) => `${name}:${(header(request, name) ?? '').trim().replace(/ +/g, ' ')}\n`)
    .join('');
  const canonical = [
    request.method,
    url.pathname,
    query,
    headers,
    parts.signedHeaders.join(';'),
    sha256(request.body),
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', parts.amzDate, parts.scope, sha256(canonical)].join('\n');
  return hmac(signingKey(parts.secret, parts.scope), toSign).toString('hex');
}

/** The last key that was derived: it is the same for a day, and most servers here have one client. */
let lastKey: { readonly secret: string; readonly scope: string; readonly key: Buffer } | undefined;

function signingKey(secret: string, scope: string): Buffer {
  if (lastKey?.secret !== secret || lastKey.scope !== scope) {
    const seed: Buffer = Buffer.from(`AWS4${secret}`);
    const key = scope.split('/').reduce<Buffer>((derived, part) => hmac(derived, part), seed);
    lastKey = { secret, scope, key };
  }
  return lastKey.key;
}

function header(request: Pick<SeenRequest, 'headers'>, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}

function parseAmzDate(text: string): number {
  return Date.parse(text.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function refuse(code: SigV4Fault, message: string): SigV4Verdict {
  return { ok: false, code, message };
}
