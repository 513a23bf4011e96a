import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { variablesWithFiles } from '../../src/config/file-variables.js';
import { startGithubServer } from '../servers/vault/github-api.js';
import { startStsServer, type StsPrincipal } from '../servers/vault/sts.js';
import { LdapDirectory } from '../servers/vault/ldap-directory.js';
import { closing } from '../support/closing.js';
import { FakeClock } from '../support/fake-clock.js';
import { failureOf, VaultFixture } from './vault-fixture.js';
import { admin, CANARY, folder, READ, useLogins, vault } from './vault-login-fixture.js';

useLogins();

/** What a method needs, where each value of a file may be replaced by another. */
interface Case {
  readonly values: Readonly<Record<string, string>>;
  /** By variable. */
  readonly contents: Readonly<Record<string, string>>;
  /** Makes other contents the right ones; those before are refused from then on. */
  readonly rotate: () => Promise<Readonly<Record<string, string>>>;
}

const token = async (): Promise<string> =>
  String((await admin.write('auth/token/create', { policies: ['all'], ttl: '1h' })).auth.client_token);

async function secretId(): Promise<string> {
  return String((await admin.write('auth/my/deep/mount/role/r/secret-id', {})).data.secret_id);
}

const CASES: Readonly<Record<string, () => Promise<Case>>> = {
  token: async () => {
    const first = await token();
    return {
      values: {},
      contents: { VAULT_TOKEN: first },
      rotate: async () => {
        const second = await token();
        vault.revokeToken(first);
        return { VAULT_TOKEN: second };
      },
    };
  },
  userpass: async () => {
    const write = async (password: string): Promise<Record<string, string>> => {
      await admin.write('auth/userpass/users/rotated', { password, token_policies: 'all' });
      return { VAULT_PASSWORD: password };
    };
    return {
      values: { VAULT_USERNAME: 'rotated' },
      contents: await write(`${CANARY} first`),
      rotate: () => write(` ${CANARY} second `),
    };
  },
  approle: async () => {
    const role = (await admin.send('GET', 'auth/my/deep/mount/role/r/role-id')).json;
    const first = await secretId();
    return {
      values: {
        VAULT_APPROLE_ROLE_ID: String(role.data.role_id),
        VAULT_APPROLE_ENDPOINT: 'auth/my/deep/mount/login',
      },
      contents: { VAULT_APPROLE_SECRET_ID: first },
      rotate: async () => {
        const second = await secretId();
        await admin.write('auth/my/deep/mount/role/r/secret-id/destroy', { secret_id: first });
        return { VAULT_APPROLE_SECRET_ID: second };
      },
    };
  },
  github: async () => {
    const team = { name: 'ops', slug: 'ops', organization: 'our-org' };
    const user = { login: 'octocat', organizations: ['our-org'], teams: [team] };
    const users = new Map([[`${CANARY}-1`, user]]);
    const github = closing(await startGithubServer({ organizations: [{ id: 7, login: 'our-org' }], users }));
    await admin.write('sys/auth/github', { type: 'github' });
    await admin.write('auth/github/config', { organization: 'our-org', base_url: github.url });
    await admin.write('auth/github/map/teams/ops', { value: 'all' });
    return {
      values: {},
      contents: { VAULT_GITHUB_TOKEN: `${CANARY}-1` },
      rotate: () => {
        users.clear();
        users.set(`${CANARY}-2`, user);
        return Promise.resolve({ VAULT_GITHUB_TOKEN: `${CANARY}-2` });
      },
    };
  },
  iam: async () => {
    const arn = 'arn:aws:iam::111122223333:user/operator';
    const pair = (turn: number): Record<string, string> => ({
      VAULT_IAM_AWS_ACCESS_KEY_ID: `AKIALOOPBACK${String(turn)}`,
      VAULT_IAM_AWS_SECRET_ACCESS_KEY: `${CANARY}-${String(turn)}`,
    });
    const principals: Record<string, StsPrincipal> = {
      AKIALOOPBACK1: { secret: `${CANARY}-1`, arn },
    };
    const sts = closing(await startStsServer({ principals }));
    await admin.write('sys/auth/aws', { type: 'aws' });
    await admin.write('auth/aws/config/client', { sts_endpoint: sts.url });
    await admin.write('auth/aws/role/operator', {
      auth_type: 'iam',
      bound_iam_principal_arn: arn,
      resolve_aws_unique_ids: false,
      token_policies: 'all',
    });
    return {
      values: { VAULT_IAM_ROLE: 'operator' },
      contents: pair(1),
      rotate: () => {
        delete principals['AKIALOOPBACK1'];
        principals['AKIALOOPBACK2'] = { secret: `${CANARY}-2`, arn };
        return Promise.resolve(pair(2));
      },
    };
  },
  ldap: async () => {
    const dn = 'uid=operator,ou=people,dc=x';
    const users = new Map([[dn, `${CANARY}-1`]]);
    const directory = closing(await LdapDirectory.start(users));
    await admin.write('sys/auth/ldap', { type: 'ldap' });
    await admin.write('auth/ldap/config', {
      url: directory.url,
      userdn: 'ou=people,dc=x',
      userattr: 'uid',
      token_policies: 'all',
    });
    return {
      values: { VAULT_LDAP_USERNAME: 'operator' },
      contents: { VAULT_LDAP_PASSWORD: `${CANARY}-1` },
      rotate: () => {
        users.set(dn, `${CANARY}-2`);
        return Promise.resolve({ VAULT_LDAP_PASSWORD: `${CANARY}-2` });
      },
    };
  },
};

