import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Registry } from 'prom-client';

import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { KmsConnection } from '../../src/kms/kms-connection.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { WipedBytes } from '../../src/runtime/wiped-bytes.js';
import { DEMO_ACCESS_KEY, DEMO_REGION } from '../servers/kms/demo-key.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { silentLogger } from '../support/loggers.js';
import { eventually } from '../support/wait.js';
import { failureOf, VaultFixture } from './vault-fixture.js';

const SENT = 'value-that-is-sent';
const RECEIVED = 'value-that-is-received';
const RECEIVED_BASE64 = Buffer.from(RECEIVED).toString('base64');
const WRITE = { method: 'POST', path: 'kv/app', operation: 'write', body: `{"a":"${SENT}"}` } as const;

/** Each buffer that was to be wiped, and what it held at first. */
let held: { readonly bytes: Uint8Array; readonly text: string }[];
let server: LoopbackServer;
/** The parts in which the server sends its answer. */
let answer: { status: number; parts: string[]; cut?: boolean };

beforeEach(async () => {
  held = [];
  const add = Reflect.get(WipedBytes.prototype, 'add');
  jest.spyOn(WipedBytes.prototype, 'add').mockImplementation(function (this: WipedBytes, bytes) {
    held.push({ bytes, text: Buffer.from(bytes).toString() });
    add.call(this, bytes);
  });
  server = await LoopbackServer.start(async (_seen, request, response) => {
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    for (const part of answer.parts) {
      await new Promise((resolve) => response.write(part, resolve));
      // So that the parts arrive one by one.
      const seen = held.length;
      await eventually('the part', () => held.length > seen || undefined, 300, 5).catch(() => undefined);
    }
    if (answer.cut === true) request.socket.destroy();
    else response.end();
  });
});

afterEach(async () => {
  jest.restoreAllMocks();
  await server.close();
});

async function expectWiped(...texts: string[]): Promise<void> {
  const everything = held.map(({ text }) => text).join('\n');
  for (const text of texts) expect(everything).toContain(text);
  await eventually('zeros in every buffer', () =>
    held.every(({ bytes }) => bytes.every((byte) => byte === 0)),
  );
}

describe('buffers of a request to Vault', () => {
  let fixture: VaultFixture;

  beforeEach(() => {
    fixture = new VaultFixture(server.url, {
      values: { VAULT_TOKEN: 'none' },
      config: { maxRetries: 0, timeoutMs: 5_000 },
    });
  });

  afterEach(async () => {
    await fixture.close();
  });

  it.each([
    ['in one part', [`{"data":{"a":"${RECEIVED}"}}`]],
    ['in several parts', ['{"data":{"b":1,', `"a":"${RECEIVED}"}}`]],
  ])('hold zeros once an answer %s is read', async (_how, parts) => {
    answer = { status: 200, parts };
    const { text } = await fixture.client.request(WRITE);
    expect(text).toBe(parts.join(''));
    await expectWiped(SENT, RECEIVED);
    expect(server.requests.all[0]?.body).toBe(WRITE.body);
  });

  it('hold zeros when the connection is cut in the middle of the answer', async () => {
    answer = { status: 200, parts: [`{"data":{"a":"${RECEIVED}"`], cut: true };
    expect(await failureOf(fixture.client.request(WRITE))).toMatchObject({ failure: 'unavailable' });
    await expectWiped(SENT, RECEIVED);
  });

  it('hold zeros when the connection is cut before an answer', async () => {
    server.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    expect(await failureOf(fixture.client.request(WRITE))).toMatchObject({ failure: 'unavailable' });
    await expectWiped(SENT);
  });

  it('hold zeros when nothing can be sent', async () => {
    await server.close();
    expect(await failureOf(fixture.client.request(WRITE))).toMatchObject({ failure: 'unavailable' });
    await expectWiped(SENT);
  });

  it('hold zeros when the request is never made', async () => {
    const failure = fixture.transport.send({
      method: 'POST',
      url: `${server.url}/v1/kv/app`,
      headers: {},
      body: WRITE.body,
      signal: AbortSignal.abort(),
    });
    await expect(failure).rejects.toThrow();
    await expectWiped(SENT);
  });
});

describe('buffers of an answer of KMS', () => {
  let kms: AwsKmsApi;

  beforeEach(() => {
    kms = new AwsKmsApi(
      new KmsConnection(
        { region: DEMO_REGION, staticCredentials: DEMO_ACCESS_KEY, kmsEndpoint: server.url },
        new AgentFactory({ sslCertDirs: [] }, silentLogger),
        2,
        new OperatorMetrics(new Registry()),
      ),
    );
  });

  afterEach(() => {
    kms.close();
  });

  it.each([
    ['in one part', [`{"Plaintext":"${RECEIVED_BASE64}"}`]],
    ['in several parts', ['{"KeyId":"k",', `"Plaintext":"${RECEIVED_BASE64}"}`]],
  ])('hold zeros once an answer %s is read', async (_how, parts) => {
    answer = { status: 200, parts };
    const plaintext = await kms.decrypt(new Uint8Array([1]), {});
    expect(Buffer.from(plaintext).toString()).toBe(RECEIVED);
    await expectWiped(RECEIVED_BASE64);
  });

  it.each([
    ['cannot be read', { parts: [`{"Plaintext":"${RECEIVED_BASE64}"`] }],
    ['is cut', { parts: [`{"Plaintext":"${RECEIVED_BASE64}"`], cut: true }],
  ])('hold zeros when the answer %s', async (_how, given) => {
    answer = { status: 200, ...given };
    await expect(kms.decrypt(new Uint8Array([1]), {})).rejects.toMatchObject({ failure: 'transient' });
    await expectWiped(RECEIVED_BASE64);
  });
});
