import { inject, injectable } from 'tsyringe';

import type { AuthConfig, AwsConfig } from '../config/config.js';
import type { AgentFactory } from '../runtime/agents.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import type { CredentialsInFiles, VaultAuthenticator, VaultToken } from './authenticator.js';
import { VaultAuthenticatorFactory } from './authenticator-factory.js';
import type { VaultRequests } from './vault-request.js';

/** The authenticator of the method that the configuration names. */
@injectable()
export class ConfiguredAuthenticator implements VaultAuthenticator {
  private readonly authenticator: VaultAuthenticator;
  readonly locksOut?: boolean;
  readonly usesUp?: string;
  readonly givesToken?: boolean;
  readonly inFiles?: CredentialsInFiles;

  constructor(
    @inject(TOKENS.auth) auth: AuthConfig,
    @inject(TOKENS.vaultClient) client: VaultRequests,
    @inject(TOKENS.aws) aws: AwsConfig,
    @inject(TOKENS.agents) agents: AgentFactory,
    @inject(TOKENS.clock) clock: Clock,
  ) {
    this.authenticator = new VaultAuthenticatorFactory().create(auth, { client, aws, agents, clock });
    const { locksOut, usesUp, givesToken, inFiles } = this.authenticator;
    if (locksOut !== undefined) this.locksOut = locksOut;
    if (usesUp !== undefined) this.usesUp = usesUp;
    if (givesToken !== undefined) this.givesToken = givesToken;
    if (inFiles !== undefined) this.inFiles = inFiles;
  }

  async login(signal?: AbortSignal): Promise<VaultToken> {
    return await this.authenticator.login(signal);
  }
}
