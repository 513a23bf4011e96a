import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { type CertificatePair, TestAuthority } from '../servers/shared/certificates.js';
import { LdapDirectory } from '../servers/vault/ldap-directory.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { FakeClock } from '../support/fake-clock.js';
import { JwtIssuer } from '../support/signed-jwt.js';
import { VaultApi } from '../support/vault-api.js';
import { failureOf, VaultFixture } from './vault-fixture.js';

const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
const DN = 'uid=operator,ou=people,dc=example,dc=com';

const issuer = new JwtIssuer();
const directoryUsers = new Map([[DN, 'pass-word']]);
const fixtures: VaultFixture[] = [];
let folder: string;
let authority: TestAuthority;
let vault: LoopbackVault;
let admin: VaultApi;
let directory: LdapDirectory;

const file = (name: string): string => join(folder, name);

function show(pair: CertificatePair): void {
  writeFileSync(file('tls.crt'), pair.cert);
  writeFileSync(file('tls.key'), pair.key);
}

function fixtureOf(
  method: string,
  values: Record<string, string>,
  {
    hasCertificate = true,
    ...options
  }: { readonly hasCertificate?: boolean; readonly clock?: FakeClock } = {},
): VaultFixture {
  const pair = hasCertificate ? { clientCertFile: file('tls.crt'), clientKeyFile: file('tls.key') } : {};
  const fixture = new VaultFixture(vault.url, {
    ...options,
    method,
    values,
    config: { maxRetries: 0, caCertFile: file('ca.crt'), ...pair },
  });
  fixtures.push(fixture);
  return fixture;
}

/** The token that a login of the fixture got; there is no other than the administrator's. */
function issued(): Readonly<Record<string, string>> | null {
  const [token, ...more] = vault.tokens.all().filter(({ id }) => id !== vault.rootToken);
  expect(more).toEqual([]);
  return token?.metadata ?? null;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vault-login-methods-'));
  authority = await TestAuthority.create();
  writeFileSync(file('ca.crt'), authority.cert);
  vault = await startVaultServer({ tls: await authority.issue(), mounts: { kv: 'v1' } });
  admin = new VaultApi(vault.url, vault.rootToken, { ca: authority.cert });
  await admin.write('sys/policies/acl/all', { policy: 'path "kv/*" { capabilities = ["read"] }' });
  directory = await LdapDirectory.start(directoryUsers);
  for (const type of ['ldap', 'jwt', 'cert']) await admin.write(`sys/auth/${type}`, { type });
  await admin.write('auth/ldap/config', {
    url: directory.url,
    userdn: 'ou=people,dc=example,dc=com',
    userattr: 'uid',
    token_ttl: '10m',
  });
  await admin.write('auth/ldap/users/operator', { policies: 'all' });
  await admin.write('auth/jwt/config', { jwt_validation_pubkeys: [issuer.publicKey] });
  const role = { token_policies: 'all', token_ttl: '10m' };
  await admin.write('auth/jwt/role/operator', {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: 'vault',
    ...role,
  });
  await admin.write('auth/cert/certs/operator', {
    certificate: authority.cert,
    allowed_common_names: 'operator',
    ...role,
  });
});

afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
  vault.requests.clear();
});

afterAll(async () => {
  admin.close();
  await Promise.all([vault.close(), directory.close()]);
  rmSync(folder, { recursive: true, force: true });
});

describe('ldap', () => {
  const RIGHT = { VAULT_LDAP_USERNAME: 'Operator', VAULT_LDAP_PASSWORD: 'pass-word' };

  it('logs in with what the directory knows', async () => {
    show(await authority.issue());
    expect((await fixtureOf('ldap', RIGHT).session.request(READ)).status).toBe(404);
    expect(issued()).toEqual({ username: 'operator' });
  });

  it('says that the directory refuses the password', async () => {
    const fixture = fixtureOf('ldap', { ...RIGHT, VAULT_LDAP_PASSWORD: 'another' });
    expect((await failureOf(fixture.session.request(READ))).message).toContain(
      'ldap operation failed: failed to bind as user; the LDAP server rejects the user name and password',
    );
    expect(await fixture.registry.metrics()).toContain(
      'vault_logins_total{method="ldap",result="refused"} 1',
    );
  });

  it('takes a directory that Vault cannot reach for an outage', async () => {
    const { port } = directory;
    await directory.close();
    const fixture = fixtureOf('ldap', RIGHT);
    const { message } = await failureOf(fixture.session.request(READ));
    await directory.listen(port);
    expect(message).toMatch(/Vault could not check the login .*Vault cannot reach the LDAP server/);
    expect(await fixture.registry.metrics()).toContain('vault_logins_total{method="ldap",result="error"} 1');
  });
});

