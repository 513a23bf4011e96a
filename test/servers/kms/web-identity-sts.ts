import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';

import { LoopbackServer } from '../shared/loopback-server.js';

/** Temporary credentials for a web identity token. */
export interface WebIdentity {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly sessionToken: string;
}

/**
 * `AssumeRoleWithWebIdentity` of AWS STS on loopback, as its API reference describes it: an unsigned POST of the
 * Query protocol, answered in XML. A token that is not in `identities` has expired.
 *
 * @param lifeSeconds of the credentials; the SDK exchanges them when less than five minutes are left.
 */
export async function startWebIdentitySts(
  identities: ReadonlyMap<string, WebIdentity>,
  { roleArn, lifeSeconds }: { readonly roleArn: string; readonly lifeSeconds: number },
): Promise<LoopbackServer> {
  return await LoopbackServer.start((seen, _request, response) => {
    const form = new URLSearchParams(seen.body);
    seen.operation = form.get('Action') ?? '';
    if (seen.method !== 'POST' || seen.operation !== 'AssumeRoleWithWebIdentity') {
      refuse(response, 'InvalidAction', `Could not find operation ${seen.operation}`);
      return;
    }
    if (form.get('RoleArn') !== roleArn || (form.get('RoleSessionName') ?? '') === '') {
      refuse(response, 'ValidationError', 'Request ARN is invalid');
      return;
    }
    const identity = identities.get(form.get('WebIdentityToken') ?? '');
    if (identity === undefined) {
      refuse(response, 'ExpiredTokenException', 'Token expired');
      return;
    }
    const expiration = new Date(Date.now() + lifeSeconds * 1_000).toISOString();
    answer(
      response,
      200,
      `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">` +
        `<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${identity.accessKeyId}</AccessKeyId>` +
        `<SecretAccessKey>${identity.secret}</SecretAccessKey><SessionToken>${identity.sessionToken}</SessionToken>` +
        `<Expiration>${expiration}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROAX:session</AssumedRoleId>` +
        `<Arn>${roleArn}/session</Arn></AssumedRoleUser></AssumeRoleWithWebIdentityResult>` +
        `<ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>`,
    );
  });
}

function refuse(response: ServerResponse, code: string, message: string): void {
  answer(
    response,
    400,
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code>` +
      `<Message>${message}</Message></Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`,
  );
}

function answer(response: ServerResponse, status: number, xml: string): void {
  response.writeHead(status, { 'content-type': 'text/xml' }).end(xml);
}
