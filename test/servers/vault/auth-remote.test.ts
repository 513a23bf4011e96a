import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SignatureV4 } from '@smithy/signature-v4';

import { Sha256 } from '../../../src/runtime/sha256.js';
import type { LoopbackServer } from '../shared/loopback-server.js';
import { type GithubUser, startGithubServer } from './github-api.js';
import { startStsServer } from './sts.js';
import { TableTarget } from './table-target.js';

let target: TableTarget;

beforeAll(async () => {
  target = await TableTarget.start();
});

afterAll(async () => {
  await target.close();
});

describe('aws', () => {
  const arn = 'arn:aws:iam::123456789012:user/op';
  const assumed = 'arn:aws:sts::123456789012:assumed-role/node/i-1';
  let sts: LoopbackServer;
  let now: Date | undefined;

  interface Wishes {
    readonly accessKeyId?: string;
    readonly secret?: string;
    readonly sessionToken?: string;
    readonly body?: string;
    readonly signedBody?: string;
    readonly host?: string;
    readonly region?: string;
    readonly headers?: Record<string, string>;
    readonly unsigned?: Record<string, string>;
    readonly date?: Date;
    readonly service?: string;
  }

  async function signed(wishes: Wishes = {}): Promise<object> {
    const signer = new SignatureV4({
      credentials: {
        accessKeyId: wishes.accessKeyId ?? 'AKIAOP',
        secretAccessKey: wishes.secret ?? 'secret',
        ...(wishes.sessionToken === undefined ? {} : { sessionToken: wishes.sessionToken }),
      },
      region: wishes.region ?? 'us-east-1',
      service: wishes.service ?? 'sts',
      sha256: Sha256,
    });
    const body = wishes.body ?? 'Action=GetCallerIdentity&Version=2011-06-15';
    const host = wishes.host ?? 'sts.amazonaws.com';
    const request = await signer.sign(
      {
        method: 'POST',
        protocol: 'https:',
        hostname: host,
        path: '/',
        headers: {
          host,
          'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
          'X-Vault-AWS-IAM-Server-ID': 'vault.example',
          ...wishes.headers,
        },
        body: wishes.signedBody ?? body,
      },
      wishes.date === undefined ? {} : { signingDate: wishes.date },
    );
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    return {
      role: 'r',
      iam_http_request_method: 'POST',
      iam_request_url: base64(`https://${host}/`),
      iam_request_body: base64(body),
      iam_request_headers: base64(JSON.stringify({ ...request.headers, ...wishes.unsigned })),
    };
  }

  beforeAll(async () => {
    sts = await startStsServer({
      principals: {
        AKIAOP: { secret: 'secret', arn },
        ASIANODE: { secret: 'secret', sessionToken: 'session', arn: assumed },
        AKIAOTHER: { secret: 'secret', arn: 'arn:aws:iam::123456789012:user/other' },
      },
      now: () => now ?? new Date(),
    });
    await target.must('POST', 'sys/auth/{id}-aws', { type: 'aws' });
    const client = { sts_endpoint: sts.url, iam_server_id_header_value: 'vault.example', max_retries: 0 };
    await target.must('POST', 'auth/{id}-aws/config/client', client);
    await target.must('POST', 'auth/{id}-aws/role/r', {
      auth_type: 'iam',
      bound_iam_principal_arn: [arn, 'arn:aws:iam::123456789012:role/node'],
      resolve_aws_unique_ids: false,
      token_ttl: '10m',
    });
  });

  afterAll(async () => {
    await target.must('DELETE', 'sys/auth/{id}-aws');
    await sts.close();
  });

  it.each<[string, Wishes]>([
    ['for the global host', {}],
    ['for a regional host', { host: 'sts.eu-west-2.amazonaws.com', region: 'eu-west-2' }],
    ['with a session token', { accessKeyId: 'ASIANODE', sessionToken: 'session' }],
    ['fourteen minutes ago', { date: new Date(Date.now() - 14 * 60_000) }],
  ])('accepts a login request signed %s', async (_title, wishes) => {
    expect(await target.login('aws', await signed(wishes))).toMatchObject({
      status: 200,
      auth: { lease_duration: 600, metadata: { account_id: '123456789012', auth_type: 'iam' } },
    });
  });

  it.each<[string, Wishes, RegExp]>([
    ['a wrong secret', { secret: 'wrong' }, /received error code 403 from STS: .*SignatureDoesNotMatch/],
    [
      'an unknown key',
      { accessKeyId: 'AKIANONE' },
      /received error code 403 from STS: .*InvalidClientTokenId/,
    ],
    ['a missing session token', { accessKeyId: 'ASIANODE' }, /InvalidClientTokenId/],
    ['an old signature', { date: new Date(Date.now() - 16 * 60_000) }, /Signature expired/],
    ['a scope that the global host does not take', { region: 'eu-west-2' }, /SignatureDoesNotMatch/],
    [
      'a scope of another region than the host',
      { host: 'sts.eu-west-2.amazonaws.com' },
      /SignatureDoesNotMatch/,
    ],
    ['a host that STS does not have', { host: 'sts.cn-north-1.amazonaws.com' }, /SignatureDoesNotMatch/],
    ['another service in the scope', { service: 'iam' }, /SignatureDoesNotMatch/],
    ['another body than was signed', { signedBody: 'Action=GetCallerIdentity' }, /SignatureDoesNotMatch/],
    ['another action', { body: 'Action=GetUser' }, /^iam request body is invalid$/],
    ['a further parameter', { body: 'Action=GetCallerIdentity&X=1' }, /^iam request body is invalid$/],
    [
      'another server id',
      { headers: { 'X-Vault-AWS-IAM-Server-ID': 'evil' } },
      /expected "vault.example" but got "evil"/,
    ],
    ['a foreign AWS header', { unsigned: { 'X-Amz-Evil': 'x' } }, /^invalid request header: X-Amz-Evil$/],
    [
      'somebody else',
      { accessKeyId: 'AKIAOTHER' },
      /^IAM Principal "arn:aws:iam::123456789012:user\/other" does not belong to the role "r"$/,
    ],
  ])('refuses %s', async (_title, wishes, error) => {
    const { status, errors } = await target.login('aws', await signed(wishes));
    expect({ status, errors }).toEqual({ status: 400, errors: [expect.stringMatching(error)] });
  });

  it.each<[string, object, string]>([
    [
      'another method',
      { iam_http_request_method: 'GET' },
      "invalid iam_http_request_method; currently only 'POST' is supported",
    ],
    ['a URL that is not base64', { iam_request_url: '!!' }, 'failed to base64 decode iam_request_url'],
    [
      'a query in the URL',
      { iam_request_url: Buffer.from('https://x/?Action=Y').toString('base64') },
      'invalid request',
    ],
    ['another role', { role: 'nope' }, 'entry for role nope not found'],
    ['no role, which is the user then', { role: '' }, 'entry for role op not found'],
    ['no headers', { iam_request_headers: {} }, 'missing iam_request_headers'],
  ])('refuses %s', async (_title, change, error) => {
    const { status, errors } = await target.login('aws', { ...(await signed()), ...change });
    expect({ status, errors }).toEqual({ status: 400, errors: [error] });
  });

  it('refuses a server ID header that is not signed', async () => {
    const body = await signed({ headers: { 'X-Vault-AWS-IAM-Server-ID': '' } });
    const headers = JSON.parse(
      Buffer.from((body as { iam_request_headers: string }).iam_request_headers, 'base64').toString(),
    ) as Record<string, string>;
    const rest = Object.entries(headers).filter(
      ([name]) => name.toLowerCase() !== 'x-vault-aws-iam-server-id',
    );
    const unsigned = {
      ...Object.fromEntries(rest),
      'X-Vault-AWS-IAM-Server-ID': 'vault.example',
      authorization: (headers['authorization'] ?? '').replace(';x-vault-aws-iam-server-id', ''),
    };
    const { errors } = await target.login('aws', { ...body, iam_request_headers: unsigned });
    expect(errors).toEqual(["error validating X-Vault-AWS-IAM-Server-ID header: vault header wasn't signed"]);
  });
});

