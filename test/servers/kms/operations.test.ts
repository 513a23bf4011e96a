import {
  CreateAliasCommand,
  DecryptCommand,
  EncryptCommand,
  KMSClient,
  ReEncryptCommand,
  type ReEncryptCommandInput,
  type ReEncryptCommandOutput,
} from '@aws-sdk/client-kms';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_REGION } from './demo-key.js';
import type { KmsAction, KmsKey } from './kms-keys.js';
import { LoopbackKms } from './server.js';

let kms: LoopbackKms;
let client: KMSClient;
let source: KmsKey;
let destination: KmsKey;

beforeEach(async () => {
  kms = await LoopbackKms.start();
  client = new KMSClient({
    region: DEMO_REGION,
    endpoint: kms.url,
    credentials: DEMO_ACCESS_KEY,
    maxAttempts: 1,
  });
  source = kms.keys.get(DEMO_KEY_ID) as KmsKey;
  destination = kms.addKey();
});

afterEach(async () => {
  client.destroy();
  await kms.close();
});

const CONTEXT = { env: 'prod' };

async function encrypt(key = DEMO_KEY_ID, context = CONTEXT): Promise<Uint8Array> {
  const { CiphertextBlob } = await client.send(
    new EncryptCommand({ KeyId: key, Plaintext: Buffer.from('value'), EncryptionContext: context }),
  );
  return CiphertextBlob as Uint8Array;
}

async function reEncrypt(input: Partial<ReEncryptCommandInput> = {}): Promise<ReEncryptCommandOutput> {
  return await client.send(
    new ReEncryptCommand({
      ...('CiphertextBlob' in input ? {} : { CiphertextBlob: await encrypt() }),
      SourceEncryptionContext: CONTEXT,
      DestinationKeyId: destination.id,
      DestinationEncryptionContext: CONTEXT,
      ...input,
    }),
  );
}

const failure = async (promise: Promise<unknown>): Promise<unknown> =>
  await promise.then(
    () => 'no error',
    (error: Error) => error.name,
  );

