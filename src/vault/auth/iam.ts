import { SignatureV4 } from '@smithy/signature-v4';

import { classifyCredentialsFailure } from '../../runtime/aws-credentials-failure.js';
import { awsCredentialChain } from '../../runtime/aws-credential-chain.js';
import { AwsRequestHandler } from '../../runtime/aws-request-handler.js';
import { Sha256 } from '../../runtime/sha256.js';
import type { Clock } from '../../runtime/clock.js';
import type { AuthenticatorDeps, VaultAuthMethod } from '../authenticator.js';
import { endpointProblem, postLogin } from '../login.js';
import type { LoginRefusals } from '../login-refusals.js';
import { VaultError } from '../vault-error.js';
import { type StsEndpoint, stsEndpoints, stsRegion } from './sts-endpoint.js';

/** The request that Vault's aws auth method forwards to STS (Vault documentation, AWS auth method, IAM). */
const BODY = 'Action=GetCallerIdentity&Version=2011-06-15';
/** From Vault's `builtin/credential/aws/path_login.go`. */
const REFUSALS: LoginRefusals = {
  known: [
    { text: 'error validating X-Vault-AWS-IAM-Server-ID header', advice: 'check VAULT_IAM_SERVER_ID' },
    { text: 'error making upstream request', advice: 'Vault cannot reach STS, or STS rejects the request' },
    {
      text: 'error looking up full ARN of entity',
      advice: 'Vault cannot look up the principal in IAM, or has no permission to',
      isOutage: true,
    },
    { text: 'entry for role', advice: 'Vault has no such role' },
    { text: 'IAM Principal', advice: 'the role is bound to other principals' },
  ],
};
const SERVER_ID_HEADER = 'X-Vault-AWS-IAM-Server-ID';
const MAX_SOCKETS = 2;
const REQUEST_TIMEOUT_MS = 10_000;

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

type Values = Readonly<Record<string, string>>;

/** A signed `GetCallerIdentity` that Vault sends to STS to identify the caller. */
export const iamMethod: VaultAuthMethod = {
  name: 'iam',
  description: 'A signed `sts:GetCallerIdentity` request, which Vault sends to AWS to verify the identity.',
  variables: [
    {
      name: 'VAULT_IAM_AWS_ACCESS_KEY_ID',
      description: 'an access key id; the default chain when absent',
      together: 'VAULT_IAM_AWS_SECRET_ACCESS_KEY',
      ascii: true,
      rotates: true,
    },
    {
      name: 'VAULT_IAM_AWS_SECRET_ACCESS_KEY',
      description: 'the secret of the access key',
      secret: true,
      ascii: true,
      together: 'VAULT_IAM_AWS_ACCESS_KEY_ID',
    },
    { name: 'VAULT_IAM_ROLE', description: "Vault's role; the principal's name when absent" },
    {
      name: 'VAULT_IAM_AUTH_ENDPOINT',
      description: 'the login endpoint',
      default: 'auth/aws/login',
      check: endpointProblem,
    },
    {
      name: 'VAULT_IAM_SERVER_ID',
      description: 'signed as X-Vault-AWS-IAM-Server-ID',
      check: (value) =>
        /^[\u0021-\u007e]+$/.test(value)
          ? undefined
          : 'contains characters that are not allowed in an HTTP header',
    },
    {
      name: 'AWS_STS_REGIONAL_ENDPOINTS',
      description:
        'set to "regional" to sign for the regional host even where AWS has a global one; FIPS and dual stack apply only then',
    },
  ],
  create: (values, deps) => {
    const credentials = credentialsOf(values, deps);
    const { region } = deps.aws;
    const endpoint = stsEndpoints({
      ...(region === undefined ? {} : { region }),
      regional: values.AWS_STS_REGIONAL_ENDPOINTS?.toLowerCase() === 'regional',
    });
    return {
      login: async (signal) => {
        const request = await signedRequest(values, deps.clock, await endpoint(), await credentials());
        return await postLogin(deps.client, values.VAULT_IAM_AUTH_ENDPOINT ?? '', request, signal, REFUSALS);
      },
    };
  },
};

async function signedRequest(
  values: Values,
  clock: Clock,
  { hostname, signingRegion }: StsEndpoint,
  credentials: Credentials,
): Promise<Record<string, string>> {
  // Sign only the headers that the Go client signs: older Vaults refuse unknown headers.
  const signer = new SignatureV4({
    service: 'sts',
    region: signingRegion,
    credentials,
    sha256: Sha256,
    applyChecksum: false,
  });
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
    { signingDate: clock.now() },
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

/** The static pair, or the default chain, which reaches STS through the same proxies and roots as KMS. */
function credentialsOf(values: Values, { aws, agents }: AuthenticatorDeps): () => Promise<Credentials> {
  const { VAULT_IAM_AWS_ACCESS_KEY_ID: accessKeyId, VAULT_IAM_AWS_SECRET_ACCESS_KEY: secretAccessKey } =
    values;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return () => Promise.resolve({ accessKeyId, secretAccessKey });
  }
  const { staticCredentials } = aws;
  if (staticCredentials !== undefined) return () => Promise.resolve(staticCredentials);
  const chain = awsCredentialChain(aws, {
    clientConfig: {
      // A value would take precedence over the region of the profile.
      region: stsRegion(aws.region),
      requestHandler: new AwsRequestHandler({
        agents,
        maxSockets: MAX_SOCKETS,
        aws,
        requestTimeoutMs: REQUEST_TIMEOUT_MS,
      }),
    },
  });
  return async () => {
    try {
      return await chain();
    } catch (error) {
      const { kind, reason } = classifyCredentialsFailure(error);
      const why =
        kind === 'none'
          ? `${reason}; provide them as for KMS, or set VAULT_IAM_AWS_ACCESS_KEY_ID`
          : `${reason}; no request was sent to Vault`;
      throw new VaultError('unavailable', `no AWS credentials for the iam login: ${why}`, {
        operation: 'login',
      });
    }
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
