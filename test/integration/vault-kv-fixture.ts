import { afterAll, afterEach, beforeAll, beforeEach } from '@jest/globals';

import { SystemClock } from '../../src/runtime/clock.js';
import { textOf } from '../../src/vault/secret-data.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { closeAll, closing } from '../support/closing.js';
import { VaultApi } from '../support/vault-api.js';
import { VaultFixture } from './vault-fixture.js';

export let vault: LoopbackVault;
/** An administrator. */
export let admin: VaultApi;
/** The operator, with all permissions. */
export let fixture: VaultFixture;
let now = new Date();
/** How much later than on the machine's clock it is for the operator. */
let laterMs = 0;
const clock = new SystemClock({
  monotonicMs: () => performance.now() + laterMs,
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => {
    clearTimeout(timer);
  },
});

/** The token of every fixture that has sent a request is no longer new. */
export function tokensAge(): void {
  laterMs += 60_000;
}

/** Until the end of the test it is later for Vault. */
export function vaultIsLaterBy(ms: number): void {
  now = new Date(now.getTime() + ms);
}

/** The operator with a policy of its own. */
export async function fixtureWithPolicy(policy: string): Promise<VaultFixture> {
  await admin.write('sys/policies/acl/narrow', { policy });
  const { auth } = await admin.write('auth/token/create', { policies: ['narrow'], ttl: '1h' });
  return closing(new VaultFixture(vault.url, { clock, values: { VAULT_TOKEN: auth.client_token } }));
}

export const data = (entries: Record<string, string>): Map<string, string> =>
  new Map(Object.entries(entries).map(([key, value]) => [key, textOf(value)]));

/** How often a mount was looked up. */
export const lookUps = (): number => vault.requests.count(({ url }) => url.includes('/internal/ui/mounts/'));

/** Requests that could change something. */
export const changes = (): number => vault.requests.count(({ method }) => method !== 'GET');

/** Mounts K/V of a version. */
export async function mount(name: string, engine: 'v1' | 'v2'): Promise<void> {
  await admin.write(`sys/mounts/${name}`, { type: 'kv', options: { version: engine.slice(1) } });
}

/** A Vault with mounts of both engines, for all tests of a file; to be called once. */
export function useVaultKv(): void {
  beforeAll(async () => {
    vault = await startVaultServer({
      mounts: { kv1: 'v1', kv2: 'v2', 'team/a/kv2': 'v2', 'team/b/kv1': 'v1' },
      now: () => now,
    });
    admin = new VaultApi(vault.url, vault.rootToken);
    fixture = new VaultFixture(vault.url, { clock, values: { VAULT_TOKEN: vault.rootToken } });
    await fixture.store.open('kv1/app', 'v1');
    tokensAge();
  });

  beforeEach(() => {
    vault.requests.clear();
  });

  afterEach(async () => {
    vault.faults.clear();
    await closeAll();
    fixture.store.forgetMounts();
    now = new Date();
  });

  afterAll(async () => {
    await fixture.close();
    admin.close();
    await vault.close();
  });
}
