import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { AwsConfig } from '../../../src/config/config.js';
import { AgentFactory } from '../../../src/runtime/agents.js';
import { iamMethod } from '../../../src/vault/auth/iam.js';
import type { VaultRequest } from '../../../src/vault/vault-request.js';
import { verifySigV4 } from '../../servers/shared/sigv4-verify.js';
import { scopeRegionOf } from '../../servers/vault/sts-hosts.js';
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
      agents: new AgentFactory({ sslCertDirs: [] }, silentLogger),
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

/** As STS checks it: the scope must name the region of the host that the request is for. */
function verdictOn({ method, url, headers, body }: Sent): ReturnType<typeof verifySigV4> {
  const region = scopeRegionOf(url.host);
  if (region === undefined) throw new Error(`STS has no host ${url.host}`);
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
    expect(verdictOn(sent)).toMatchObject({ ok: true, accessKeyId: 'AKIASTATIC' });
  });

  // Regions that are older than regional hosts; STS answers for them at its global host.
  const GLOBAL = [
    'ap-northeast-1',
    'ap-south-1',
    'ap-southeast-1',
    'ap-southeast-2',
    'ca-central-1',
    'eu-central-1',
    'eu-north-1',
    'eu-west-1',
    'eu-west-2',
    'eu-west-3',
    'sa-east-1',
    'us-east-1',
    'us-east-2',
    'us-west-1',
    'us-west-2',
  ];

  it.each(GLOBAL)(
    'signs for the global host in %s, and for its own when that is asked for',
    async (region) => {
      for (const endpoints of [{}, { AWS_STS_REGIONAL_ENDPOINTS: 'legacy' }]) {
        const sent = await loginWith({ ...STATIC, ...endpoints }, { region });
        expect(sent.url.href).toBe('https://sts.amazonaws.com/');
        expect(verdictOn(sent)).toMatchObject({ ok: true });
      }
      const regional = await loginWith({ ...STATIC, AWS_STS_REGIONAL_ENDPOINTS: 'regional' }, { region });
      expect(regional.url.href).toBe(`https://sts.${region}.amazonaws.com/`);
      expect(verdictOn(regional)).toMatchObject({ ok: true });
    },
  );

  it.each([
    ['ap-northeast-2', 'amazonaws.com'],
    ['af-south-1', 'amazonaws.com'],
    ['eu-south-2', 'amazonaws.com'],
    ['il-central-1', 'amazonaws.com'],
    ['mx-central-1', 'amazonaws.com'],
    ['cn-north-1', 'amazonaws.com.cn'],
    ['cn-northwest-1', 'amazonaws.com.cn'],
    ['us-gov-east-1', 'amazonaws.com'],
    ['us-gov-west-1', 'amazonaws.com'],
    ['us-iso-east-1', 'c2s.ic.gov'],
    ['us-isob-east-1', 'sc2s.sgov.gov'],
    ['eu-isoe-west-1', 'cloud.adc-e.uk'],
    ['us-isof-south-1', 'csp.hci.ic.gov'],
    ['eusc-de-east-1', 'amazonaws.eu'],
  ])('signs in %s for its own host, whatever the variable says', async (region, domain) => {
    for (const AWS_STS_REGIONAL_ENDPOINTS of ['legacy', 'regional']) {
      const sent = await loginWith({ ...STATIC, AWS_STS_REGIONAL_ENDPOINTS }, { region });
      expect(sent.url.href).toBe(`https://sts.${region}.${domain}/`);
      expect(verdictOn(sent)).toMatchObject({ ok: true });
    }
  });

  it('takes the region from the profile when no variable names one', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'iam-'));
    process.env.AWS_CONFIG_FILE = join(directory, 'config');
    writeFileSync(process.env.AWS_CONFIG_FILE, '[default]\nregion = cn-north-1\n');
    expect((await loginWith(STATIC)).url.hostname).toBe('sts.cn-north-1.amazonaws.com.cn');
    rmSync(directory, { recursive: true });
  });

  it.each([
    ['us-east-1', 'true', 'false', 'sts-fips.us-east-1.amazonaws.com'],
    ['eu-west-1', 'false', 'true', 'sts.eu-west-1.api.aws'],
    ['us-west-2', 'true', 'true', 'sts-fips.us-west-2.api.aws'],
    ['us-gov-west-1', 'true', 'false', 'sts.us-gov-west-1.amazonaws.com'],
    ['cn-north-1', 'false', 'true', 'sts.cn-north-1.api.amazonwebservices.com.cn'],
    ['us-east-1', 'false', 'false', 'sts.us-east-1.amazonaws.com'],
  ])(
    'signs in %s, where a host of the region is asked for, with FIPS %s and dual stack %s for %s',
    async (region, fips, dualStack, host) => {
      process.env.AWS_USE_FIPS_ENDPOINT = fips;
      process.env.AWS_USE_DUALSTACK_ENDPOINT = dualStack;
      const usual = await loginWith(STATIC, { region });
      expect(usual.url.hostname).not.toMatch(/fips|api\./);
      const sent = await loginWith({ ...STATIC, AWS_STS_REGIONAL_ENDPOINTS: 'regional' }, { region });
      expect(sent.url.href).toBe(`https://${host}/`);
      expect(verdictOn(sent)).toMatchObject({ ok: true });
    },
  );

  it('takes FIPS from the profile', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'iam-'));
    process.env.AWS_CONFIG_FILE = join(directory, 'config');
    writeFileSync(process.env.AWS_CONFIG_FILE, '[default]\nregion = us-east-2\nuse_fips_endpoint = true\n');
    expect((await loginWith(STATIC)).url.hostname).toBe('sts.amazonaws.com');
    const regional = await loginWith({ ...STATIC, AWS_STS_REGIONAL_ENDPOINTS: 'regional' });
    expect(regional.url.hostname).toBe('sts-fips.us-east-2.amazonaws.com');
    rmSync(directory, { recursive: true });
  });

  it('signs the server id, so that the request fits one Vault only', async () => {
    const sent = await loginWith({ ...STATIC, VAULT_IAM_SERVER_ID: 'vault.example', VAULT_IAM_ROLE: 'app' });
    expect(sent.role).toBe('app');
    const verdict = verdictOn(sent);
    expect(verdict.ok && verdict.signedHeaders).toContain('x-vault-aws-iam-server-id');
    const forged = { ...sent, headers: { ...sent.headers, 'x-vault-aws-iam-server-id': 'evil' } };
    expect(verdictOn(forged).ok).toBe(false);
  });

  it('uses the default chain without a static pair, session token included', async () => {
    process.env.AWS_ACCESS_KEY_ID = 'ASIACHAIN';
    process.env.AWS_SECRET_ACCESS_KEY = 'chain-secret';
    process.env.AWS_SESSION_TOKEN = 'chain-session';
    const sent = await loginWith({});
    expect(verdictOn(sent)).toMatchObject({ ok: true, accessKeyId: 'ASIACHAIN' });
    expect(sent.headers['x-amz-security-token']).toBe('chain-session');
  });

  it("uses the pair that only Go's SDK read", async () => {
    const staticCredentials = { accessKeyId: 'AKIALEGACY', secretAccessKey: 'legacy-secret' };
    expect(verdictOn(await loginWith({}, { staticCredentials }))).toMatchObject({
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
