import { Sha256 } from '@aws-crypto/sha256-js';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { SignatureV4 } from '@smithy/signature-v4';

import type { AwsConfig } from '../../config/config.js';
import type { VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';
import { VaultError } from '../vault-error.js';

/** The request that Vault's aws auth method forwards to STS (Vault documentation, AWS auth method, IAM). */
const BODY = 'Action=GetCallerIdentity&Version=2011-06-15';
const GLOBAL_HOST = 'sts.amazonaws.com';
const SERVER_ID_HEADER = 'X-Vault-AWS-IAM-Server-ID';

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A signed `GetCallerIdentity` that Vault sends to STS to learn who we are. */
export const iamMethod: VaultAuthMethod = {
  name: 'iam',
  variables: [
    { name: 'VAULT_IAM_AWS_ACCESS_KEY_ID', description: 'an access key id; the default chain when absent' },
    {
      name: 'VAULT_IAM_AWS_SECRET_ACCESS_KEY',
      description: 'the secret of the access key',
      secret: true,
    },
    { name: 'VAULT_IAM_ROLE', description: "Vault's role; the principal's name when absent" },
    {
      name: 'VAULT_IAM_AUTH_ENDPOINT',
      description: 'the login endpoint',
      default: 'auth/aws/login',
      check: endpointProblem,
    },
    { name: 'VAULT_IAM_SERVER_ID', description: 'signed as X-Vault-AWS-IAM-Server-ID' },
    {
      name: 'AWS_STS_REGIONAL_ENDPOINTS',
      description: 'regional: sign for the host of the region',
    },
  ],
  create: (values, { client, aws, clock }) => ({
    login: async (signal) => {
      const request = await signedRequest(values, aws, await credentialsOf(values, aws), clock.now());
      return await postLogin(client, values.VAULT_IAM_AUTH_ENDPOINT ?? '', request, signal);
    },
  }),
};

async function signedRequest(
  values: Readonly<Record<string, string>>,
  aws: AwsConfig,
  credentials: Credentials,
  now: Date,
): Promise<Record<string, string>> {
  const region = aws.region ?? 'us-east-1';
  const regional = values.AWS_STS_REGIONAL_ENDPOINTS === 'regional';
  const hostname = regional ? `sts.${region}.amazonaws.com` : GLOBAL_HOST;
  const signer = new SignatureV4({ service: 'sts', region, credentials, sha256: Sha256 });
  const serverId = values.VAULT_IAM_SERVER_ID;
  const signed = await signer.sign(
    {
      method: 'POST',
      protocol: 'https:',
      hostname,
      path: '/',
      query: {},
      headers: {
        host: hostname,
        'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
        'content-length': String(BODY.length),
        ...(serverId === undefined ? {} : { [SERVER_ID_HEADER]: serverId }),
      },
      body: BODY,
    },
    { signingDate: now },
  );
  const headers = Object.fromEntries(Object.entries(signed.headers).map(([name, value]) => [name, [value]]));
  const role = values.VAULT_IAM_ROLE;
  return {
    ...(role === undefined ? {} : { role }),
    iam_http_request_method: 'POST',
    iam_request_url: base64(`https://${hostname}/`),
    iam_request_body: base64(BODY),
    iam_request_headers: base64(JSON.stringify(headers)),
  };
}

async function credentialsOf(values: Readonly<Record<string, string>>, aws: AwsConfig): Promise<Credentials> {
  const { VAULT_IAM_AWS_ACCESS_KEY_ID: accessKeyId, VAULT_IAM_AWS_SECRET_ACCESS_KEY: secretAccessKey } =
    values;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey };
  if (aws.legacyCredentials !== undefined) return aws.legacyCredentials;
  try {
    return await fromNodeProviderChain()();
  } catch {
    throw new VaultError('unavailable', 'no AWS credentials for the iam login: set them as for KMS', {
      operation: 'login',
    });
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
