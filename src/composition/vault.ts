import type { DependencyContainer } from 'tsyringe';

import type { OperatorConfig } from '../config/config.js';
import { TOKENS } from '../tokens.js';
import { VaultAuthenticatorFactory } from '../vault/authenticator-factory.js';
import { VaultClient } from '../vault/vault-client.js';
import { VaultKvStore } from '../vault/vault-kv-store.js';
import { VaultSession } from '../vault/vault-session.js';
import { VaultTransport } from '../vault/vault-transport.js';
import { registerFactory } from './registration.js';

/** The parts of step 5. */
export function registerVault(container: DependencyContainer, config: OperatorConfig): void {
  registerFactory(
    container,
    TOKENS.vaultClient,
    (c) =>
      new VaultClient({
        config: config.vault,
        transport: new VaultTransport({
          config: config.vault,
          agents: c.resolve(TOKENS.agents),
          logger: c.resolve(TOKENS.logger),
          // Beside the reconciles: look-ups, renewals and logins.
          maxSockets: config.maxConcurrentReconciles + 6,
        }),
        gate: c.resolve(TOKENS.vaultGate),
        clock: c.resolve(TOKENS.clock),
        metrics: c.resolve(TOKENS.metrics),
        stopping: c.resolve(TOKENS.stopping),
      }),
  );
  registerFactory(container, TOKENS.authenticator, (c) =>
    new VaultAuthenticatorFactory().create(config.auth, {
      client: c.resolve(TOKENS.vaultClient),
      aws: config.aws,
      agents: c.resolve(TOKENS.agents),
      clock: c.resolve(TOKENS.clock),
    }),
  );
  registerFactory(
    container,
    TOKENS.vaultSession,
    (c) =>
      new VaultSession({
        client: c.resolve(TOKENS.vaultClient),
        authenticator: c.resolve(TOKENS.authenticator),
        method: config.auth.method,
        stopping: c.resolve(TOKENS.stopping),
        clock: c.resolve(TOKENS.clock),
        logger: c.resolve(TOKENS.logger),
        metrics: c.resolve(TOKENS.metrics),
      }),
  );
  registerFactory(
    container,
    TOKENS.kvStore,
    (c) => new VaultKvStore({ session: c.resolve(TOKENS.vaultSession) }),
  );
}