describe('jwt', () => {
  const token = (claims: object): void => {
    writeFileSync(file('token'), `${issuer.issue({ aud: 'vault', sub: 'app', ...claims })}\n`);
  };
  const values = (): Record<string, string> => ({
    VAULT_JWT_ROLE: 'operator',
    VAULT_JWT_TOKEN_PATH: file('token'),
  });

  it('reads the file at each login, because the token in it rotates', async () => {
    show(await authority.issue());
    token({ sub: 'first' });
    const clock = new FakeClock();
    const fixture = fixtureOf('jwt', values(), { clock });
    expect((await fixture.session.request(READ)).status).toBe(404);
    expect(vault.tokens.all().map(({ displayName }) => displayName)).toContain('jwt-first');
    // A token that is refused sooner may be one that is not known yet.
    await clock.advance(60_000, () => fixture.quiet());
    token({ sub: 'second' });
    for (const { id, displayName } of vault.tokens.all())
      if (displayName === 'jwt-first') vault.revokeToken(id);
    expect((await fixture.session.request(READ)).status).toBe(404);
    expect(vault.tokens.all().map(({ displayName }) => displayName)).toContain('jwt-second');
  });

  it('says what is wrong with the token, and which file is missing', async () => {
    token({ aud: 'another' });
    expect((await failureOf(fixtureOf('jwt', values()).session.request(READ))).message).toContain(
      'error validating token: invalid audience (aud) claim; the token is for another audience',
    );
    const missing = { ...values(), VAULT_JWT_TOKEN_PATH: file('missing') };
    expect((await failureOf(fixtureOf('jwt', missing).session.request(READ))).message).toContain(
      `cannot read the token at ${file('missing')}: mount one, or set VAULT_JWT_TOKEN_PATH`,
    );
  });
});

describe('cert', () => {
  it('shows the certificate of the moment, and logs in instead of renewing', async () => {
    show(await authority.issue({ commonName: 'operator' }));
    const clock = new FakeClock();
    const fixture = fixtureOf('cert', { VAULT_CERT_ROLE: 'operator' }, { clock });
    expect((await fixture.session.request(READ)).status).toBe(404);
    const first = issued();
    expect(first).toMatchObject({ cert_name: 'operator', common_name: 'operator' });
    // A token that is refused sooner may be one that is not known yet.
    await clock.advance(60_000, () => fixture.quiet());
    // Vault would answer a renewal with 500 from now on.
    show(await authority.issue({ commonName: 'operator' }));
    expect(fixture.logger.entries).toContainEqual(
      expect.objectContaining({
        facts: expect.objectContaining({ method: 'cert', renewable: false }) as unknown,
      }),
    );
    for (const { id, displayName } of vault.tokens.all())
      if (displayName === 'cert-operator') vault.revokeToken(id);
    expect((await fixture.session.request(READ)).status).toBe(404);
    expect(issued()?.['serial_number']).not.toBe(first?.['serial_number']);
  });

  it('says why Vault refuses a certificate', async () => {
    show(await authority.issue({ commonName: 'somebody' }));
    expect((await failureOf(fixtureOf('cert', {}).session.request(READ))).message).toContain(
      'no chain matching all constraints could be found for this login certificate; the roles are bound to other names',
    );
    expect(
      (await failureOf(fixtureOf('cert', {}, { hasCertificate: false }).session.request(READ))).message,
    ).toContain('client certificate must be supplied; Vault received no client certificate');
    const day = 24 * 60 * 60_000;
    const ago = (ms: number): Date => new Date(Date.now() - ms);
    show(await authority.issue({ commonName: 'operator', notBefore: ago(2 * day), notAfter: ago(day) }));
    expect((await failureOf(fixtureOf('cert', {}).session.request(READ))).message).toContain(
      "failed to verify client's certificate; it has expired",
    );
  });
});