const fileOf = (variable: string): string => join(folder, variable);

/** As a careful writer does. */
function write(contents: Readonly<Record<string, string>>): void {
  for (const [variable, content] of Object.entries(contents)) {
    writeFileSync(`${fileOf(variable)}.new`, `${content}\n`);
    renameSync(`${fileOf(variable)}.new`, fileOf(variable));
  }
}

function fixtureWith(method: string, { values, contents }: Case, clock: FakeClock): VaultFixture {
  const files = Object.fromEntries(Object.keys(contents).map((variable) => [variable, fileOf(variable)]));
  return closing(
    new VaultFixture(vault.url, {
      method,
      values,
      files,
      clock,
      config: { maxRetries: 0, timeoutMs: 10_000 },
    }),
  );
}

/** The tokens that a session of ours may have. */
function revokeAll(): void {
  for (const { id } of vault.tokens.all()) if (id !== vault.rootToken) vault.revokeToken(id);
}

const WITH_SECRETS = AUTH_METHODS.filter(({ variables }) => variablesWithFiles(variables).length > 0);

describe('credentials in files', () => {
  it.each(WITH_SECRETS)(
    'of $name are used at the login after they have changed, and are shown nowhere',
    async ({ name, variables }) => {
      const prepare = CASES[name];
      if (prepare === undefined) throw new Error(`${name} has no case in this test`);
      const one = await prepare();
      expect(Object.keys(one.contents)).toEqual(
        variablesWithFiles(variables).map((variable) => variable.name),
      );
      write(one.contents);
      // STS takes a signature of this hour only.
      const clock = new FakeClock(new Date());
      const fixture = fixtureWith(name, one, clock);
      fixture.session.start();
      expect((await fixture.session.request(READ)).status).toBe(404);
      // A token that is refused sooner may be one that is not known yet.
      await clock.advance(60_000, () => fixture.quiet());
      write(await one.rotate());
      if (name !== 'token') revokeAll();
      vault.requests.clear();
      expect((await fixture.session.request(READ)).status).toBe(404);
      expect(fixture.session.problem()).toBeUndefined();
      // The request that was refused, at most one look-up, one login, and the request again.
      expect(vault.requests.all.length).toBeLessThanOrEqual(4);
      expect(await fixture.registry.metrics()).toContain(
        `vault_logins_total{method="${name}",result="success"} 2`,
      );
      const shown = JSON.stringify(fixture.logger.entries) + (await fixture.registry.metrics());
      expect(shown).not.toContain(CANARY);
      for (const content of Object.values(one.contents)) expect(shown).not.toContain(content);
    },
  );

  it('are named when Vault refuses them', async () => {
    write({ VAULT_PASSWORD: `${CANARY}-wrong` });
    const fixture = fixtureWith(
      'userpass',
      { ...(await CASES.userpass?.()), contents: { VAULT_PASSWORD: '' } } as Case,
      new FakeClock(),
    );
    expect((await failureOf(fixture.session.request(READ))).message).toMatch(
      /invalid username or password.*; VAULT_PASSWORD is from VAULT_PASSWORD_FILE=.*VAULT_PASSWORD$/,
    );
  });

  it('are not needed where the role binds no secret id: the file is empty', async () => {
    await admin.write('auth/my/deep/mount/role/open', {
      bind_secret_id: false,
      token_policies: 'all',
      secret_id_bound_cidrs: '127.0.0.0/8',
    });
    const role = (await admin.send('GET', 'auth/my/deep/mount/role/open/role-id')).json;
    writeFileSync(fileOf('VAULT_APPROLE_SECRET_ID'), '');
    const values = {
      VAULT_APPROLE_ROLE_ID: String(role.data.role_id),
      VAULT_APPROLE_ENDPOINT: 'auth/my/deep/mount/login',
    };
    const one = { values, contents: { VAULT_APPROLE_SECRET_ID: '' } } as unknown as Case;
    const fixture = fixtureWith('approle', one, new FakeClock());
    expect((await fixture.session.request(READ)).status).toBe(404);
  });

  it('are used as soon as they appear', async () => {
    const clock = new FakeClock();
    const missing = join(folder, 'sink');
    const fixture = closing(new VaultFixture(vault.url, { files: { VAULT_TOKEN: missing }, clock }));
    fixture.session.start();
    await clock.advance(5 * 60_000, () => fixture.quiet());
    expect(fixture.session.problem()).toBe(
      `not logged in to Vault: VAULT_TOKEN_FILE: the file ${missing} does not exist`,
    );
    expect(vault.requests.all).toEqual([]);
    writeFileSync(missing, await token());
    await clock.advance(2_000, () => fixture.quiet());
    expect(fixture.session.problem()).toBeUndefined();
    expect((await fixture.session.request(READ)).status).toBe(404);
  });

  // Vault Agent and Proxy rename (`WriteToken` in agentproxyshared/sink/file/file_sink.go); scripts mostly do not.
  it.each<[string, (file: string, text: string) => Generator<void>]>([
    [
      'a rename',
      function* (file, text) {
        writeFileSync(`${file}.tmp.0a1b2c3d`, text, { mode: 0o640 });
        renameSync(`${file}.tmp.0a1b2c3d`, file);
        yield;
      },
    ],
    [
      'a rewrite in place, in pieces',
      function* (file, text) {
        for (let end = 0; end < text.length; end += 2) {
          writeFileSync(file, text.slice(0, end));
          yield;
        }
        writeFileSync(file, text);
        yield;
      },
    ],
  ])('are used from the sink of an agent after %s, without a login with less', async (_how, steps) => {
    const sink = join(folder, 'agent-sink');
    const tokens = [await token(), await token()];
    writeFileSync(sink, tokens[0] ?? '');
    const clock = new FakeClock();
    const fixture = closing(new VaultFixture(vault.url, { files: { VAULT_TOKEN: sink }, clock }));
    fixture.session.start();
    expect((await fixture.session.request(READ)).status).toBe(404);
    await clock.advance(60_000, () => fixture.quiet());
    vault.requests.clear();
    for (const step of steps(sink, tokens[1] ?? '')) {
      expect(step).toBeUndefined();
      await clock.advance(200, () => fixture.quiet());
    }
    await clock.advance(2_000, () => fixture.quiet());
    vault.revokeToken(tokens[0] ?? '');
    expect((await fixture.session.request(READ)).status).toBe(404);
    const used = vault.requests.all.map(({ headers }) => headers['x-vault-token']);
    expect(new Set(used)).toEqual(new Set([tokens[1]]));
    expect(fixture.logger.entries.filter(({ level }) => level === 'warn')).toEqual([]);
  });
});
