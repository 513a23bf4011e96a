import { ContainerEndpointError } from './container-endpoint.js';
import { ContainerTokenError } from './container-token.js';
import { isNamed } from './error-name.js';
import { type ProxyError, proxyErrorOf } from './proxy-tunnel.js';
import { WebIdentityTokenError } from './web-identity.js';

/** How to solve a refusal of STS (AWS STS API reference, AssumeRole and AssumeRoleWithWebIdentity, Errors). */
const ADVICE: Readonly<Record<string, string>> = {
  AccessDenied:
    "the trust policy of the role does not allow the operator's identity: check the policy and AWS_ROLE_ARN",
  InvalidIdentityToken:
    "the account has no IAM identity provider for the token's issuer, or the provider expects another audience",
  ExpiredToken: 'the token of the service account has expired: check how it is mounted',
  IDPCommunicationError: "AWS cannot reach the issuer of the cluster's tokens",
};
const OTHER_ADVICE = "check the role of the operator's service account and its trust policy";

/** How to solve a refusal of EKS Pod Identity (Amazon EKS API reference, AssumeRoleForPodIdentity, Errors). */
const ENDPOINT_ADVICE: Readonly<Record<string, string>> = {
  AccessDenied:
    'the trust policy of the role does not allow EKS Pod Identity (pods.eks.amazonaws.com), or the pod identity ' +
    'association names another role or service account',
  ResourceNotFound: 'the service account has no pod identity association, or its role does not exist',
  ExpiredToken: 'the token of the service account has expired: check how it is mounted',
  InvalidToken: 'it rejects the token of the service account: check how the token is mounted',
};
const OTHER_ENDPOINT_ADVICE =
  "check the pod identity association of the operator's service account and the trust policy of its role";

/** Why there are no AWS credentials. */
export interface AwsCredentialsFailure {
  /** `refused`: AWS STS or the credentials endpoint answered with an error; `none`: no source gave credentials. */
  readonly kind: 'refused' | 'none' | 'proxy';
  readonly proxy?: ProxyError;
  /** A clause without a subject: who refused, what, and what to do; holds only the error name of the answer. */
  readonly reason: string;
}

/**
 * Classifies an error of the AWS credential chain. By its name alone a refusal by STS looks like one by the service
 * that the credentials are for, which was not called. An answer with a status comes from STS or its replacement.
 */
export function classifyCredentialsFailure(error: unknown): AwsCredentialsFailure {
  const proxy = proxyErrorOf(error);
  if (proxy !== undefined) return { kind: 'proxy', proxy, reason: proxy.message };
  if (error instanceof WebIdentityTokenError || error instanceof ContainerTokenError)
    return { kind: 'none', reason: error.message };
  if (error instanceof ContainerEndpointError) return classifyEndpointFailure(error);
  const { name, $metadata } = (typeof error === 'object' && error !== null ? error : {}) as {
    readonly name?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: unknown };
  };
  const status = $metadata?.httpStatusCode;
  const shown = isNamed(name) ? name : 'UnknownError';
  if (typeof status !== 'number') return { kind: 'none', reason: shown };
  if (status >= 500) {
    return { kind: 'refused', reason: `AWS STS cannot issue them now: ${shown} (HTTP ${String(status)})` };
  }
  const advice = ADVICE[shown.replace(/Exception$/, '')] ?? OTHER_ADVICE;
  return { kind: 'refused', reason: `AWS STS refused them: ${shown} (HTTP ${String(status)}): ${advice}` };
}

function classifyEndpointFailure({ host, answer }: ContainerEndpointError): AwsCredentialsFailure {
  const endpoint = `the credentials endpoint ${host}`;
  if (!('status' in answer)) return { kind: 'none', reason: `${endpoint} does not answer (${answer.code})` };
  const { status, errorName = '' } = answer;
  const shown = errorName === '' ? `HTTP ${String(status)}` : `${errorName} (HTTP ${String(status)})`;
  if (status >= 500 || status === 429) {
    return { kind: 'refused', reason: `${endpoint} cannot issue them now: ${shown}` };
  }
  const advice = ENDPOINT_ADVICE[errorName.replace(/Exception$/, '')] ?? OTHER_ENDPOINT_ADVICE;
  return { kind: 'refused', reason: `${endpoint} refused them: ${shown}: ${advice}` };
}
