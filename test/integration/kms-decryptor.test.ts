import { getEventListeners } from 'node:events';

import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { KmsDecryptor } from '../../src/kms/kms-decryptor.js';
import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { KmsConnection } from '../../src/kms/kms-connection.js';
import { KmsError } from '../../src/kms/kms-error.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import { seal } from '../servers/kms/ciphertext.js';
import { type LoopbackKms, startKmsServer } from '../servers/kms/server.js';
import { systemClock } from '../../src/runtime/clock.js';
import { silentLogger } from '../support/loggers.js';
import { eventually } from '../support/wait.js';

let kms: LoopbackKms;
let api: AwsKmsApi;
let decryptor: KmsDecryptor;
let metrics: OperatorMetrics;

function encrypt(
  plaintext: string | Buffer,
  context: Record<string, string> = {},
  key = kms.keys.get(DEMO_KEY_ID),
): string {
  return seal(
    key?.id ?? DEMO_KEY_ID,
    key?.material ?? DEMO_KEY_MATERIAL,
    Buffer.from(plaintext),
    context,
  ).toString('base64');
}

async function failureOf(encryptedSecret: string, context = {}): Promise<KmsError> {
  const error: unknown = await decryptor
    .decrypt({ encryptedSecret, context })
    .catch((failure: unknown) => failure);
  if (!(error instanceof KmsError)) throw new Error(`expected a KmsError, got ${String(error)}`);
  return error;
}

beforeAll(async () => {
  kms = await startKmsServer();
  process.env.AWS_ACCESS_KEY_ID = DEMO_ACCESS_KEY.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = DEMO_ACCESS_KEY.secretAccessKey;
  metrics = new OperatorMetrics(new Registry());
  const network = { sslCertDirs: [] };
  api = new AwsKmsApi(
    new KmsConnection(
      { region: kms.region, kmsEndpoint: kms.url },
      new AgentFactory(network, silentLogger),
      4,
      metrics,
    ),
  );
  decryptor = new KmsDecryptor(api, 4, systemClock, metrics);
});

afterEach(() => {
  kms.faults.clear();
  kms.requests.clear();
  kms.quotaPerSecond = undefined;
  kms.latencyMs = 0;
});

afterAll(async () => {
  api.close();
  await kms.close();
});

