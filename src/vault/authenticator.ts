import type { AuthMethodSpec, AwsConfig } from '../config/config.js';
import type { AgentFactory } from '../runtime/agents.js';
import type { Clock } from '../runtime/clock.js';
import type { VaultRequests } from './vault-request.js';

/** A token and what Vault says of its life. */
export interface VaultToken {
  readonly token: string;
  /** Seconds; 0: it never ends (root and the like). */
  readonly ttlSeconds: number;
  readonly renewable: boolean;
  /** Obtained by a login of ours, so that it is ours to revoke. */
  readonly ours: boolean;
  /** Whether the token may look itself up; a 403 tells nothing without it. */
  readonly mayLookUp: boolean;
  /** What names the token where others add it to requests: it changes with the token. */
  readonly accessor?: string;
}

/** Obtains tokens by one method. */
export interface VaultAuthenticator {
  /** Vault locks the account out after a few refused logins (userpass, ldap, approle). */
  readonly locksOut?: boolean;
  /** What a login may use up, so that the same login is refused afterwards: approle's `secret id`. */
  readonly usesUp?: string;
  /** @throws VaultError; `forbidden` or `rejected` when Vault refuses the credentials. */
  login(signal?: AbortSignal): Promise<VaultToken>;
}

/** What an authenticator may use. */
export interface AuthenticatorDeps {
  readonly client: VaultRequests;
  readonly aws: AwsConfig;
  readonly agents: AgentFactory;
  readonly clock: Clock;
}

/** An auth method: its variables, which the configuration reads, and its authenticator. */
export interface VaultAuthMethod extends AuthMethodSpec {
  create(values: Readonly<Record<string, string>>, deps: AuthenticatorDeps): VaultAuthenticator;
}
