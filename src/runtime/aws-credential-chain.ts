import { fromNodeProviderChain } from '@aws-sdk/credential-providers';

import type { AwsConfig } from '../config/config.js';
import { type ContainerEndpointError, whyNoContainerCredentials } from './container-endpoint.js';
import { readContainerToken } from './container-token.js';
import { proxyErrorOf } from './proxy-tunnel.js';
import { SingleFlight } from './single-flight.js';
import { WebIdentityTokenError, withTrimmedWebIdentity } from './web-identity.js';

type Chain = ReturnType<typeof fromNodeProviderChain>;
type ChainOptions = NonNullable<Parameters<typeof fromNodeProviderChain>[0]>;

/** The provider asks the endpoint without a token after one that it cannot send, but not after a file that it cannot read. */
const UNREADABLE = { awsContainerAuthorizationTokenFile: '/' };

/**
 * The SDK's default chain, with the token for the credentials endpoint of a container. `fromHttp` of
 * `@aws-sdk/credential-provider-http` takes it from the options of the chain. A token from the variable is no longer
 * in the environment. A token from a file is read here whenever credentials are requested, because it is rotated, and
 * without the final line break, which `fromHttp` would try to send.
 *
 * @throws ContainerEndpointError when that endpoint refuses or does not answer: the SDK's error does not mention it.
 */
export function awsCredentialChain(
  { containerEndpoint: endpoint, containerToken, containerTokenFile: file }: AwsConfig,
  init: ChainOptions = {},
): Chain {
  const chainWith = (token: object): Chain =>
    fromNodeProviderChain({ ...withTrimmedWebIdentity(init), ...token });
  if (file === undefined) {
    const chain = chainWith(
      containerToken === undefined ? {} : { awsContainerAuthorizationToken: containerToken },
    );
    return withReason(chain, endpoint, containerToken);
  }
  let current: { readonly token: string; readonly chain: Chain } | undefined;
  return async (properties) => {
    const token = await readContainerToken(file);
    if (typeof token !== 'string') {
      // Credentials that come before those of the endpoint, such as a profile, do not need the file.
      return await chainWith(UNREADABLE)(properties).catch(() => {
        throw token;
      });
    }
    if (current?.token !== token) {
      const options = { awsContainerAuthorizationToken: token, awsContainerAuthorizationTokenFile: '' };
      current = { token, chain: withReason(chainWith(options), endpoint, token) };
    }
    return await current.chain(properties);
  };
}

/** Requests that fail together ask the endpoint once. */
function withReason(chain: Chain, endpoint: string | undefined, token: string | undefined): Chain {
  if (endpoint === undefined) return chain;
  const asking = new SingleFlight<ContainerEndpointError | undefined>();
  return async (properties) => {
    try {
      return await chain(properties);
    } catch (error) {
      if (isAnswered(error)) throw error;
      throw (await asking.run('why', () => whyNoContainerCredentials(endpoint, token))) ?? error;
    }
  };
}

/** A provider before the endpoint, such as STS, has said why. */
function isAnswered(error: unknown): boolean {
  const { $metadata } = (error ?? {}) as { readonly $metadata?: { readonly httpStatusCode?: unknown } };
  return (
    typeof $metadata?.httpStatusCode === 'number' ||
    error instanceof WebIdentityTokenError ||
    proxyErrorOf(error) !== undefined
  );
}
