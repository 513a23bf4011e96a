import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';

import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { closeAll, closing } from '../support/closing.js';
import { FakeClock } from '../support/fake-clock.js';
import { VaultApi } from '../support/vault-api.js';
import { type FixtureOptions, VaultFixture } from './vault-fixture.js';

export const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
export let vault: LoopbackVault;
export let admin: VaultApi;
/** Of Vault, and of the operator in tests that pass it on. */
export let clock: FakeClock;
let address: string;

/** The operator's side, with the root token by default. */
export function fixtureOf(options: FixtureOptions = {}, url = address): VaultFixture {
  return closing(new VaultFixture(url, { values: { VAULT_TOKEN: vault.rootToken }, ...options }));
}

/** Logs in as a user whose tokens have these settings. */
export async function userFixture(
  token: Record<string, unknown> = {},
  options: FixtureOptions = {},
): Promise<VaultFixture> {
  await admin.write('auth/userpass/users/op', {
    password: 'right',
    token_policies: 'all',
    token_ttl: '1h',
    token_max_ttl: '0',
    ...token,
  });
  const values = { VAULT_USERNAME: 'op', VAULT_PASSWORD: 'right' };
  return fixtureOf({ method: 'userpass', values, ...options });
}

export const logins = (): number => vault.requests.count(({ url }) => url.includes('/login'));

/** A Vault with both engines and userpass, for all tests of a file; to be called once. */
export function useVaultUser(): void {
  beforeAll(async () => {
    clock = new FakeClock();
    vault = await startVaultServer({ mounts: { kv: 'v1', kv2: 'v2' }, now: () => clock.now() });
    address = vault.url;
    admin = new VaultApi(vault.url, vault.rootToken);
    await admin.write('sys/auth/userpass', { type: 'userpass' });
    await admin.write('sys/policies/acl/all', {
      policy: 'path "kv/*" { capabilities = ["create","read","update","delete"] }',
    });
  });

  beforeEach(() => {
    clock = new FakeClock();
    vault.requests.clear();
  });

  afterEach(async () => {
    vault.faults.clear();
    vault.unseal();
    vault.standby(undefined);
    await closeAll();
  });

  afterAll(async () => {
    admin.close();
    await vault.close();
  });
}
