import type { VaultToken } from './authenticator.js';
import { answerMembers, knownReason, saysTokenIsInvalid, unexpectedAnswer } from './vault-answers.js';
import { VaultError } from './vault-error.js';
import type { VaultRequests } from './vault-request.js';

type Life = Pick<VaultToken, 'ttlSeconds' | 'renewable' | 'issued'>;

/** The endpoints that look up, renew and revoke a token. */
export class TokenApi {
  constructor(private readonly client: VaultRequests) {}

  /**
   * What Vault reports about a token; `not_permitted`: it is valid, but its policies do not let it look itself up.
   * `dead` also when the empty token is given and nothing adds one on the way.
   *
   * @throws VaultError `unavailable`; `rejected` when Vault says something else, such as an unknown namespace.
   */
  async lookUp(token: string, signal?: AbortSignal): Promise<Life | 'dead' | 'not_permitted'> {
    const operation = 'token_lookup';
    const { status, text } = await this.client.request({
      method: 'GET',
      path: 'auth/token/lookup-self',
      operation,
      token,
      signal,
    });
    if (status === 403) return saysTokenIsInvalid(text) ? 'dead' : 'not_permitted';
    if (token === '' && status === 400) return 'dead';
    if (status !== 200) {
      const message = `Vault did not answer the token look-up (HTTP ${String(status)}${knownReason(text)})`;
      throw new VaultError('rejected', message, { status, operation });
    }
    const data = answerMembers(answerMembers(text, operation).get('data') ?? 'null', operation);
    const ttl = Number(data.get('ttl') ?? NaN);
    // Vault counts whole seconds: a token in its last one has a ttl of 0, and so has one that never ends.
    const isEternal = (data.get('expire_time') ?? 'null') === 'null' && ttl === 0;
    if (!(ttl >= 0)) throw unexpectedAnswer(operation);
    // Vault Agent and Proxy take `id` and `accessor` out of the answer for a token of theirs (tried, and
    // `sanitizeAutoAuthTokenResponse` in agentproxyshared/cache/handler.go).
    const issued = data.get('issue_time') ?? data.get('creation_time');
    return {
      ttlSeconds: isEternal ? 0 : Math.max(1, ttl),
      renewable: data.get('renewable') === 'true',
      // A part of the text would keep the whole answer in memory, which holds the token.
      ...(issued === undefined ? {} : { issued: JSON.stringify(JSON.parse(issued)) }),
    };
  }

  /**
   * @returns the new life in seconds, 0 for one that never ends, or undefined when Vault does not renew it.
   * @throws VaultError `unavailable`.
   */
  async renew(token: string, signal?: AbortSignal): Promise<number | undefined> {
    const operation = 'token_renew';
    const { status, text } = await this.client.request({
      method: 'POST',
      path: 'auth/token/renew-self',
      operation,
      body: '{}',
      token,
      signal,
    });
    if (status !== 200) return undefined;
    const auth = answerMembers(answerMembers(text, operation).get('auth') ?? 'null', operation);
    const ttl = Number(auth.get('lease_duration') ?? NaN);
    if (!(ttl >= 0)) throw unexpectedAnswer(operation);
    return ttl;
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
