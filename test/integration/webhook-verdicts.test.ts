import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { canary } from '../support/operator-fixture.js';
import { createOf, deleteOf, updateOf, WebhookFixture } from './webhook-fixture.js';

const V1 = { engineVersion: 'v1' };
const V2 = { engineVersion: 'v2' };
let fixture: WebhookFixture;

beforeAll(async () => {
  fixture = await WebhookFixture.prepare();
  await fixture.start();
});

afterEach(() => {
  fixture.kms.faults.clear();
  fixture.kms.requests.clear();
  fixture.kms.latencyMs = 0;
  fixture.kms.quotaPerSecond = undefined;
});

afterAll(async () => {
  await fixture.close();
});

describe('the webhook, asked about a new resource', () => {
  it('allows what can be decrypted, with the context that applies to each item', async () => {
    const spec = {
      path: 'secret/data/app',
      kvSettings: V2,
      secretContext: { env: 'prod', app: 'web' },
      secrets: [
        { key: 'a', encryptedSecret: fixture.encrypt('a', { app: 'web', env: 'prod' }) },
        {
          key: 'b',
          encryptedSecret: fixture.encrypt('b', { own: '1' }).replace(/(.{40})/g, '$1\n'),
          secretContext: { own: '1' },
        },
        { key: 'c', emptySecret: true },
      ],
    };
    for (const version of ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1']) {
      const answer = await fixture.review(createOf(spec), { version });
      expect(answer).toEqual({ uid: expect.any(String), allowed: true });
    }
    expect(fixture.kms.decrypts).toBe(4);
  });

  it('warns of a value of one line that ends with a line break, and tells nothing else of it', async () => {
    const secret = canary();
    const spec = {
      path: 'kv/app',
      kvSettings: V1,
      secrets: [
        { key: 'from-a-file', encryptedSecret: fixture.encrypt(`${secret}\n`) },
        { key: 'twice', encryptedSecret: fixture.encrypt(`${secret}\n\n`) },
        { key: 'pem', encryptedSecret: fixture.encrypt(`-----BEGIN\n${secret}\n-----END\n`) },
        { key: 'good', encryptedSecret: fixture.encrypt(secret) },
      ],
    };
    const { allowed, warnings } = await fixture.create(spec);
    expect(allowed).toBe(true);
    expect(warnings).toEqual([
      expect.stringMatching(/^keys "from-a-file", "twice": .*line break.*printf %s/),
    ]);
    expect(JSON.stringify([warnings, fixture.logger.entries])).not.toContain(secret);
    expect(await fixture.create({ secrets: spec.secrets }, 'PartialKMSVaultSecret')).toMatchObject({
      warnings: [expect.stringContaining('"from-a-file"')],
    });
  });

  it('names every problem of a resource at once, and what to do', async () => {
    const secret = canary();
    const spec = {
      path: 'secret/app',
      kvSettings: V2,
      secrets: [
        { key: 'plain', encryptedSecret: 'UnencryptedSecret!' },
        { key: 'foreign', encryptedSecret: fixture.encrypt(secret, { other: 'context' }) },
        { key: 'broken', encryptedSecret: fixture.encrypt(secret).slice(0, 40) },
        { key: 'binary', encryptedSecret: fixture.encrypt(Buffer.from([0xff, 0xfe])) },
        { key: 'huge', encryptedSecret: Buffer.alloc(6145).toString('base64') },
        { key: 'good', encryptedSecret: fixture.encrypt(secret) },
      ],
    };
    const { allowed, status } = await fixture.create(spec);
    expect([allowed, status.code, status.reason]).toEqual([false, 403, 'Forbidden']);
    expect(status.message).toBe(
      'KMSVaultSecret default/web cannot be synced: ' +
        'spec.path "secret/app" lacks the data/ segment of K/V v2; put it behind the mount, such as "secret/data/app"; ' +
        'key "plain": encryptedSecret is not base64; give the base64 of the ciphertext, with its padding; ' +
        'keys "foreign", "broken": KMS rejected the ciphertext or its encryption context; encrypt the value again ' +
        'with exactly the context that applies here, or correct secretContext; ' +
        'key "binary": the decrypted value is not UTF-8 text, which Vault cannot hold; encode the value as text ' +
        'before it is encrypted; ' +
        'key "huge": a ciphertext has 1 to 6144 bytes; this one has 6145 bytes; give the whole ciphertext, and ' +
        'nothing but it',
    );
    const seen = JSON.stringify([status, fixture.logger.entries, await fixture.metrics()]);
    expect(seen).not.toContain(secret);
    for (const { encryptedSecret } of spec.secrets) expect(seen).not.toContain(encryptedSecret.slice(0, 20));
    const refusals = fixture.logger.entries.filter(({ message }) => message === 'refused a resource');
    expect(refusals).toHaveLength(1);
    expect(refusals[0]?.facts).toMatchObject({ namespace: 'default', name: 'web', operation: 'CREATE' });
  });

  it.each([
    ['secret/app', V1, true],
    ['secret/data/app', V2, true],
    ['team/kv/data/app', V2, true],
    ['/secret//data/app/', V2, true],
    ['secret/data', V2, false],
    ['data/app', V2, false],
    ['data/data/app', V2, true],
    ['secret/mydata/app', V2, false],
    ['secret/../sys/raw', V1, false],
    ['sys/policy', V1, false],
    ['https://elsewhere/secret/app', V1, false],
    ['', V1, false],
    ['secret', V1, false],
  ])('judges the path %j with %j: %j', async (path, kvSettings, allowed) => {
    const answer = await fixture.create({ path, kvSettings, secrets: [{ key: 'a', emptySecret: true }] });
    expect(answer.allowed).toBe(allowed);
    if (!allowed) expect(answer.status.message).toContain('spec.path');
  });

  it('warns of what is doubtful, and lets it pass', async () => {
    const spec = {
      path: 'kv/app',
      kvSettings: { engineVersion: 'v1', casIndex: 3 },
      secretContext: { env: 'prod' },
      secrets: [
        { key: 'neither' },
        { key: '', emptySecret: true },
        { key: 'both', emptySecret: true, encryptedSecret: 'whatever' },
        { key: 'hollow', secretContext: {}, encryptedSecret: fixture.encrypt('x', { env: 'prod' }) },
      ],
    };
    const { allowed, warnings } = await fixture.create(spec);
    expect(allowed).toBe(true);
    expect(warnings).toEqual([
      'spec.kvSettings.casIndex is ignored with engineVersion v1; leave it out',
      'key "neither": neither encryptedSecret nor emptySecret: true, so it is skipped',
      'an item has an empty key; give it a name',
      'key "both": encryptedSecret is ignored beside emptySecret: true',
      'key "hollow": its secretContext is empty, so spec.secretContext counts; leave the empty one out',
    ]);
    expect(fixture.kms.decrypts).toBe(1);
    const nothing = await fixture.create({ path: 'kv/app', kvSettings: V1 });
    expect(nothing.warnings).toEqual(['nothing to sync: no item has a value, and nothing is included']);
    const included = await fixture.create({ path: 'kv/app', kvSettings: V1, includeSecrets: ['shared'] });
    expect(included).toEqual({ uid: expect.any(String), allowed: true });
    const lonely = await fixture.create({
      path: 'kv/app',
      kvSettings: V1,
      secrets: [
        { key: 'with', secretContext: { a: 'b' }, encryptedSecret: fixture.encrypt('x', { a: 'b' }) },
        { key: 'without', encryptedSecret: fixture.encrypt('x') },
      ],
    });
    expect(lonely.warnings).toEqual([
      'key "without": has no secretContext although others have one; check that it is meant',
    ]);
  });

  it('keeps warnings short enough for the API server, whatever the keys are', async () => {
    const secrets = Array.from({ length: 200 }, (_, index) => ({
      key: `${'\u202e'.repeat(100)}${String(index)}`,
    }));
    const { warnings } = await fixture.create({ path: 'kv/app', kvSettings: V1, secrets });
    expect(Math.max(...warnings.map((warning: string) => warning.length))).toBeLessThanOrEqual(256);
    expect(JSON.stringify(warnings)).not.toContain('\u202e');
    expect(warnings.join()).toContain('and 197 more');
  });

  it('accepts of a partial what KMS rejects, with a warning, because its context may come from elsewhere', async () => {
    const spec = {
      secrets: [
        { key: 'includers', encryptedSecret: fixture.encrypt('x', { from: 'the including resource' }) },
        { key: 'own', secretContext: { a: 'b' }, encryptedSecret: fixture.encrypt('x', { a: 'b' }) },
      ],
    };
    const answer = await fixture.create(spec, 'PartialKMSVaultSecret');
    expect(answer.allowed).toBe(true);
    expect(answer.warnings[0]).toBe(
      'key "includers": KMS rejects it with the context that the partial gives; accepted, because the context ' +
        'may come from the including resource',
    );
    for (const encryptedSecret of ['not base64!', Buffer.alloc(6145).toString('base64')]) {
      const refused = await fixture.create(
        { secrets: [{ key: 'bad', encryptedSecret }] },
        'PartialKMSVaultSecret',
      );
      expect([refused.allowed, refused.status.code]).toEqual([false, 403]);
    }
  });

  it('refuses a spec of the wrong shape without stumbling', async () => {
    for (const spec of [
      undefined,
      null,
      [],
      'text',
      { path: 1, kvSettings: null, secrets: [null, { key: 2 }, []] },
    ]) {
      const answer = await fixture.create(spec);
      expect([answer.allowed, answer.status.code]).toEqual([false, 403]);
    }
  });
});

