import { describe, expect, it } from '@jest/globals';

import { textOf } from '../../src/vault/secret-data.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { startVaultServer } from '../servers/vault/server.js';
import { closing } from '../support/closing.js';
import { FakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/wait.js';
import { failureOf } from './vault-fixture.js';
import { clock, fixtureOf, logins, READ, userFixture, useVaultUser, vault } from './vault-user-fixture.js';

useVaultUser();

const DATA = new Map([['a', textOf('1')]]);

describe('Vault unavailable', () => {
  it('is retried, reported, and no reason for a restart', async () => {
    const fixture = fixtureOf({ config: { maxRetries: 1 } });
    const kv = await fixture.store.open('kv/app', 'v1');
    vault.seal();
    const sealed = await failureOf(kv.read());
    expect(sealed).toMatchObject({ failure: 'unavailable', retry: 'soon', reason: 'VaultUnavailable' });
    expect(sealed.message).toBe('Vault answered HTTP 503: Vault is sealed');
    expect(vault.requests.count(({ url, status }) => url === '/v1/kv/app' && status === 503)).toBe(2);
    vault.unseal();
    expect(await kv.read()).toEqual({ state: 'absent' });

    await vault.stop();
    expect((await failureOf(kv.read())).message).toContain('ECONNREFUSED');
    await vault.restart();
    expect(await kv.read()).toEqual({ state: 'absent' });
    expect(vault.requests.count(({ url }) => url.includes('lookup-self'))).toBe(1);
  });

  it('at the start is not fatal: the operator logs in once Vault is back', async () => {
    await vault.stop();
    const time = new FakeClock();
    const fixture = fixtureOf({ clock: time, config: { maxRetries: 0 } });
    fixture.session.start();
    await eventually('the problem', () => fixture.session.problem()?.includes('ECONNREFUSED'));
    await vault.restart();
    await eventually('the session', async () => {
      await time.advance(500, () => fixture.quiet());
      return fixture.session.problem() === undefined;
    });
  });

  it('is reported for a name that cannot be resolved', async () => {
    const fixture = fixtureOf({ config: { maxRetries: 0 } }, 'http://vault.invalid:8200');
    expect((await failureOf(fixture.session.request(READ))).message).toMatch(
      /cannot reach Vault \((ENOTFOUND|EAI_AGAIN)\)/,
    );
  });

  it('without an answer delays one request until its timeout, and no other', async () => {
    const fixture = fixtureOf({ config: { timeoutMs: 2_000 } });
    const kv = await fixture.store.open('kv/slow', 'v1');
    vault.faults.inject({ matches: ({ url }) => url.includes('/slow'), action: { kind: 'hang' } });
    const slow = failureOf(kv.read());
    const fast = await Promise.all(
      Array.from({ length: 20 }, (_, n) => fixture.session.request({ ...READ, path: `kv/fast${String(n)}` })),
    );
    expect(fast.every(({ status }) => status === 404)).toBe(true);
    expect((await slow).message).toContain('VAULT_CLIENT_TIMEOUT');
    expect(vault.requests.count(({ url }) => url.includes('/slow') && !url.includes('mounts'))).toBe(1);
  });
});

describe('redirects', () => {
  it('of a standby are followed once, with method, body and token', async () => {
    const standby = closing(await startVaultServer());
    standby.standby(vault.url);
    const fixture = fixtureOf({}, standby.url);
    const kv = await fixture.store.open('kv2/data/via-standby', 'v2');
    expect(await kv.write(DATA, 0)).toMatchObject({ version: 1 });
    const off = fixtureOf({ config: { disableRedirects: true } }, standby.url);
    expect((await failureOf(off.store.open('kv/app', 'v1'))).message).toContain('VAULT_DISABLE_REDIRECTS');
  });

  it('in a loop end after one hop', async () => {
    const fixture = fixtureOf();
    const kv = await fixture.store.open('kv/app', 'v1');
    vault.standby(vault.url);
    vault.requests.clear();
    expect((await failureOf(kv.read())).message).toContain('more than once');
    expect(vault.requests.all).toHaveLength(2);
  });

  it('from https to http are refused, and the token goes nowhere', async () => {
    const authority = await TestAuthority.create();
    const secure = closing(await startVaultServer({ tls: await authority.issue() }));
    secure.standby(vault.url);
    const fixture = fixtureOf({ config: { caCertBytes: authority.cert } }, secure.url);
    expect((await failureOf(fixture.session.request(READ))).message).toContain('from https to http');
    expect(vault.requests.all).toEqual([]);
  });

  it('from http to https are followed', async () => {
    const authority = await TestAuthority.create();
    const secure = closing(
      await startVaultServer({
        tls: await authority.issue(),
        rootToken: vault.rootToken,
        mounts: { kv: 'v1' },
      }),
    );
    vault.standby(secure.url);
    const fixture = fixtureOf({ config: { caCertBytes: authority.cert } });
    expect((await fixture.session.request(READ)).status).toBe(404);
  });
});

describe('an answer below HTTP 500', () => {
  it.each(['here', 'primary'] as const)(
    'counts as an outage while a K/V mount is upgraded, %s',
    async (by) => {
      const fixture = fixtureOf({ config: { maxRetries: 0 } });
      const kv = await fixture.store.open(`kv2/data/upgraded-${by}`, 'v2');
      vault.upgradeMounts(by);
      const whileUpgrading = await Promise.all([failureOf(kv.read()), failureOf(kv.write(DATA, 0))]);
      vault.upgradeMounts(undefined);
      for (const error of whileUpgrading) {
        expect(error).toMatchObject({ failure: 'unavailable', retry: 'soon', facts: { status: 400 } });
        expect(error.message).toContain('upgrade');
      }
      expect(await kv.write(DATA, 0)).toMatchObject({ version: 1 });
    },
  );

  it('counts as an outage on a disaster recovery secondary', async () => {
    const fixture = await userFixture({}, { config: { maxRetries: 0 } });
    vault.becomeRecoverySecondary(true);
    const error = await failureOf(fixture.session.request(READ));
    vault.becomeRecoverySecondary(false);
    expect(error).toMatchObject({ failure: 'unavailable', retry: 'soon' });
  });

  it('counts as an outage until a new token is replicated, without another login', async () => {
    const fixture = await userFixture({}, { clock });
    vault.lagBehind(5_000);
    for (let second = 0; second < 5; second += 1) {
      expect(await failureOf(fixture.store.open('kv/lagging', 'v1'))).toMatchObject({
        failure: 'unavailable',
        retry: 'soon',
      });
      await clock.advance(1_000, () => fixture.quiet());
    }
    const kv = await fixture.store.open('kv/lagging', 'v1');
    vault.lagBehind(0);
    expect(await kv.read()).toEqual({ state: 'absent' });
    expect(logins()).toBe(1);
  });
});
