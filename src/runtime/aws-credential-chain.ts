import { fromNodeProviderChain } from '@aws-sdk/credential-providers';

import type { AwsConfig } from '../config/config.js';
import { withTrimmedWebIdentity } from './web-identity.js';

type Chain = ReturnType<typeof fromNodeProviderChain>;

/**
 * The SDK's default chain, with the token for the credentials endpoint of a container, which has left the
 * environment. `fromHttp` of `@aws-sdk/credential-provider-http` takes it from the options of the chain.
 */
export function awsCredentialChain(
  { containerToken }: AwsConfig,
  init: NonNullable<Parameters<typeof fromNodeProviderChain>[0]> = {},
): Chain {
  return fromNodeProviderChain({
    ...withTrimmedWebIdentity(init),
    ...(containerToken === undefined ? {} : { awsContainerAuthorizationToken: containerToken }),
  });
}