describe('the webhook, asked about a change', () => {
  it('decrypts only items whose ciphertext or effective context is new', async () => {
    const kept = { key: 'kept', encryptedSecret: 'stored long ago' };
    const before = {
      path: 'kv/app',
      kvSettings: V1,
      secretContext: { env: 'dev' },
      secrets: [
        kept,
        { key: 'own', secretContext: { b: '2', a: '1' }, encryptedSecret: 'stored before, too' },
        { key: 'hidden', emptySecret: true, encryptedSecret: 'never looked at' },
      ],
    };
    const added = { key: 'new', encryptedSecret: fixture.encrypt('x', { env: 'dev' }) };
    const answer = await fixture.review(
      updateOf(before, { ...before, secrets: [...before.secrets, added].reverse() }),
    );
    expect(answer.allowed).toBe(true);
    expect(fixture.kms.decrypts).toBe(1);
    const moved = await fixture.review(updateOf(before, { ...before, secretContext: { env: 'prod' } }));
    expect(moved.status.message).toMatch(/key "kept": encryptedSecret is not base64/);
    expect(moved.status.message).not.toContain('own');
    const shown = { key: 'hidden', encryptedSecret: 'never looked at' };
    const uncovered = await fixture.review(updateOf(before, { ...before, secrets: [kept, shown] }));
    expect(uncovered.status.message).toMatch(/key "hidden": encryptedSecret is not base64/);
  });

  it('allows without KMS what only touches metadata, deletes, or finishes a deletion', async () => {
    const bad = {
      path: 'sys/x',
      kvSettings: V1,
      secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('x') }],
    };
    const reordered = { secrets: bad.secrets, kvSettings: V1, path: 'sys/x' };
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'hang' } });
    const allowed = { uid: expect.any(String), allowed: true };
    expect(await fixture.review(updateOf(bad, reordered, 'KMSVaultSecret', { labels: { a: 'b' } }))).toEqual(
      allowed,
    );
    expect(await fixture.review(deleteOf(bad))).toEqual(allowed);
    const deletionTimestamp = '2026-01-01T00:00:00Z';
    const changed = updateOf(bad, { ...bad, path: 'sys/y' }, 'KMSVaultSecret', { deletionTimestamp });
    expect(await fixture.review(changed)).toEqual(allowed);
    expect(
      await fixture.review({ ...updateOf(bad, { ...bad, path: 'sys/y' }), subResource: 'status' }),
    ).toEqual(allowed);
    expect(fixture.kms.requests.all).toHaveLength(0);
  });
});

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
    const byUrl = fixture.kms.requests.all.length;
    expect(byUrl).toBe(2);
  });

  it('decrypts the items of a resource side by side, up to the limit', async () => {
    fixture.kms.latencyMs = 40;
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
  ])('says of %s that it is not the fault of the resource', async (name, status) => {
    fault(name, status);
    const answer = await fixture.create(spec());
    expect([answer.allowed, answer.status.code, answer.status.reason]).toEqual([
      false,
      503,
      'ServiceUnavailable',
    ]);
    expect(answer.status.message).toMatch(/could not be checked by KMS: keys "a", "b": .*apply it again/);
    expect(answer.status.message).not.toContain('canary');
  });

  it('tells of real problems, too', async () => {
    fault('ThrottlingException');
    const answer = await fixture.create({ ...spec(), path: 'sys/x' });
    expect(answer.status.code).toBe(403);
    expect(answer.status.message).toMatch(/spec.path lies in sys\/.*could not be checked, because KMS/);
  });

  it('is told apart in the metrics', async () => {
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
  it('allows with a warning what KMS cannot check, and restricts paths', async () => {
    await fixture.stop();
    await fixture.start('--on-kms-error', 'allow', '-allowed-vault-paths=kv/{{namespace}}/**');
    fixture.kms.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    const secrets = [{ key: 'a', encryptedSecret: fixture.encrypt('a') }];
    const answer = await fixture.create({ path: 'kv/default/app', kvSettings: V1, secrets });
    expect(answer.allowed).toBe(true);
    expect(answer.warnings).toEqual([expect.stringMatching(/^key "a": could not be checked, because KMS/)]);
    const refused = await fixture.create({ path: 'kv/other/app', kvSettings: V1, secrets });
    expect(refused.status.message).toMatch(
      /"kv\/other\/app" is not among the paths that --allowed-vault-paths/,
    );
  });
});

describe('the webhook under a quota of KMS', () => {
  it('answers before the caller gives up, and says what it waited for', async () => {
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
