import { SignatureV4 } from '@smithy/signature-v4';

import { Sha256 } from '../../src/runtime/sha256.js';

const BODY = 'Action=GetCallerIdentity&Version=2011-06-15';

/** The IAM principal whose credentials these are, as Vault compares it: a session counts as its role. */
export async function callerOf(endpoint: string, aws: Readonly<Record<string, string>>): Promise<string> {
  const { host, hostname, port, pathname, protocol } = new URL(endpoint);
  const signer = new SignatureV4({
    service: 'sts',
    region: aws.AWS_REGION ?? 'us-east-1',
    sha256: Sha256,
    credentials: {
      accessKeyId: aws.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: aws.AWS_SECRET_ACCESS_KEY ?? '',
      ...(aws.AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: aws.AWS_SESSION_TOKEN }),
    },
  });
  const { headers } = await signer.sign({
    method: 'POST',
    protocol,
    hostname,
    ...(port === '' ? {} : { port: Number(port) }),
    path: pathname,
    headers: { host, 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: BODY,
  });
  const answer = await fetch(endpoint, { method: 'POST', headers, body: BODY });
  const arn = /<Arn>([^<]+)<\/Arn>/.exec(await answer.text())?.[1];
  if (arn === undefined) throw new Error(`STS at ${endpoint} answered HTTP ${String(answer.status)}`);
  return arn.replace(/:sts::(\d+):(?:assumed-(role\/[^/]+)\/.*|(user\/.*))$/, ':iam::$1:$2$3');
}
