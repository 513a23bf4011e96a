import { ContainerTokenError } from './container-token.js';
import { type ProxyError, proxyErrorOf } from './proxy-tunnel.js';
import { WebIdentityTokenError } from './web-identity.js';

/** Names are letters and digits; anything else may hold input. */
const SAFE_NAME = /^[A-Za-z][A-Za-z0-9]{0,63}$/;

/** How to solve a refusal of STS (AWS STS API reference, AssumeRole and AssumeRoleWithWebIdentity, Errors). */
const ADVICE: Readonly<Record<string, string>> = {
  AccessDenied:
    "the trust policy of the role does not admit the operator's identity: check the policy, and that AWS_ROLE_ARN " +
    'names the role that is meant',
  InvalidIdentityToken:
    "the account has no IAM identity provider for the token's issuer, or it takes another audience",
  ExpiredToken: 'the token of the service account has expired: check how it is mounted',
  IDPCommunicationError: "AWS cannot reach the issuer of the cluster's tokens",
};
const OTHER_ADVICE = "check the role of the operator's service account and its trust policy";

/** Why there are no AWS credentials. */
export interface AwsCredentialsFailure {
  /** `refused`: AWS STS, or a replacement for it, answered with an error; `none`: no source gave credentials. */
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
  const { name, $metadata } = (typeof error === 'object' && error !== null ? error : {}) as {
    readonly name?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: unknown };
  };
  const status = $metadata?.httpStatusCode;
  const shown = typeof name === 'string' && SAFE_NAME.test(name) ? name : 'UnknownError';
  if (typeof status !== 'number') return { kind: 'none', reason: shown };
  if (status >= 500) {
    return { kind: 'refused', reason: `AWS STS cannot give them now: ${shown} (HTTP ${String(status)})` };
  }
  const advice = ADVICE[shown.replace(/Exception$/, '')] ?? OTHER_ADVICE;
  return { kind: 'refused', reason: `AWS STS refused them: ${shown} (HTTP ${String(status)}): ${advice}` };
}
