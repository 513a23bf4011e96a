import { fromNodeProviderChain } from '@aws-sdk/credential-providers';

import type { AwsConfig } from '../config/config.js';
import { readContainerToken } from './container-token.js';
import { withTrimmedWebIdentity } from './web-identity.js';

type Chain = ReturnType<typeof fromNodeProviderChain>;
type ChainOptions = NonNullable<Parameters<typeof fromNodeProviderChain>[0]>;

/** The provider asks the endpoint without a token after one that it cannot send, but not after a file that it cannot read. */
const UNREADABLE = { awsContainerAuthorizationTokenFile: '/' };

/**
 * The SDK's default chain, with the token for the credentials endpoint of a container. `fromHttp` of
 * `@aws-sdk/credential-provider-http` takes it from the options of the chain: that of the variable has left the
 * environment, and that of a file is read here, whenever credentials are asked for, since it is rotated: a line break
 * at its end is left out, which `fromHttp` would try to send.
 */
export function awsCredentialChain(
  { containerToken, containerTokenFile: file }: AwsConfig,
  init: ChainOptions = {},
): Chain {
  const chainWith = (token: object): Chain =>
    fromNodeProviderChain({ ...withTrimmedWebIdentity(init), ...token });
  if (file === undefined) {
    return chainWith(containerToken === undefined ? {} : { awsContainerAuthorizationToken: containerToken });
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
      current = { token, chain: chainWith(options) };
    }
    return await current.chain(properties);
  };
}
