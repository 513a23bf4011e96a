import { describe, expect, it } from '@jest/globals';

import { createOf, fixture, useWebhook } from './webhook-fixture.js';

const V1 = { engineVersion: 'v1' };
const V2 = { engineVersion: 'v2' };
useWebhook();

describe('the webhook, when KMS cannot answer', () => {
  const fault = (name: string, status = 400): void => {
    fixture.kms.faults.inject({
      matches: () => true,
      action: { kind: 'answer', status, body: JSON.stringify({ __type: name, message: 'canary' }) },
    });
  };
  const spec = () => ({
    path: 'kv/app',
    kvSettings: V1,
    secrets: ['a', 'b'].map((key) => ({ key, encryptedSecret: fixture.encrypt(key) })),
  });

  // Before a quota is met: the webhook keeps the pace that it has found.
  it('answers before the caller gives up when KMS hangs', async () => {
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const answer = await fixture.create(spec(), 'KMSVaultSecret', { path: '/?timeout=1s' });
    expect(answer.status.message).toMatch(/keys "a", "b": KMS did not answer in time/);
    expect(fixture.kms.requests.all).toHaveLength(2);
  });

  it('decrypts the items of a resource side by side, up to the limit', async () => {
    // Long enough to send all that may be sent, also on a busy machine.
    fixture.kms.latencyMs = 800;
    const secrets = Array.from({ length: 50 }, (_, index) => ({
      key: String(index),
      encryptedSecret: fixture.encrypt(String(index)),
    }));
    expect((await fixture.create({ ...spec(), secrets })).allowed).toBe(true);
    expect(fixture.kms.decrypts).toBe(50);
    expect(fixture.kms.requests.peakInFlight).toBe(20);
  });

  it.each([
    ['ThrottlingException', 400],
    ['KMSInternalException', 500],
    ['AccessDeniedException', 400],
    ['DisabledException', 400],
  ])('answers 503 for %s, which is not the fault of the resource', async (name, status) => {
    fault(name, status);
    const answer = await fixture.create(spec());
    expect([answer.allowed, answer.status.code, answer.status.reason]).toEqual([
      false,
      503,
      'ServiceUnavailable',
    ]);
    expect(answer.status.message).toMatch(/KMS could not check .*: keys "a", "b": .*apply it again/);
    expect(answer.status.message).not.toContain('canary');
  });

  it('reports the problems of the resource as well', async () => {
    fault('ThrottlingException');
    const answer = await fixture.create({ ...spec(), path: 'sys/x' });
    expect(answer.status.code).toBe(403);
    expect(answer.status.message).toMatch(/spec.path lies in sys\/.*could not be checked: KMS/);
  });

  it('counts refusals and KMS errors in the metrics', async () => {
    fault('ThrottlingException');
    expect((await fixture.create(spec())).allowed).toBe(false);
    const text = await fixture.metrics();
    expect(text).toMatch(
      /kms_vault_webhook_admission_total\{kind="KMSVaultSecret",operation="CREATE",allowed="false"\} \d+/,
    );
    expect(text).toMatch(
      /kms_vault_webhook_kms_requests_total\{operation="Decrypt",code="Throttling\w*"\} \d+/,
    );
    expect(text).toContain('kms_vault_webhook_build_info{version="test",commit="test"} 1');
    expect(text).toMatch(/kms_vault_webhook_admission_duration_seconds_count [1-9]/);
    expect(text).not.toContain('kms_vault_operator_');
    expect(await (await fetch(`${fixture.metricsUrl}/`)).text()).toContain(
      'kms_vault_webhook_admission_total',
    );
  });
});

describe('the webhook with other flags', () => {
  it('allows what KMS cannot check, with a warning, and restricts paths', async () => {
    await fixture.stop();
    await fixture.start('--on-kms-error', 'allow', '-allowed-vault-paths=kv/{{namespace}}/**');
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    const secrets = [{ key: 'a', encryptedSecret: fixture.encrypt('a') }];
    const answer = await fixture.create({ path: 'kv/default/app', kvSettings: V1, secrets });
    expect(answer.allowed).toBe(true);
    expect(answer.warnings).toEqual([expect.stringMatching(/^key "a": could not be checked: KMS/)]);
    const refused = await fixture.create({ path: 'kv/other/app', kvSettings: V1, secrets });
    expect(refused.status.message).toMatch(/"kv\/other\/app" is not allowed by --allowed-vault-paths/);
  });
});

describe('the webhook under a quota of KMS', () => {
  it('answers before the caller gives up, and reports the throttling', async () => {
    await fixture.stop();
    await fixture.start();
    fixture.kms.quotaPerSecond = 5;
    const secrets = Array.from({ length: 60 }, (_, index) => ({
      key: `key-${String(index)}`,
      encryptedSecret: fixture.encrypt(`value-${String(index)}`),
    }));
    const spec = { path: 'secret/data/throttled', kvSettings: V2, secrets };
    const answer = await fixture.review(createOf(spec), { path: '/validate?timeout=2s' });
    expect(answer).toMatchObject({ allowed: false, status: { code: 503 } });
    expect(answer.status.message).toContain('ThrottlingException');
  });
});
