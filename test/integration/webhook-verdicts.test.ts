import { describe, expect, it } from '@jest/globals';

import { canary } from '../support/operator-fixture.js';
import { createOf, fixture, useWebhook } from './webhook-fixture.js';

const V1 = { engineVersion: 'v1' };
const V2 = { engineVersion: 'v2' };
useWebhook();

describe('the webhook, asked about a new resource', () => {
  it('allows what can be decrypted with the effective context of each item', async () => {
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

  it('warns of a one-line value that ends with a line break, without showing it', async () => {
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
        'spec.path "secret/app" lacks the data/ segment that K/V v2 requires after the mount; ' +
        'use a path such as "secret/data/app"; ' +
        'key "plain": encryptedSecret is not base64; set encryptedSecret to ' +
        'the base64-encoded ciphertext, including the padding; ' +
        'keys "foreign", "broken": KMS rejected the ciphertext or its encryption context; encrypt the value again ' +
        'with exactly this encryption context, or correct secretContext; ' +
        'key "binary": the decrypted value is not UTF-8 text, so Vault cannot store it; encode the value as text ' +
        'before you encrypt it; ' +
        'key "huge": a ciphertext has 1 to 6144 bytes; this one has 6145 bytes; set encryptedSecret to ' +
        'the complete ciphertext and nothing else',
    );
    const seen = JSON.stringify([status, fixture.logger.entries, await fixture.metrics()]);
    expect(seen).not.toContain(secret);
    for (const { encryptedSecret } of spec.secrets) expect(seen).not.toContain(encryptedSecret.slice(0, 20));
    const refusals = fixture.logger.entries.filter(({ message }) => message === 'denied a resource');
    expect(refusals).toHaveLength(1);
    expect(refusals[0]?.facts).toMatchObject({ namespace: 'default', name: 'web', operation: 'CREATE' });
  });

  it.each([
    ['secret/app', V1, true],
    ['team/kv/data/app', V2, true],
    ['/secret//data/app/', V2, true],
    ['secret/data', V2, false],
    ['data/app', V2, false],
    ['data/data/app', V2, true],
    ['secret/mydata/app', V2, false],
    ['sys/policy', V1, false],
  ])('decides about the path %j with %j: %j', async (path, kvSettings, allowed) => {
    const answer = await fixture.create({ path, kvSettings, secrets: [{ key: 'a', emptySecret: true }] });
    expect(answer.allowed).toBe(allowed);
    if (!allowed) expect(answer.status.message).toContain('spec.path');
  });

  it.each([
    [
      { ...V1, metadata: { maxVersions: 2 }, deletion: 'latest' },
      [
        'spec.kvSettings.deletion: latest has no effect with engineVersion v1, which has no versions: the finalizer deletes the value',
        'spec.kvSettings.metadata is ignored with engineVersion v1; remove it',
      ],
    ],
    [
      { ...V2, metadata: { deleteVersionAfter: '1h', customMetadata: { resource: 'x' } } },
      [
        'Vault deletes the current version after spec.kvSettings.metadata.deleteVersionAfter; the operator then writes a new version at the next sync',
        'an operator with --provenance sets resource of spec.kvSettings.metadata.customMetadata itself',
      ],
    ],
    [{ ...V2, metadata: { maxVersions: 5, deleteVersionAfter: '0s' }, deletion: 'latest' }, undefined],
  ])('warns about settings %j', async (kvSettings, warnings) => {
    const path = kvSettings.engineVersion === 'v1' ? 'kv/app' : 'secret/data/app';
    const answer = await fixture.create({ path, kvSettings, secrets: [{ key: 'a', emptySecret: true }] });
    expect(answer.allowed).toBe(true);
    expect(answer.warnings).toEqual(warnings);
  });

  it('refuses metadata that Vault would refuse', async () => {
    const kvSettings = { ...V2, metadata: { customMetadata: { team: '' } } };
    const spec = { path: 'secret/data/app', kvSettings, secrets: [{ key: 'a', emptySecret: true }] };
    const { allowed, status } = await fixture.create(spec);
    expect(allowed).toBe(false);
    expect(status.message).toContain('the value of key "team" is empty');
  });

  it('allows doubtful items with a warning', async () => {
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
      'spec.kvSettings.casIndex is ignored with engineVersion v1; remove it',
      'key "neither": it has neither encryptedSecret nor emptySecret: true, so it is skipped',
      'an item has an empty key; give it a name',
      'key "both": encryptedSecret is ignored because emptySecret is true',
      'key "hollow": its secretContext is empty, so spec.secretContext applies; remove the empty one',
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
      'key "without": has no secretContext although other items have one; check that this is intended',
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

  it('allows in a partial what KMS rejects, with a warning: the context may come from an including resource', async () => {
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

  it('denies a spec of the wrong shape', async () => {
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
