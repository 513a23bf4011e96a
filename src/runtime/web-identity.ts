import { type fromNodeProviderChain, fromWebToken } from '@aws-sdk/credential-providers';

type ChainOptions = NonNullable<Parameters<typeof fromNodeProviderChain>[0]>;

/** A token that STS would refuse with a message about its issuer. The message holds nothing of the token. */
export class WebIdentityTokenError extends Error {
  constructor() {
    super(
      'the web identity token contains a line break or another character that is not allowed in a token: ' +
        'check the file in AWS_WEB_IDENTITY_TOKEN_FILE, or in web_identity_token_file of the profile',
    );
    this.name = 'WebIdentityTokenError';
  }
}

/**
 * Options for the SDK's credential chain that leave out a line break at the end of a web identity token file:
 * `fromTokenFile` of `@aws-sdk/credential-provider-web-identity` sends the file as it is, and STS refuses that.
 */
export function withTrimmedWebIdentity(init: ChainOptions): ChainOptions {
  return {
    ...init,
    roleAssumerWithWebIdentity: async ({ RoleArn, RoleSessionName, WebIdentityToken }) => {
      const webIdentityToken = WebIdentityToken?.trim() ?? '';
      if (/[^\u0021-\u007e]/.test(webIdentityToken)) throw new WebIdentityTokenError();
      const assume = fromWebToken({
        ...init,
        roleArn: RoleArn ?? '',
        ...(RoleSessionName === undefined ? {} : { roleSessionName: RoleSessionName }),
        webIdentityToken,
      });
      return await assume();
    },
  };
}
