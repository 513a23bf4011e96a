import type { AuthMethodSpec, AwsConfig } from '../config/config.js';
import type { AgentFactory } from '../runtime/agents.js';
import type { Clock } from '../runtime/clock.js';
import type { VaultRequests } from './vault-request.js';

/** A token and its lifetime according to Vault. */
export interface VaultToken {
  readonly token: string;
  /** Seconds; 0 for a token that never expires, such as root. */
  readonly ttlSeconds: number;
  readonly renewable: boolean;
  /** Obtained by our own login, so we revoke it. */
  readonly ours: boolean;
  /** Whether the token may look itself up; without that, a 403 is ambiguous. */
  readonly mayLookUp: boolean;
  /** When Vault issued it, as Vault spells it: this distinguishes tokens that an agent adds to requests. */
  readonly issued?: string;
}

/** What is known of credentials in files, without a request. */
export interface CredentialsSeen {
  /** Equal as long as the credentials are; undefined while the files hold none that can be used. */
  readonly id: string | undefined;
  /** Why they cannot be used. */
  readonly problem?: string;
  /** The last login was made with them, whatever came of it. */
  readonly areTried: boolean;
  /** The last login that succeeded was made with them. */
  readonly areInUse: boolean;
}

/** Credentials in files, which may change while the process runs. */
export interface CredentialsInFiles {
  /** The variables that name the files. */
  readonly variables: readonly string[];
  /** Reads only files that have changed, and all as long as they cannot be used. Never throws. */
  look(): CredentialsSeen;
}

/** Obtains tokens by one method. */
export interface VaultAuthenticator {
  /** Vault locks the account out after a few refused logins (userpass, ldap, approle). */
  readonly locksOut?: boolean;
  /** The credential that a login may use up, so that a repetition is refused: the `secret id` of approle. */
  readonly usesUp?: string;
  /** The credential is the token: a changed one takes the place of the token in use at once. */
  readonly givesToken?: boolean;
  /** Where credentials are in files; each login reads them. */
  readonly inFiles?: CredentialsInFiles;
  /** @throws VaultError; `forbidden` or `rejected` when Vault refuses the credentials. */
  login(signal?: AbortSignal): Promise<VaultToken>;
}

/** The dependencies of an authenticator. */
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
