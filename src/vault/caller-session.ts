import { inject, injectable } from 'tsyringe';

import { TOKENS } from '../tokens.js';
import { TokenApi } from './token-api.js';
import { VaultError } from './vault-error.js';
import type { SessionRequests, VaultRequest, VaultRequests, VaultResponse } from './vault-request.js';

/** The token of somebody at a terminal, and where it is from. */
export interface CallerToken {
  /** Empty where a Vault Agent or Proxy adds one. */
  readonly token: string;
  /** For messages: `VAULT_TOKEN`, `~/.vault-token`. */
  readonly from: string | undefined;
}

/**
 * Reads Vault with the token of the caller, once and for a short time: the token is looked up before the first request,
 * and neither renewed nor revoked. Anything but a read is refused.
 */
@injectable()
export class CallerSession implements SessionRequests {
  private checked: Promise<void> | undefined;

  constructor(
    @inject(TOKENS.vaultClient) private readonly client: VaultRequests,
    @inject(TOKENS.callerToken) private readonly caller: CallerToken,
  ) {}

  /** @throws VaultError `forbidden` when Vault does not accept the token. */
  async request(request: Omit<VaultRequest, 'token'>): Promise<VaultResponse> {
    if (request.method !== 'GET' || request.mutates === true) {
      throw new VaultError('rejected', 'the token of the caller is used for reading only');
    }
    await this.check();
    return await this.client.request({ ...request, token: this.caller.token });
  }

  /**
   * Whether Vault answers and accepts the token; asks once.
   *
   * @throws VaultError
   */
  async check(): Promise<void> {
    this.checked ??= this.lookUp();
    await this.checked;
  }

  private async lookUp(): Promise<void> {
    const { token, from } = this.caller;
    if ((await new TokenApi(this.client).lookUp(token)) !== 'dead') return;
    const message =
      from === undefined
        ? 'there is no token for Vault: log in with vault login, or set VAULT_TOKEN'
        : `Vault does not accept the token of ${from}, which is wrong, expired or revoked: log in again with vault login`;
    throw new VaultError('forbidden', message, { status: 403, operation: 'token_lookup' });
  }
}
