import { homedir } from 'node:os';

import type { DependencyContainer } from 'tsyringe';

import { AuthorError } from '../cli/author-error.js';
import type { Console } from '../cli/console.js';
import { callerToken } from '../cli/vault/caller-token.js';
import { cliVaultFrom } from '../config/cli-config.js';
import { fileVariableOf } from '../config/file-variables.js';
import { readOnlyGate } from '../runtime/write-gate.js';
import { TOKENS } from '../tokens.js';
import { tokenMethod } from '../vault/auth/token.js';
import { CallerSession, type CallerToken } from '../vault/caller-session.js';
import { CredentialFiles } from '../vault/credential-files.js';
import { VaultError } from '../vault/vault-error.js';
import { VaultClient } from '../vault/vault-client.js';
import { VaultKvStore } from '../vault/vault-kv-store.js';
import { VaultTransport } from '../vault/vault-transport.js';
import { registerServices, registerValues, type Service } from './registration.js';

const SERVICES: readonly Service[] = [
  [TOKENS.transport, VaultTransport],
  [TOKENS.vaultClient, VaultClient],
  [TOKENS.vaultSession, CallerSession],
  [TOKENS.callerKvStore, VaultKvStore],
];

/**
 * Registers what reads Vault with the token of the caller.
 *
 * @throws AuthorError when a variable is not valid, or the token cannot be read.
 */
export function registerCallerVault(
  container: DependencyContainer,
  {
    environment,
    console,
  }: { readonly environment: Record<string, string | undefined>; readonly console: Console },
): void {
  const parsed = cliVaultFrom(environment, tokenMethod.variables);
  if ('faults' in parsed) throw new AuthorError(parsed.faults.join('\n'));
  for (const warning of parsed.warnings) console.warn(warning);
  const { vault, token, tokenFile } = parsed.config;
  const caller = tokenFile === undefined ? callerToken(token, homedir()) : tokenInFile(tokenFile);
  const { token: sent, from } = caller;
  const problem = from === undefined ? undefined : tokenMethod.variables[0]?.check?.(sent);
  if (from !== undefined && problem !== undefined) throw new AuthorError(`the token of ${from} ${problem}`);
  registerServices(container, SERVICES);
  registerValues(container, [
    [TOKENS.vaultConfig, vault],
    [TOKENS.callerToken, caller],
    [TOKENS.gate, readOnlyGate],
  ]);
}

/** @throws AuthorError when the file cannot be read or holds no token. */
function tokenInFile(file: string): CallerToken {
  const [variable] = tokenMethod.variables;
  if (variable === undefined) throw new Error('the auth method token has no variable');
  const files = new CredentialFiles([{ file, variable: { ...variable, mayBeEmpty: false } }]);
  try {
    const { VAULT_TOKEN: token = '' } = files.take().values;
    return { token, from: fileVariableOf(variable) };
  } catch (error) {
    if (error instanceof VaultError) throw new AuthorError(error.message);
    throw error;
  }
}
