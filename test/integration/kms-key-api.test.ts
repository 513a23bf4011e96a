import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { AwsKeyApi } from '../../src/kms/key-api.js';
import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { KmsConnection } from '../../src/kms/kms-connection.js';
import { NoMetrics } from '../../src/observability/no-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { systemClock } from '../../src/runtime/clock.js';
import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_REGION } from '../servers/kms/demo-key.js';
import { LoopbackKms } from '../servers/kms/server.js';
import { silentLogger } from '../support/loggers.js';

let kms: LoopbackKms;
let decryption: AwsKmsApi;
let keys: AwsKeyApi;

beforeEach(async () => {
  kms = await LoopbackKms.start();
  const aws = { region: DEMO_REGION, kmsEndpoint: kms.url, staticCredentials: DEMO_ACCESS_KEY };
  const agents = new AgentFactory({ sslCertDirs: [] }, silentLogger);
  const connection = new KmsConnection(aws, agents, 2, new NoMetrics());
  decryption = new AwsKmsApi(connection);
  keys = new AwsKeyApi(connection, systemClock, 2);
});

afterEach(async () => {
  decryption.close();
  await kms.close();
});

const encrypt = async (context = {}, keyId = DEMO_KEY_ID): Promise<string> =>
  await keys.encrypt({ keyId, plaintext: Buffer.from('value'), context });

const decrypt = async (ciphertext: string, context = {}): Promise<string> =>
  Buffer.from(await decryption.decrypt(Buffer.from(ciphertext, 'base64'), context)).toString();

describe('AwsKeyApi', () => {
  it('encrypts with a context, which decryption needs', async () => {
    const ciphertext = await encrypt({ env: 'prod' });
    expect(await decrypt(ciphertext, { env: 'prod' })).toBe('value');
    await expect(decrypt(ciphertext)).rejects.toMatchObject({ code: 'InvalidCiphertext' });
  });

  it('moves a ciphertext to another key and context without decrypting it here', async () => {
    const { id, arn } = kms.addKey();
    const old = await encrypt({ env: 'prod' });
    kms.requests.clear();
    const moved = await keys.reEncrypt({
      encryptedSecret: old,
      context: { env: 'prod' },
      toKeyId: id,
      toContext: { env: 'test' },
    });
    expect(kms.decrypts).toBe(0);
    expect(moved).toMatchObject({ sourceKeyArn: kms.keys.get(DEMO_KEY_ID)?.arn, keyArn: arn });
    expect(await decrypt(moved.encryptedSecret, { env: 'test' })).toBe('value');
    const kept = await keys.reEncrypt({ encryptedSecret: old, context: { env: 'prod' }, toKeyId: id });
    expect(await decrypt(kept.encryptedSecret, { env: 'prod' })).toBe('value');
  });

  it('tells the key of a ciphertext', async () => {
    const { id, arn } = kms.addKey();
    expect(await keys.keyOf(await encrypt({ a: 'b' }, id), { a: 'b' })).toBe(arn);
  });

  it('names the key and the permission when KMS refuses', async () => {
    const key = kms.addKey();
    key.denied = true;
    await expect(encrypt({}, key.id)).rejects.toThrow(`denied kms:Encrypt with the key ${key.id}`);
    await expect(encrypt({}, 'missing')).rejects.toThrow('cannot find the key missing');
    const encryptedSecret = await encrypt();
    await expect(keys.reEncrypt({ encryptedSecret, context: {}, toKeyId: key.id })).rejects.toThrow(
      `kms:ReEncryptTo on ${key.id}`,
    );
    await expect(
      keys.reEncrypt({ encryptedSecret, context: { wrong: 'context' }, toKeyId: DEMO_KEY_ID }),
    ).rejects.toMatchObject({ code: 'InvalidCiphertext' });
  });

  it('waits while KMS throttles', async () => {
    kms.quotaPerSecond = 1;
    const all = await Promise.all([encrypt(), encrypt()]);
    expect(all).toHaveLength(2);
    expect(kms.requests.count(() => true)).toBeGreaterThan(2);
  });
});
