import type { VaultToken } from './authenticator.js';
import type { VaultClient } from './vault-client.js';

/** The endpoints by which a token tells of itself and is kept alive. */
export class TokenApi {
  constructor(private readonly client: VaultClient) {}

  /**
   * What Vault says of a token. A 403 has two faces (tried on Vault and OpenBao): a living token without
   * the permission is answered with `1 error occurred: * permission denied`, a dead one with the bare
   * `permission denied`, or with `2 errors occurred` of which one is `invalid token`.
   *
   * @throws VaultError `unavailable`.
   */
  async lookUp(
    token: string,
    signal?: AbortSignal,
  ): Promise<Pick<VaultToken, 'ttlSeconds' | 'renewable'> | 'dead' | 'not_permitted'> {
    const { status, text } = await this.client.request({
      method: 'GET',
      path: 'auth/token/lookup-self',
      operation: 'token_lookup',
      token,
      signal,
    });
    if (status === 200) {
      const { data } = JSON.parse(text) as { data?: { ttl?: unknown; renewable?: unknown } };
      return {
        ttlSeconds: typeof data?.ttl === 'number' ? data.ttl : 0,
        renewable: data?.renewable === true,
      };
    }
    return text.includes('1 error occurred') ? 'not_permitted' : 'dead';
  }

  /**
   * @returns the new life in seconds, or undefined when the token cannot be renewed.
   * @throws VaultError `unavailable`.
   */
  async renew(token: string, signal?: AbortSignal): Promise<number | undefined> {
    const { status, text } = await this.client.request({
      method: 'POST',
      path: 'auth/token/renew-self',
      operation: 'token_renew',
      body: '{}',
      token,
      signal,
    });
    if (status !== 200) return undefined;
    const { auth } = JSON.parse(text) as { auth?: { lease_duration?: unknown } };
    return typeof auth?.lease_duration === 'number' ? auth.lease_duration : undefined;
  }

  /** @throws VaultError `unavailable`. */
  async revoke(token: string, signal?: AbortSignal): Promise<void> {
    await this.client.request({
      method: 'POST',
      path: 'auth/token/revoke-self',
      operation: 'token_revoke',
      body: '{}',
      token,
      signal,
    });
  }
}
