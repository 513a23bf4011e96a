import { describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { FakeClock } from '../support/fake-clock.js';
import { failureOf } from './vault-fixture.js';
import {
  CANARY,
  fixtureOf,
  folder,
  jwt,
  READ,
  serviceAccounts,
  useLogins,
  vault,
} from './vault-login-fixture.js';

useLogins();

describe('logins', () => {
  it.each(['token', 'userpass', 'approle', 'k8s'] as const)(
    '%s works with right credentials',
    async (method) => {
      const fixture = fixtureOf(method);
      expect((await fixture.session.request(READ)).status).toBe(404);
      expect(fixture.session.problem()).toBeUndefined();
      expect(await fixture.registry.metrics()).toContain(
        `vault_logins_total{method="${method}",result="success"} 1`,
      );
    },
  );

  it.each<[string, string, Record<string, string>]>([
    ['a wrong token', 'token', { VAULT_TOKEN: `hvs.${CANARY}wrong` }],
    ['a wrong password', 'userpass', { VAULT_PASSWORD: CANARY }],
    ['an unknown user', 'userpass', { VAULT_USERNAME: 'nobody' }],
    ['a wrong userpass mount', 'userpass', { VAULT_USERPASS_ENDPOINT: 'auth/nope/login' }],
    ['a wrong secret id', 'approle', { VAULT_APPROLE_SECRET_ID: CANARY }],
    ['a wrong role id', 'approle', { VAULT_APPROLE_ROLE_ID: CANARY }],
    ['a wrong approle mount', 'approle', { VAULT_APPROLE_ENDPOINT: 'auth/my/other/mount/login' }],
    ['a wrong role', 'k8s', { VAULT_K8S_ROLE: 'nope' }],
    ['a wrong kubernetes mount', 'k8s', { VAULT_K8S_LOGIN_ENDPOINT: 'auth/nope/login' }],
  ])('are refused with %s', async (_what, method, values) => {
    const fixture = fixtureOf(method, values);
    const error = await failureOf(fixture.session.request(READ));
    expect(error).toMatchObject({ failure: 'unavailable', retry: 'soon', reason: 'VaultUnavailable' });
    expect(error.message).toMatch(
      /^not logged in to Vault: Vault (refused the login|does not accept VAULT_TOKEN)/,
    );
    expect(fixture.session.problem()).toBe(error.message);
    expect(await fixture.registry.metrics()).toContain(
      `vault_logins_total{method="${method}",result="refused"} 1`,
    );
    expect(vault.requests.count(({ url }) => url.includes('/kv/'))).toBe(0);
  });

  it('of k8s name a missing file, and are refused with a token that the API server does not know', async () => {
    const missing = fixtureOf('k8s', { VAULT_K8S_TOKEN_PATH: join(folder, 'missing') });
    expect((await failureOf(missing.session.request(READ))).message).toContain(join(folder, 'missing'));
    const bad = fixtureOf('k8s', { VAULT_K8S_TOKEN_PATH: join(folder, 'bad-jwt') });
    expect((await failureOf(bad.session.request(READ))).message).toContain(
      'refused the login (HTTP 403: permission denied; the API server rejected the token',
    );
  });

  it('of k8s read the service-account token each time, so that it may rotate', async () => {
    const clock = new FakeClock();
    const fixture = fixtureOf('k8s', {}, { clock });
    await fixture.session.request(READ);
    // A token that is refused sooner may be one that is not known yet.
    await clock.advance(60_000, () => fixture.quiet());
    serviceAccounts.clear();
    serviceAccounts.set(jwt('jwt-2'), 'system:serviceaccount:vault:operator');
    writeFileSync(join(folder, 'jwt'), jwt('jwt-2'));
    for (const token of vault.tokens.all())
      if (token.displayName.includes('operator')) vault.tokens.revoke(token.id);
    expect((await fixture.session.request(READ)).status).toBe(404);
  });
});
