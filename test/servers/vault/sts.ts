import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';

import { LoopbackServer } from '../shared/loopback-server.js';
import type { SeenRequest } from '../shared/request-log.js';
import { type SigV4Fault, verifySigV4 } from '../shared/sigv4-verify.js';
import { scopeRegionOf } from './sts-hosts.js';

/** The owner of an access key. */
export interface StsPrincipal {
  readonly secret: string;
  /** The session token of temporary credentials, required with them. */
  readonly sessionToken?: string;
  readonly arn: string;
}

export interface StsOptions {
  readonly tls?: ServerOptions;
  readonly port?: number;
  readonly principals: Readonly<Record<string, StsPrincipal>>;
  readonly now?: () => Date;
}

/** AWS STS accepts requests that are at most 15 minutes old. */
const MAX_AGE_SECONDS = 15 * 60;
const STATUS: Readonly<Record<SigV4Fault, number>> = {
  MissingAuthenticationToken: 403,
  IncompleteSignature: 400,
  InvalidSignatureException: 403,
  UnrecognizedClientException: 403,
};
/** The Query protocol's own names. */
const CODE: Readonly<Record<SigV4Fault, string>> = {
  MissingAuthenticationToken: 'MissingAuthenticationToken',
  IncompleteSignature: 'IncompleteSignature',
  InvalidSignatureException: 'SignatureDoesNotMatch',
  UnrecognizedClientException: 'InvalidClientTokenId',
};

/** AWS STS on loopback: `GetCallerIdentity` of the Query protocol, with the signature verified. */
export async function startStsServer(options: StsOptions): Promise<LoopbackServer> {
  return await LoopbackServer.start(
    (seen, _request, response) => {
      seen.operation = new URLSearchParams(seen.body).get('Action') ?? '';
      serve(options, seen, response);
    },
    {
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(options.port === undefined ? {} : { port: options.port }),
    },
  );
}

function serve(options: StsOptions, seen: SeenRequest, response: ServerResponse): void {
  const region = scopeRegionOf(String(seen.headers.host ?? ''));
  if (region === undefined) {
    refuse(response, 403, 'SignatureDoesNotMatch', 'STS has no such host');
    return;
  }
  const verdict = verifySigV4(
    // AWS signs the normalised path; the real Vault sends a doubled slash.
    { ...seen, url: seen.url.replace(/^\/+/, '/') },
    {
      keys: options.principals,
      service: 'sts',
      maxAgeSeconds: MAX_AGE_SECONDS,
      region,
      ...(options.now === undefined ? {} : { now: options.now }),
    },
  );
  if (!verdict.ok) {
    refuse(response, STATUS[verdict.code], CODE[verdict.code], verdict.message);
    return;
  }
  if (seen.method !== 'POST' || seen.operation !== 'GetCallerIdentity') {
    refuse(response, 400, 'InvalidAction', `Could not find operation ${seen.operation}`);
    return;
  }
  const arn = options.principals[verdict.accessKeyId]?.arn ?? '';
  answer(
    response,
    200,
    `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
      `<Arn>${arn}</Arn><UserId>${verdict.accessKeyId.replace(/^AKIA/, 'AIDA')}</UserId><Account>${arn.split(':')[4] ?? ''}</Account>` +
      `</GetCallerIdentityResult><ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata>` +
      `</GetCallerIdentityResponse>`,
  );
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  answer(
    response,
    status,
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code>` +
      `<Message>${message}</Message></Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`,
  );
}

function answer(response: ServerResponse, status: number, xml: string): void {
  response.writeHead(status, { 'content-type': 'text/xml' }).end(xml);
}
