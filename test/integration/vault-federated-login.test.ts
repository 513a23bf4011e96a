import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import type { LoopbackServer } from '../servers/shared/loopback-server.js';
import { type GithubUser, startGithubServer } from '../servers/vault/github-api.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { startStsServer } from '../servers/vault/sts.js';
import { VaultApi } from '../support/vault-api.js';
import { failureOf, VaultFixture } from './vault-fixture.js';

const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
const ARN = 'arn:aws:iam::111122223333:user/operator';

let vault: LoopbackVault;
let admin: VaultApi;
let github: LoopbackServer;
let sts: LoopbackServer;
const users = new Map<string, GithubUser>();
const fixtures: VaultFixture[] = [];

function fixtureOf(method: string, values: Record<string, string>): VaultFixture {
  const fixture = new VaultFixture(vault.url, { method, values, config: { maxRetries: 0 } });
  fixtures.push(fixture);
  return fixture;
}

beforeAll(async () => {
  vault = await startVaultServer({ mounts: { kv: 'v1' } });
  admin = new VaultApi(vault.url, vault.rootToken);
  await admin.write('sys/policies/acl/all', { policy: 'path "kv/*" { capabilities = ["read"] }' });
  github = await startGithubServer({
    organizations: [
      { id: 7, login: 'our-org' },
      { id: 8, login: 'other-org' },
    ],
    users,
  });
  await admin.write('sys/auth/github', { type: 'github' });
  await admin.write('auth/github/config', { organization: 'our-org', base_url: github.url });
  await admin.write('auth/github/map/teams/platform', { value: 'all' });
  sts = await startStsServer({
    principals: {
      AKIARIGHT: { secret: 'right-secret', arn: ARN },
      AKIAOTHER: { secret: 'other-secret', arn: `${ARN}-2` },
    },
  });
  await admin.write('sys/auth/aws', { type: 'aws' });
  await admin.write('auth/aws/config/client', {
    sts_endpoint: sts.url,
    iam_server_id_header_value: 'vault.example.com',
  });
  await admin.write('auth/aws/role/operator', {
    auth_type: 'iam',
    bound_iam_principal_arn: ARN,
    resolve_aws_unique_ids: false,
    token_policies: 'all',
  });
});

afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.close();
});

afterAll(async () => {
  admin.close();
  await Promise.all([vault.close(), github.close(), sts.close()]);
});

describe('github', () => {
  const team = { name: 'platform', slug: 'platform', organization: 'our-org' };

  it('lets a member of the organization in, with the policies of the teams', async () => {
    users.set('ghp-right', { login: 'octocat', organizations: ['our-org'], teams: [team] });
    const fixture = fixtureOf('github', { VAULT_GITHUB_TOKEN: 'ghp-right' });
    expect((await fixture.session.request(READ)).status).toBe(404);
  });

  // What builtin/credential/github of Vault looks at: the token, the organization, then the mapped teams.
  // Whatever of these fails is answered with 500, which looks like a fault of Vault.
  it.each([
    ['a token that GitHub does not know', undefined],
    ['a member of another organization', { login: 'stranger', organizations: ['other-org'], teams: [] }],
    ['nobody of any organization', { login: 'hermit', organizations: [], teams: [] }],
  ])('refuses %s', async (_what, user) => {
    if (user !== undefined) users.set('ghp-wrong', user);
    const fixture = fixtureOf('github', { VAULT_GITHUB_TOKEN: 'ghp-wrong' });
    expect((await failureOf(fixture.session.request(READ))).message).toContain('Vault answered HTTP 500');
    users.delete('ghp-wrong');
  });

  it('gives a member without a mapped team a token that may do nothing', async () => {
    users.set('ghp-plain', { login: 'member', organizations: ['our-org'], teams: [] });
    const fixture = fixtureOf('github', { VAULT_GITHUB_TOKEN: 'ghp-plain' });
    expect((await fixture.session.request(READ)).status).toBe(403);
  });
});

describe('iam', () => {
  const right = {
    VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIARIGHT',
    VAULT_IAM_AWS_SECRET_ACCESS_KEY: 'right-secret',
    VAULT_IAM_ROLE: 'operator',
    VAULT_IAM_SERVER_ID: 'vault.example.com',
  };

  it('proves who it is by a signature that STS verifies', async () => {
    const fixture = fixtureOf('iam', right);
    expect((await fixture.session.request(READ)).status).toBe(404);
    expect(sts.requests.all.at(-1)?.operation).toBe('GetCallerIdentity');
  });

  it.each([
    ['a wrong secret', { VAULT_IAM_AWS_SECRET_ACCESS_KEY: 'wrong' }],
    ['an unknown access key', { VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIAUNKNOWN' }],
    [
      'another principal',
      { VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIAOTHER', VAULT_IAM_AWS_SECRET_ACCESS_KEY: 'other-secret' },
    ],
    ['a wrong role', { VAULT_IAM_ROLE: 'nope' }],
    ['a wrong server id', { VAULT_IAM_SERVER_ID: 'other.example.com' }],
    ['a wrong mount', { VAULT_IAM_AUTH_ENDPOINT: 'auth/nope/login' }],
  ])('is refused with %s', async (_what, values) => {
    const fixture = fixtureOf('iam', { ...right, ...values });
    expect((await failureOf(fixture.session.request(READ))).message).toContain('refused the login');
  });
});
