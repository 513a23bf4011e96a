import type { DependencyContainer } from 'tsyringe';

import type { OperatorConfig } from '../config/config.js';
import { mostAtOnce } from '../queue/reconcile-queue.js';
import { TOKENS } from '../tokens.js';
import { ConfiguredAuthenticator } from '../vault/configured-authenticator.js';
import { VaultClient } from '../vault/vault-client.js';
import { VaultKvStore } from '../vault/vault-kv-store.js';
import { VaultSession } from '../vault/vault-session.js';
import { VaultTransport } from '../vault/vault-transport.js';
import { registerServices, registerValues, type Service } from './registration.js';

/** In addition to reconciles: token look-ups, renewals and logins. */
const SESSION_SOCKETS = 6;

const SERVICES: readonly Service[] = [
  [TOKENS.transport, VaultTransport],
  [TOKENS.vaultClient, VaultClient],
  [TOKENS.authenticator, ConfiguredAuthenticator],
  [TOKENS.vaultSession, VaultSession],
  [TOKENS.kvStore, VaultKvStore],
];

/** Registers the services of `vault/`. */
export function registerVault(
  container: DependencyContainer,
  config: Pick<OperatorConfig, 'vault' | 'auth' | 'maxConcurrentReconciles'>,
): void {
  registerServices(container, SERVICES);
  registerValues(container, [
    [TOKENS.vaultConfig, config.vault],
    [TOKENS.auth, config.auth],
    [TOKENS.authMethod, config.auth.method],
    // An edit that starts beside a backlog must not wait for a connection: they are given first come, first served.
    [TOKENS.vaultMaxSockets, mostAtOnce(config.maxConcurrentReconciles) + SESSION_SOCKETS],
  ]);
}