describe('KmsDecryptor against the KMS protocol', () => {
  it('reads every answer of many at once, refusals among them, and wipes none that another still reads', async () => {
    const many = new AwsKmsApi(
      new KmsConnection(
        { region: kms.region, kmsEndpoint: kms.url },
        new AgentFactory({ sslCertDirs: [] }, silentLogger),
        50,
        metrics,
      ),
    );
    const texts = Array.from({ length: 200 }, (_, index) => `value ${String(index)}`);
    const bytes = (text: string, context = {}): Uint8Array => Buffer.from(encrypt(text, context), 'base64');
    const answers = await Promise.allSettled(
      texts.map((text, index) => many.decrypt(bytes(text, index % 4 === 0 ? { other: 'x' } : {}), {})),
    );
    const seen = answers.map((answer) =>
      answer.status === 'fulfilled' ? Buffer.from(answer.value).toString() : (answer.reason as KmsError).code,
    );
    expect(seen).toEqual(texts.map((text, index) => (index % 4 === 0 ? 'InvalidCiphertext' : text)));
    many.close();
  });

  it('decrypts with the exact context, of several pairs', async () => {
    const context = { app: 'web', env: 'prod' };
    const encryptedSecret = encrypt('wörld\n', context);
    expect(await decryptor.decrypt({ encryptedSecret, context: { env: 'prod', app: 'web' } })).toBe(
      'wörld\n',
    );
    expect((await failureOf(encryptedSecret, { app: 'web', env: 'Prod' })).code).toBe('InvalidCiphertext');
  });

  it.each([
    ['not base64', (): string => 'UnencryptedSecret!', 'wrong-input', 'NotBase64', 0],
    ['an empty value', (): string => '', 'wrong-input', 'InvalidLength', 0],
    [
      'more than 6144 bytes',
      (): string => Buffer.alloc(6145).toString('base64'),
      'wrong-input',
      'InvalidLength',
      0,
    ],
    [
      'a damaged ciphertext',
      (): string => Buffer.from('garbage').toString('base64'),
      'wrong-input',
      'InvalidCiphertext',
      1,
    ],
    [
      'bytes that are no UTF-8',
      (): string => encrypt(Buffer.from([0xff, 0xfe])),
      'wrong-input',
      'NotUtf8',
      1,
    ],
  ] as const)('calls %s wrong input', async (_name, value: () => string, failure, code, requests) => {
    const error = await failureOf(value());
    expect([error.failure, error.code, error.retry]).toEqual([failure, code, 'never']);
    expect(kms.decrypts).toBe(requests);
  });

  it.each([
    ['denied', 'AccessDenied'],
    ['disabled', 'KeyDisabled'],
    ['pending deletion', 'KeyInvalidState'],
  ] as const)('leaves a key that is %s to the administrator', async (what, code) => {
    const key = kms.addKey();
    const encryptedSecret = encrypt('x', {}, key);
    if (what === 'denied') key.denied = true;
    else key.state = what === 'disabled' ? 'Disabled' : 'PendingDeletion';
    const error = await failureOf(encryptedSecret);
    expect([error.failure, error.code, error.retry]).toEqual(['administrator', code, 'resync']);
    kms.keys.delete(key.id);
    expect(await failureOf(encryptedSecret)).toMatchObject({
      code: 'AccessDenied',
      message: expect.stringContaining(`went to KMS in ${kms.region}`) as unknown,
    });
  });

  it.each([
    ['KMSInternalException', 500, 'KMS is unavailable'],
    ['DependencyTimeoutException', 500, 'KMS is unavailable'],
    ['ExpiredTokenException', 400, 'KMS does not accept the AWS credentials'],
    ['InvalidSignatureException', 400, 'KMS does not accept the AWS credentials'],
    ['NameNeverSeenBefore', 418, 'KMS is unavailable'],
  ])('takes %s for transient', async (name, status, what) => {
    const body = JSON.stringify({ __type: name, message: 'canary-in-message' });
    kms.faults.inject({
      matches: () => true,
      action: { kind: 'answer', status, body, headers: { 'content-type': 'application/x-amz-json-1.1' } },
    });
    const error = await failureOf(encrypt('x'));
    expect([error.failure, error.retry, error.reason]).toEqual(['transient', 'soon', 'KmsUnavailable']);
    expect(error.message).toBe(`${what}: ${name} (HTTP ${String(status)})`);
  });

  it('tries a lost connection once more, and says KMS is unavailable when it stays lost', async () => {
    const encryptedSecret = encrypt('again');
    kms.faults.inject({ matches: () => true, action: { kind: 'reset' }, times: 1 });
    expect(await decryptor.decrypt({ encryptedSecret, context: {} })).toBe('again');
    kms.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    expect((await failureOf(encryptedSecret)).failure).toBe('transient');
  });

  it('asks once for what several ask at the same time, and again afterwards', async () => {
    kms.latencyMs = 50;
    const request = { encryptedSecret: encrypt('same'), context: {} };
    const answers = await Promise.all(Array.from({ length: 20 }, () => decryptor.decrypt(request)));
    expect(new Set(answers)).toEqual(new Set(['same']));
    expect(kms.decrypts).toBe(1);
    await decryptor.decrypt(request);
    expect(kms.decrypts).toBe(2);
  });

  it('works side by side up to the limit and never beyond', async () => {
    kms.latencyMs = 30;
    const values = Array.from({ length: 24 }, (_, index) => `value-${String(index)}`);
    const answers = await Promise.all(
      values.map((value) => decryptor.decrypt({ encryptedSecret: encrypt(value), context: {} })),
    );
    expect(answers).toEqual(values);
    expect(kms.requests.peakInFlight).toBe(4);
  });

  it('lets one waiter give up without ending the request for the others', async () => {
    kms.latencyMs = 50;
    const request = { encryptedSecret: encrypt('shared'), context: {} };
    const giveUp = new AbortController();
    const first = decryptor.decrypt(request, giveUp.signal);
    const second = decryptor.decrypt(request);
    giveUp.abort();
    await expect(first).rejects.toThrow(KmsError);
    expect(await second).toBe('shared');
    expect(kms.decrypts).toBe(1);
  });

  it('cuts the request when the last waiter gives up', async () => {
    kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const giveUp = new AbortController();
    const request = { encryptedSecret: encrypt('nobody waits'), context: {} };
    const failure = decryptor.decrypt(request, giveUp.signal).catch((error: unknown) => error);
    await eventually('KMS has it', () => kms.decrypts === 1);
    giveUp.abort();
    expect(await failure).toMatchObject({ code: 'Abandoned' });
    await eventually('KMS sees it cut', () => kms.requests.count(({ status }) => status === 0) === 1);
    // Not by the limit of a request's time.
    expect((await metrics.kmsRequests.get()).values.map(({ labels }) => labels.code)).toContain('AbortError');
  });

  it('leaves no listener behind at the signal of a key, however often KMS throttles it', async () => {
    let throttled = 0;
    kms.faults.inject({
      matches: () => (throttled += 1) <= 15,
      action: { kind: 'answer', status: 400, body: '{"__type":"ThrottlingException"}' },
    });
    const signals: AbortSignal[] = [];
    const watched = new KmsDecryptor(
      {
        decrypt: async (ciphertext, context, signal) => {
          if (signal !== undefined) signals.push(signal);
          return await api.decrypt(ciphertext, context, signal);
        },
      },
      4,
      systemClock,
      metrics,
    );
    expect(await watched.decrypt({ encryptedSecret: encrypt('patient'), context: {} })).toBe('patient');
    expect(signals).toHaveLength(16);
    const [signal] = signals;
    if (signal === undefined) throw new Error('a request without a signal cannot be given up');
    expect(new Set(signals).size).toBe(1);
    // A request lets go of it when its connection is free again.
    await eventually('nobody listens', () => getEventListeners(signal, 'abort').length === 0);
  });

  it('finishes 150 keys under a quota of 50 per second, and asks little more than once for each', async () => {
    kms.quotaPerSecond = 50;
    const values = Array.from({ length: 150 }, (_, index) => `value-${String(index)}`);
    const answers = await Promise.all(
      values.map((value) =>
        decryptor.decrypt({ encryptedSecret: encrypt(value), context: {}, owner: 'big' }),
      ),
    );
    expect(answers).toEqual(values);
    expect(kms.decrypts).toBeLessThanOrEqual(1.2 * 150);
    const throttled = kms.requests.count(({ status }) => status === 400);
    expect(kms.decrypts - throttled).toBe(150);
  });
});