describe('ReEncrypt', () => {
  it('encrypts with the other key and the other context, and names both keys', async () => {
    const answer = await reEncrypt({ DestinationEncryptionContext: { env: 'test' } });
    expect(answer).toMatchObject({
      SourceKeyId: source.arn,
      KeyId: destination.arn,
      SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
      DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    });
    expect(answer.SourceKeyMaterialId).toMatch(/^[0-9a-f]{64}$/);
    expect(answer.DestinationKeyMaterialId).not.toBe(answer.SourceKeyMaterialId);
    const decrypted = await client.send(
      new DecryptCommand({ CiphertextBlob: answer.CiphertextBlob, EncryptionContext: { env: 'test' } }),
    );
    expect(Buffer.from(decrypted.Plaintext as Uint8Array).toString()).toBe('value');
    expect(decrypted.KeyId).toBe(destination.arn);
    const withOldContext = client.send(
      new DecryptCommand({ CiphertextBlob: answer.CiphertextBlob, EncryptionContext: CONTEXT }),
    );
    expect(await failure(withOldContext)).toBe('InvalidCiphertextException');
  });

  it('takes a key by id, ARN, alias and ARN of the alias', async () => {
    await client.send(new CreateAliasCommand({ AliasName: 'alias/new', TargetKeyId: destination.id }));
    const aliasArn = destination.arn.replace(/key\/.*/, 'alias/new');
    for (const DestinationKeyId of [destination.id, destination.arn, 'alias/new', aliasArn]) {
      expect((await reEncrypt({ DestinationKeyId })).KeyId).toBe(destination.arn);
    }
    expect((await reEncrypt({ SourceKeyId: source.arn })).SourceKeyId).toBe(source.arn);
  });

  it.each<[string, string, () => Promise<unknown>]>([
    [
      'the wrong source context',
      'InvalidCiphertextException',
      () => reEncrypt({ SourceEncryptionContext: { env: 'test' } }),
    ],
    [
      'no source context',
      'InvalidCiphertextException',
      () => reEncrypt({ SourceEncryptionContext: undefined }),
    ],
    [
      'what is no ciphertext',
      'InvalidCiphertextException',
      () => reEncrypt({ CiphertextBlob: Buffer.alloc(100) }),
    ],
    [
      'another source key than that of the ciphertext',
      'IncorrectKeyException',
      () => reEncrypt({ SourceKeyId: destination.id }),
    ],
    [
      'a source key that is missing',
      'NotFoundException',
      () => reEncrypt({ SourceKeyId: '99999999-2222-3333-4444-555555555555' }),
    ],
    [
      'a destination that is missing',
      'NotFoundException',
      () => reEncrypt({ DestinationKeyId: '99999999-2222-3333-4444-555555555555' }),
    ],
    ['an alias that is missing', 'NotFoundException', () => reEncrypt({ DestinationKeyId: 'alias/missing' })],
    [
      'an ARN of another region',
      'NotFoundException',
      () => reEncrypt({ DestinationKeyId: destination.arn.replace(DEMO_REGION, 'eu-west-1') }),
    ],
    [
      'the algorithm of an asymmetric key',
      'InvalidKeyUsageException',
      () => reEncrypt({ DestinationEncryptionAlgorithm: 'RSAES_OAEP_SHA_256' }),
    ],
    [
      'the token of a grant that nobody made',
      'InvalidGrantTokenException',
      () => reEncrypt({ GrantTokens: ['token'] }),
    ],
    ['a dry run that would succeed', 'DryRunOperationException', () => reEncrypt({ DryRun: true })],
    [
      'a dry run that would fail',
      'InvalidCiphertextException',
      () => reEncrypt({ DryRun: true, SourceEncryptionContext: {} }),
    ],
    [
      'a dry run of the permissions alone',
      'DryRunOperationException',
      () =>
        reEncrypt({
          CiphertextBlob: undefined,
          SourceKeyId: source.id,
          DryRun: true,
          DryRunModifiers: ['IGNORE_CIPHERTEXT'],
        }),
    ],
    ['no ciphertext', 'ValidationException', () => reEncrypt({ CiphertextBlob: undefined })],
  ])('refuses %s', async (_what, name, run) => {
    expect(await failure(run())).toBe(name);
  });

  it.each(['source', 'destination'] as const)('refuses a disabled or dying %s key', async (which) => {
    const ciphertext = await encrypt();
    const key = which === 'source' ? source : destination;
    key.state = 'Disabled';
    expect(await failure(reEncrypt({ CiphertextBlob: ciphertext }))).toBe('DisabledException');
    key.state = 'PendingDeletion';
    expect(await failure(reEncrypt({ CiphertextBlob: ciphertext }))).toBe('KMSInvalidStateException');
  });

  it('needs kms:ReEncryptFrom on the one key and kms:ReEncryptTo on the other, and nothing else', async () => {
    const ciphertext = await encrypt();
    const denies = async (key: KmsKey, action: KmsAction): Promise<unknown> => {
      key.deniedActions.add(action);
      try {
        return await failure(reEncrypt({ CiphertextBlob: ciphertext }));
      } finally {
        key.deniedActions.delete(action);
      }
    };
    expect(await denies(source, 'kms:ReEncryptFrom')).toBe('AccessDeniedException');
    expect(await denies(destination, 'kms:ReEncryptTo')).toBe('AccessDeniedException');
    for (const action of ['kms:Decrypt', 'kms:Encrypt', 'kms:ReEncryptTo'] as const)
      expect(await denies(source, action)).toBe('no error');
    for (const action of ['kms:Decrypt', 'kms:Encrypt', 'kms:ReEncryptFrom'] as const)
      expect(await denies(destination, action)).toBe('no error');
  });

  it('makes ciphertexts that nobody decrypts when the key denies that', async () => {
    destination.deniedActions.add('kms:Decrypt').add('kms:ReEncryptFrom');
    const { CiphertextBlob } = await reEncrypt();
    const decrypt = client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: CONTEXT }));
    expect(await failure(decrypt)).toBe('AccessDeniedException');
    const back = reEncrypt({ CiphertextBlob, DestinationKeyId: source.id });
    expect(await failure(back)).toBe('AccessDeniedException');
  });

  it('denies a ciphertext of a key that is not there like one that may not be used', async () => {
    const ciphertext = await encrypt();
    kms.keys.delete(DEMO_KEY_ID);
    expect(await failure(reEncrypt({ CiphertextBlob: ciphertext }))).toBe('AccessDeniedException');
  });
});
