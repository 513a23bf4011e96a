import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { AwsConfig } from '../../../src/config/config.js';
import { AgentFactory } from '../../../src/runtime/agents.js';
import { iamMethod } from '../../../src/vault/auth/iam.js';
import type { VaultRequest } from '../../../src/vault/vault-request.js';
import { verifySigV4 } from '../../servers/shared/sigv4-verify.js';
import { FakeClock } from '../../support/fake-clock.js';
import { silentLogger } from '../../support/loggers.js';

const KEYS = {
  AKIASTATIC: { secret: 'static-secret' },
  AKIALEGACY: { secret: 'legacy-secret' },
  ASIACHAIN: { secret: 'chain-secret', sessionToken: 'chain-session' },
};
const STATIC = {
  VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIASTATIC',
  VAULT_IAM_AWS_SECRET_ACCESS_KEY: 'static-secret',
};
const NOW = new Date('2026-03-04T05:06:07Z');

interface Sent {
  readonly path: string;
  readonly role: string | undefined;
  readonly method: string;
  readonly url: URL;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What Vault would be sent, decoded as Vault decodes it. */
async function loginWith(values: Record<string, string>, aws: AwsConfig = {}): Promise<Sent> {
  const requests: VaultRequest[] = [];
  const authenticator = iamMethod.create(
    { VAULT_IAM_AUTH_ENDPOINT: 'auth/aws/login', ...values },
    {
      client: {
        request: (request) => {
          requests.push(request);
          return Promise.resolve({ status: 200, text: '{"auth":{"client_token":"t"}}' });
        },
      },
      aws,
      agents: new AgentFactory({ network: { sslCertDirs: [] }, logger: silentLogger }),
      clock: new FakeClock(NOW),
    },
  );
  await authenticator.login();
  const body = JSON.parse(requests[0]?.body ?? '') as Record<string, string>;
  const decode = (name: string): string => Buffer.from(body[name] ?? '', 'base64').toString();
  const headers = JSON.parse(decode('iam_request_headers')) as Record<string, string[]>;
  expect(Object.values(headers).every((value) => Array.isArray(value) && value.length === 1)).toBe(true);
  return {
    path: requests[0]?.path ?? '',
    role: body.role,
    method: body.iam_http_request_method ?? '',
    url: new URL(decode('iam_request_url')),
    body: decode('iam_request_body'),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, [value]]) => [name.toLowerCase(), value ?? '']),
    ),
  };
}

function verdictOn({ method, url, headers, body }: Sent, region: string): ReturnType<typeof verifySigV4> {
  return verifySigV4(
    { method, url: url.pathname, headers: { ...headers, host: url.host }, body },
    { keys: KEYS, service: 'sts', region, maxAgeSeconds: 900, now: () => NOW },
  );
}

describe('iamMethod', () => {
  const before = { ...process.env };

  beforeEach(() => {
    for (const name of Object.keys(process.env))
      if (name.startsWith('AWS_')) Reflect.deleteProperty(process.env, name);
    process.env.AWS_EC2_METADATA_DISABLED = 'true';
    process.env.AWS_SHARED_CREDENTIALS_FILE = '/nonexistent';
    process.env.AWS_CONFIG_FILE = '/nonexistent';
  });

  afterEach(() => {
    process.env = { ...before };
  });

  it('signs GetCallerIdentity for the global host, with us-east-1 in the scope', async () => {
    const sent = await loginWith(STATIC);
    expect(sent).toMatchObject({
      path: 'auth/aws/login',
      role: undefined,
      method: 'POST',
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
    });
    expect(sent.url.href).toBe('https://sts.amazonaws.com/');
    expect(sent.headers['content-type']).toBe('application/x-www-form-urlencoded; charset=utf-8');
    expect(verdictOn(sent, 'us-east-1')).toMatchObject({ ok: true, accessKeyId: 'AKIASTATIC' });
  });

  it.each([
    ['eu-west-2', undefined, 'https://sts.amazonaws.com/'],
    ['eu-west-2', 'legacy', 'https://sts.amazonaws.com/'],
    ['eu-west-2', 'regional', 'https://sts.eu-west-2.amazonaws.com/'],
    ['cn-north-1', 'regional', 'https://sts.cn-north-1.amazonaws.com.cn/'],
  ])('signs in region %s with endpoints %s for %s', async (region, endpoints, url) => {
    const values = endpoints === undefined ? STATIC : { ...STATIC, AWS_STS_REGIONAL_ENDPOINTS: endpoints };
    const sent = await loginWith(values, { region });
    expect(sent.url.href).toBe(url);
    expect(verdictOn(sent, region)).toMatchObject({ ok: true });
  });

  it('signs the server id, so that the request fits one Vault only', async () => {
    const sent = await loginWith({ ...STATIC, VAULT_IAM_SERVER_ID: 'vault.example', VAULT_IAM_ROLE: 'app' });
    expect(sent.role).toBe('app');
    const verdict = verdictOn(sent, 'us-east-1');
    expect(verdict.ok && verdict.signedHeaders).toContain('x-vault-aws-iam-server-id');
    const forged = { ...sent, headers: { ...sent.headers, 'x-vault-aws-iam-server-id': 'evil' } };
    expect(verdictOn(forged, 'us-east-1').ok).toBe(false);
  });

  it('uses the default chain without a static pair, session token included', async () => {
    process.env.AWS_ACCESS_KEY_ID = 'ASIACHAIN';
    process.env.AWS_SECRET_ACCESS_KEY = 'chain-secret';
    process.env.AWS_SESSION_TOKEN = 'chain-session';
    const sent = await loginWith({});
    expect(verdictOn(sent, 'us-east-1')).toMatchObject({ ok: true, accessKeyId: 'ASIACHAIN' });
    expect(sent.headers['x-amz-security-token']).toBe('chain-session');
  });

  it("uses the pair that only Go's SDK read", async () => {
    const legacyCredentials = { accessKeyId: 'AKIALEGACY', secretAccessKey: 'legacy-secret' };
    expect(verdictOn(await loginWith({}, { legacyCredentials }), 'us-east-1')).toMatchObject({
      ok: true,
      accessKeyId: 'AKIALEGACY',
    });
  });

  it('says what is missing when there are no credentials', async () => {
    await expect(loginWith({})).rejects.toMatchObject({
      failure: 'unavailable',
      message: expect.stringContaining('no AWS credentials') as unknown,
    });
  });

  it('sends no header that Vault refuses by default', async () => {
    // The X-Amz-… headers that Vault forwards unless `allowed_sts_header_values` names more.
    const allowed = ['x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256'];
    const sent = await loginWith(STATIC);
    const others = Object.keys(sent.headers).filter(
      (name) => name.startsWith('x-amz-') && !allowed.includes(name),
    );
    expect(others).toEqual([]);
  });
});