describe('github', () => {
  const users = new Map<string, GithubUser>();
  let github: LoopbackServer;

  beforeAll(async () => {
    const organizations = [
      { id: 7, login: 'acme' },
      ...Array.from({ length: 120 }, (_, id) => ({ id: 1000 + id, login: `o${String(id)}` })),
    ];
    const teams = [
      { name: 'The Core', slug: 'the-core', organization: 'acme' },
      { name: 'elsewhere', slug: 'elsewhere', organization: 'o1' },
    ];
    const all = organizations.map(({ login: name }) => name).reverse();
    users.set('ghp_bob', { login: 'Bob', organizations: all, teams });
    users.set('ghp_eve', { login: 'eve', organizations: ['o1'], teams: [] });
    github = await startGithubServer({ organizations, users });
  });

  afterAll(async () => {
    await github.close();
  });

  // OpenBao does not have this method.
  it('gives members the policies of their teams and refuses others', async () => {
    const enabled = await target.send('POST', 'sys/auth/{id}-gh', { type: 'github' });
    if (target.isReal && enabled.json?.errors?.[0] === 'plugin not found in the catalog: github') return;
    expect(enabled.status).toBe(204);
    const denied = { status: 500, errors: ['configuration has not been set'] };
    expect(await target.login('gh', { token: 'ghp_bob' })).toMatchObject(denied);
    await target.must('POST', 'auth/{id}-gh/config', {
      organization: 'acme',
      base_url: github.url,
      token_ttl: '10m',
    });
    for (const [path, value] of Object.entries({
      'teams/the-core': 'core',
      'teams/elsewhere': 'stray',
      'teams/default': 'every-team',
      'users/bob': 'bob,more',
      'users/eve': 'eve',
    })) {
      await target.must('POST', `auth/{id}-gh/map/${path}`, { value });
    }
    const { status, auth } = await target.login('gh', { token: 'ghp_bob' });
    expect({ status, auth }).toMatchObject({
      status: 200,
      auth: {
        policies: ['bob', 'core', 'default', 'every-team', 'more'],
        metadata: { username: 'Bob', org: 'acme' },
        lease_duration: 600,
      },
    });
    expect(await target.login('gh', { token: 'ghp_eve' })).toMatchObject({
      status: 500,
      errors: ['user is not part of required org'],
    });
    expect((await target.login('gh', { token: 'ghp_none' })).errors).toEqual([
      expect.stringContaining('401 Bad credentials'),
    ]);
    target.tokens.set('bob', (auth as { client_token: string }).client_token);
    expect((await target.send('POST', 'auth/token/renew-self', {}, { who: 'bob' })).status).toBe(200);
    users.delete('ghp_bob');
    expect((await target.send('POST', 'auth/token/renew-self', {}, { who: 'bob' })).status).toBe(500);
  });
});
