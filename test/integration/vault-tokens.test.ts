import { describe, expect, it } from '@jest/globals';

import { Lifecycle } from '../../src/runtime/lifecycle.js';
import { eventually } from '../support/wait.js';
import { failureOf } from './vault-fixture.js';
import {
  admin,
  clock,
  fixtureOf,
  logins,
  READ,
  userFixture,
  useVaultUser,
  vault,
} from './vault-user-fixture.js';

useVaultUser();

describe('tokens', () => {
  it('are renewed before they expire, and replaced when they cannot be', async () => {
    const fixture = await userFixture({ token_ttl: '10m', token_max_ttl: '30m' }, { clock });
    fixture.session.start();
    for (let minute = 0; minute < 120; minute += 1) {
      await clock.advance(60_000, () => fixture.quiet());
      expect((await fixture.session.request(READ)).status).toBe(404);
    }
    const renewals = vault.requests.count(({ url }) => url.includes('renew-self'));
    expect(renewals).toBeGreaterThan(8);
    expect(logins()).toBeGreaterThanOrEqual(4);
    expect(logins()).toBeLessThanOrEqual(8);
    expect(vault.requests.count(({ status }) => status === 403)).toBe(0);
  });

  it.each([
    ['root', undefined],
    ['periodic', { policies: ['all'], period: '1h' }],
    ['batch', { policies: ['all'], type: 'batch', ttl: '1h' }],
    ['non-renewable', { policies: ['all'], renewable: false, ttl: '1h' }],
    ['without the default policy', { policies: ['all'], no_default_policy: true, ttl: '1h' }],
  ])('that are %s cause only a few requests', async (_what, request) => {
    const created = request === undefined ? undefined : await admin.write('auth/token/create', request);
    const token = created === undefined ? vault.rootToken : String(created.auth.client_token);
    vault.requests.clear();
    const fixture = fixtureOf({ values: { VAULT_TOKEN: token }, clock });
    expect((await fixture.session.request(READ)).status).toBe(404);
    for (let minute = 0; minute < 30; minute += 1) await clock.advance(60_000, () => fixture.quiet());
    expect((await fixture.session.request(READ)).status).toBe(404);
    expect((await fixture.session.request({ ...READ, path: 'kv2/data/x' })).status).toBe(
      request === undefined ? 404 : 403,
    );
    expect(vault.requests.all.length).toBeLessThanOrEqual(6);
    await fixture.close();
    expect((await admin.send('GET', 'auth/token/lookup-self')).status).toBe(200);
    expect(vault.tokens.peek(token)).toBeDefined();
  });

  it('of logins are revoked on stop', async () => {
    const fixture = await userFixture();
    await fixture.session.request(READ);
    const ours = (): number =>
      vault.tokens.all().filter(({ displayName }) => displayName === 'userpass-op').length;
    const before = ours();
    await fixture.close();
    expect(ours()).toBe(before - 1);
  });

  it('that are refused leave the account usable for others', async () => {
    const fixture = await userFixture(
      {},
      { values: { VAULT_USERNAME: 'op', VAULT_PASSWORD: 'wrong' }, clock },
    );
    for (let minute = 0; minute < 120; minute += 1) {
      const error = await failureOf(fixture.session.request(READ));
      expect(error).toMatchObject({ failure: 'unavailable', retry: 'soon' });
      expect(error.message).toBe(
        'not logged in to Vault: Vault refused the login (HTTP 400: invalid username or password); check the credentials, the role and the login endpoint',
      );
      await clock.advance(60_000, () => fixture.quiet());
    }
    expect(logins()).toBeGreaterThan(3);
    expect(logins()).toBeLessThanOrEqual(11);
    expect(
      (await admin.write('auth/userpass/login/op', { password: 'right' })).auth.client_token,
    ).toBeDefined();
  });
});

describe('after SIGTERM', () => {
  it('Vault gets no further attempt, look-up or login, and then the token is revoked', async () => {
    const lifecycle = new Lifecycle();
    const fixture = await userFixture({}, { config: { maxRetries: 5 }, lifecycle });
    const kv = await fixture.store.open('kv/stopping', 'v1');
    vault.seal();
    const reading = failureOf(kv.read());
    await eventually(
      'the first attempt',
      () => vault.requests.count(({ url, status }) => url === '/v1/kv/stopping' && status === 503) > 0,
    );
    lifecycle.beginStop();
    const seen = vault.requests.count(() => true);
    expect(await reading).toMatchObject({ failure: 'unavailable' });
    expect(await failureOf(fixture.store.open('kv2/data/stopping', 'v2'))).toMatchObject({
      failure: 'unavailable',
    });
    vault.unseal();
    for (const token of vault.tokens.all())
      if (token.displayName.startsWith('userpass')) vault.tokens.revoke(token.id);
    expect(await failureOf(kv.read())).toMatchObject({ failure: 'unavailable' });
    // The read that found the token gone; nothing was asked about it.
    expect(vault.requests.count(() => true)).toBe(seen + 1);
    await fixture.close();
    expect(vault.requests.all.at(-1)?.url).toBe('/v1/auth/token/revoke-self');
  });
});
