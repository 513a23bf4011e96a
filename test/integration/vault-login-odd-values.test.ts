import { describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { closing } from '../support/closing.js';
import { failureOf, VaultFixture } from './vault-fixture.js';
import { admin, fixtureOf, folder, READ, right, useLogins, vault } from './vault-login-fixture.js';

useLogins();

describe('odd values of credentials', () => {
  /** Logs in, and gives what Vault was sent: the path as a server decodes it, and the body. */
  async function sent(
    name: string,
    values: Record<string, string>,
  ): Promise<{ path: string; body: unknown }> {
    const seen: { path: string; body: unknown }[] = [];
    const server = closing(
      await LoopbackServer.start((request, _raw, response) => {
        seen.push({ path: decodeURIComponent(request.url), body: JSON.parse(request.body) as unknown });
        response.writeHead(400, { 'content-type': 'application/json' }).end('{"errors":[]}');
      }),
    );
    const fixture = closing(
      new VaultFixture(server.url, { method: name, values: { ...right(name), ...values } }),
    );
    await failureOf(fixture.session.request(READ));
    expect(seen).toHaveLength(1);
    return seen[0] ?? { path: '', body: undefined };
  }

  const ODD = [
    'two words',
    '100%',
    'a%2Fb',
    'M\u00fcller',
    '\u6f22',
    'a+b&c=d',
    'q?x#y',
    '"quoted"',
    "it's;",
  ];

  it.each(ODD)('arrive as they are: %j', async (odd) => {
    expect(await sent('userpass', { VAULT_USERNAME: odd, VAULT_PASSWORD: `${odd}\n` })).toEqual({
      path: `/v1/auth/userpass/login/${odd}`,
      body: { password: `${odd}\n` },
    });
    expect(
      (await sent('approle', { VAULT_APPROLE_ROLE_ID: odd, VAULT_APPROLE_SECRET_ID: odd })).body,
    ).toEqual({
      role_id: odd,
      secret_id: odd,
    });
    expect(await sent('ldap', { VAULT_LDAP_USERNAME: odd, VAULT_LDAP_PASSWORD: `${odd}\n` })).toEqual({
      path: `/v1/auth/ldap/login/${odd}`,
      body: { password: `${odd}\n` },
    });
    expect((await sent('k8s', { VAULT_K8S_ROLE: odd })).body).toMatchObject({ role: odd });
    expect((await sent('jwt', { VAULT_JWT_ROLE: odd })).body).toMatchObject({ role: odd });
    expect((await sent('cert', { VAULT_CERT_ROLE: odd })).body).toEqual({ name: odd });
    expect((await sent('github', { VAULT_GITHUB_TOKEN: odd })).body).toEqual({ token: odd });
    expect((await sent('iam', { VAULT_IAM_ROLE: odd })).body).toMatchObject({ role: odd });
  });

  it.each([
    'auth/M\u00fcller/login',
    'auth/a+b&c/d=e/login',
    "auth/it's;here/login",
    'auth/\u6f22/x:y@z/login',
  ])('arrive as they are in the path of a mount: %s', async (endpoint) => {
    for (const { name, variables } of AUTH_METHODS) {
      const variable = variables.find((one) => one.default?.endsWith('/login'));
      if (variable === undefined) continue;
      const { path } = await sent(name, { [variable.name]: endpoint });
      // Users are one segment more.
      expect(
        path
          .split('/')
          .slice(0, 2 + endpoint.split('/').length)
          .join('/'),
      ).toBe(`/v1/${endpoint}`);
    }
    const user = { VAULT_USERPASS_ENDPOINT: endpoint, VAULT_USERNAME: 'M\u00fcller' };
    expect((await sent('userpass', user)).path).toBe(`/v1/${endpoint}/M\u00fcller`);
  });

  it('are reported by the name of the file when it holds no token', async () => {
    const file = join(folder, 'empty');
    writeFileSync(file, '\n');
    const failure = await failureOf(fixtureOf('k8s', { VAULT_K8S_TOKEN_PATH: file }).session.request(READ));
    expect(failure.message).toContain(`the file of the service-account token is empty: ${file}`);
  });

  it.each(['two\nlines', 'two words', '\u201cquoted\u201d', Buffer.from('a-token', 'utf16le').toString()])(
    'are reported by the name of the file when it holds %j, which no token is, and Vault is not asked',
    async (text) => {
      const file = join(folder, 'odd');
      writeFileSync(file, text);
      const fixture = fixtureOf('k8s', { VAULT_K8S_TOKEN_PATH: file });
      const { message } = await failureOf(fixture.session.request(READ));
      expect(message).toContain(
        `the service-account token at ${file} contains a line break or another character`,
      );
      expect(message).not.toContain(text);
      expect(vault.requests.all).toEqual([]);
    },
  );
});

describe('credentials that are set and empty', () => {
  it('log in to a role without a secret id, and to no other', async () => {
    await admin.write('auth/my/deep/mount/role/open', {
      bind_secret_id: false,
      token_bound_cidrs: '127.0.0.1/32',
      policies: 'default',
    });
    const { json } = await admin.send('GET', 'auth/my/deep/mount/role/open/role-id');
    const values = { VAULT_APPROLE_ROLE_ID: String(json.data.role_id), VAULT_APPROLE_SECRET_ID: '' };
    const open = fixtureOf('approle', values);
    expect((await open.session.request({ ...READ, path: 'auth/token/lookup-self' })).status).toBe(200);
    expect(
      (await failureOf(fixtureOf('approle', { VAULT_APPROLE_SECRET_ID: '' }).session.request(READ))).message,
    ).toMatch(/refused the login/);
  });
});
