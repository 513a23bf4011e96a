import type { DependencyContainer } from 'tsyringe';

import type { OperatorConfig } from '../config/config.js';
import { TOKENS } from '../tokens.js';
import { VaultAuthenticatorFactory } from '../vault/authenticator-factory.js';
import { VaultClient } from '../vault/vault-client.js';
import { VaultKvStore } from '../vault/vault-kv-store.js';
import { VaultSession } from '../vault/vault-session.js';
import { VaultTransport } from '../vault/vault-transport.js';
import { registerFactory, registerServices, registerValues, type Service } from './registration.js';

/** In addition to reconciles: token look-ups, renewals and logins. */
const SESSION_SOCKETS = 6;

const SERVICES: readonly Service[] = [
  [TOKENS.transport, VaultTransport],
  [TOKENS.vaultClient, VaultClient],
  [TOKENS.vaultSession, VaultSession],
  [TOKENS.kvStore, VaultKvStore],
];

/** Registers the services of `vault/`. */
export function registerVault(container: DependencyContainer, config: OperatorConfig): void {
  registerServices(container, SERVICES);
  registerValues(container, [
    [TOKENS.vaultConfig, config.vault],
    [TOKENS.auth, config.auth],
    [TOKENS.authMethod, config.auth.method],
    [TOKENS.vaultMaxSockets, config.maxConcurrentReconciles + SESSION_SOCKETS],
  ]);
  registerFactory(container, TOKENS.authenticator, (c) =>
    new VaultAuthenticatorFactory().create(c.resolve(TOKENS.auth), {
      client: c.resolve(TOKENS.vaultClient),
      aws: c.resolve(TOKENS.aws),
      agents: c.resolve(TOKENS.agents),
      clock: c.resolve(TOKENS.clock),
    }),
  );
}
