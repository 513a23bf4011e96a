import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { KmsDecryptor } from '../../src/kms/kms-decryptor.js';
import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { KmsConnection } from '../../src/kms/kms-connection.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { systemClock } from '../../src/runtime/clock.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import { type LoopbackKms, type LoopbackKmsOptions, startKmsServer } from '../servers/kms/server.js';
import { startWebIdentitySts, type WebIdentity } from '../servers/kms/web-identity-sts.js';
import { silentLogger } from '../support/loggers.js';
import { eventually } from '../support/wait.js';

const ROLE = 'arn:aws:iam::111122223333:role/operator';
const HOUR_MS = 3_600_000;
const CIPHERTEXT = seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from('plain'), {});

let cleanups: (() => Promise<void> | void)[] = [];
let environment: NodeJS.ProcessEnv;

beforeEach(() => {
  environment = { ...process.env };
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('AWS_') && !name.startsWith('AWS_SDK_')) delete process.env[name];
  }
  // No file of whoever runs the tests.
  process.env.AWS_SHARED_CREDENTIALS_FILE = '/nowhere/credentials';
  process.env.AWS_CONFIG_FILE = '/nowhere/config';
  process.env.AWS_EC2_METADATA_DISABLED = 'true';
});

afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  cleanups = [];
  process.env = environment;
});

async function startKms(
  options: LoopbackKmsOptions = {},
): Promise<{ kms: LoopbackKms; decrypt: () => Promise<string> }> {
  const kms = await startKmsServer(options);
  cleanups.push(() => kms.close());
  const metrics = new OperatorMetrics(new Registry());
  const api = new AwsKmsApi(
    new KmsConnection(
      { region: kms.region, kmsEndpoint: kms.url },
      new AgentFactory({ sslCertDirs: [] }, silentLogger),
      2,
      metrics,
    ),
  );
  cleanups.push(() => {
    api.close();
  });
  const decryptor = new KmsDecryptor(api, 2, systemClock, metrics);
  const request = { encryptedSecret: Buffer.from(CIPHERTEXT).toString('base64'), context: {} };
  return { kms, decrypt: async () => await decryptor.decrypt(request) };
}

describe('a web identity token', () => {
  const identityOf = (name: string): WebIdentity => ({
    accessKeyId: `ASIA${name.toUpperCase()}`,
    secret: `secret-${name}`,
    sessionToken: `session-${name}`,
  });
  const [first, second] = [identityOf('first'), identityOf('second')];

  it('that the kubelet has exchanged is read again when the credentials are renewed', async () => {
    const identities = new Map([['jwt-1', first]]);
    // Less than the five minutes before which the SDK renews: every call sets it off.
    const sts = await startWebIdentitySts(identities, { roleArn: ROLE, lifeSeconds: 60 });
    cleanups.push(() => sts.close());
    const { kms, decrypt } = await startKms({
      accessKeys: Object.fromEntries(
        [first, second].map(({ accessKeyId, ...key }) => [accessKeyId, key] as const),
      ),
    });
    const folder = mkdtempSync(join(tmpdir(), 'web-identity-'));
    cleanups.push(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    mountToken(folder, 'v1', 'jwt-1');
    symlinkSync(join('..data', 'token'), join(folder, 'token'));
    Object.assign(process.env, {
      AWS_REGION: kms.region,
      AWS_ROLE_ARN: ROLE,
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
      AWS_ENDPOINT_URL_STS: sts.url,
    });
    expect(await decrypt()).toBe('plain');
    expect(keyOf(kms)).toBe(first.accessKeyId);

    mountToken(folder, 'v2', 'jwt-2');
    identities.clear();
    identities.set('jwt-2', second);
    // The SDK renews in the background while the old credentials are good.
    await eventually('a signature with the new credentials', async () => {
      expect(await decrypt()).toBe('plain');
      return keyOf(kms) === second.accessKeyId;
    });
    const sent = sts.requests.all.map(({ body }) => new URLSearchParams(body).get('WebIdentityToken'));
    expect([...new Set(sent)]).toEqual(['jwt-1', 'jwt-2']);
  });

  it('that ends in a line break is sent without it, and one that holds another is named', async () => {
    const sts = await startWebIdentitySts(new Map([['jwt-1', first]]), { roleArn: ROLE, lifeSeconds: 3_600 });
    cleanups.push(() => sts.close());
    const { accessKeyId, ...key } = first;
    const folder = mkdtempSync(join(tmpdir(), 'web-identity-'));
    cleanups.push(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    Object.assign(process.env, {
      AWS_ROLE_ARN: ROLE,
      AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
      AWS_ENDPOINT_URL_STS: sts.url,
    });
    writeFileSync(join(folder, 'token'), 'jwt-1\n');
    const { decrypt } = await startKms({ accessKeys: { [accessKeyId]: key } });
    expect(await decrypt()).toBe('plain');

    // The same for a file that a profile names.
    Reflect.deleteProperty(process.env, 'AWS_WEB_IDENTITY_TOKEN_FILE');
    process.env.AWS_CONFIG_FILE = join(folder, 'config');
    const profile = `[default]\nrole_arn = ${ROLE}\nweb_identity_token_file = ${join(folder, 'token')}\n`;
    writeFileSync(join(folder, 'config'), profile);
    const other = await startKms({ accessKeys: { [accessKeyId]: key } });
    expect(await other.decrypt()).toBe('plain');

    writeFileSync(join(folder, 'token'), 'jwt-1\njwt-2');
    const third = await startKms();
    await expect(third.decrypt()).rejects.toThrow(
      /the web identity token contains a line break .* AWS_WEB_IDENTITY_TOKEN_FILE/,
    );
    expect(sts.requests.all.map(({ body }) => new URLSearchParams(body).get('WebIdentityToken'))).toEqual([
      'jwt-1',
      'jwt-1',
    ]);
  });

  /** As the kubelet does: a new folder, and a symbolic link that is exchanged in one step. */
  function mountToken(folder: string, version: string, token: string): void {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'token'), token);
    symlinkSync(version, join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  }

  /** Whose signature the last request to KMS bore. */
  function keyOf({ requests }: LoopbackKms): string | undefined {
    return /Credential=([^/]+)\//.exec(String(requests.all.at(-1)?.headers.authorization))?.[1];
  }
});

describe('a clock that is wrong', () => {
  it.each([
    ['slow', HOUR_MS],
    ['fast', -HOUR_MS],
  ])('by an hour, being %s, is corrected by the answer of KMS, once', async (_, differenceMs) => {
    process.env.AWS_ACCESS_KEY_ID = DEMO_ACCESS_KEY.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = DEMO_ACCESS_KEY.secretAccessKey;
    const { kms, decrypt } = await startKms({ now: () => new Date(Date.now() + differenceMs) });
    expect(await decrypt()).toBe('plain');
    expect(kms.decrypts).toBe(2);
    expect(await decrypt()).toBe('plain');
    expect(kms.decrypts).toBe(3);
  });
});
