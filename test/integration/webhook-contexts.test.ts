import { afterEach, describe, expect, it } from '@jest/globals';

import type { Json } from '../support/http-json.js';
import { createOf, deleteOf, fixture, updateOf, useWebhook } from './webhook-fixture.js';

const FLAGS = ['-required-context=namespace={{namespace}},name={{name}},path={{path}}'];
const OWN = { namespace: 'default', name: 'web', path: 'kv/app' };
const FOREIGN = { namespace: 'shop', name: 'web', path: 'kv/app' };

useWebhook();
afterEach(async () => {
  await fixture.stop();
  await fixture.start();
});

async function restart(...flags: string[]): Promise<void> {
  await fixture.stop();
  await fixture.start(...FLAGS, ...flags);
  fixture.kms.requests.clear();
}

function spec(context: Readonly<Record<string, string>>, path = 'kv//app'): Json {
  return {
    path,
    kvSettings: { engineVersion: 'v1' },
    secretContext: context,
    secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a', context) }],
  };
}

function partial(context: Readonly<Record<string, string>>): Json {
  const { secrets, secretContext } = spec(context);
  return { secrets, secretContext };
}

async function counted(): Promise<string[]> {
  const text = await fixture.metrics();
  return text.split('\n').filter((line) => line.startsWith('kms_vault_webhook_context_violations_total{'));
}

describe('the webhook with required contexts', () => {
  it('denies a ciphertext that belongs elsewhere, names the pair, and asks KMS nothing', async () => {
    await restart();
    expect(await fixture.create(spec(OWN))).toMatchObject({ allowed: true });
    expect(fixture.kms.decrypts).toBe(1);
    const { allowed, status, warnings } = await fixture.create(spec(FOREIGN));
    expect({ allowed, warnings }).toEqual({ allowed: false, warnings: undefined });
    expect(status.message).toContain(
      'key "a": its encryption context has namespace=shop instead of namespace=default, required by --required-context; ' +
        'encrypt the value again with namespace=default, name=web, path=kv/app',
    );
    expect(fixture.kms.decrypts).toBe(1);
    expect(await counted()).toEqual(['kms_vault_webhook_context_violations_total{mode="enforce"} 1']);
  });

  it('judges partials by the pairs that they can have', async () => {
    await restart();
    const shared = { namespace: 'default' };
    expect(await fixture.create(partial(shared), 'PartialKMSVaultSecret')).toMatchObject({ allowed: true });
    const refused = await fixture.create(partial(FOREIGN), 'PartialKMSVaultSecret');
    expect(refused.allowed).toBe(false);
    expect(refused.status.message).toContain('required by --required-partial-context');
    const open = await fixture.create(
      { secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('a') }] },
      'PartialKMSVaultSecret',
    );
    expect(open).toMatchObject({
      allowed: true,
      warnings: [expect.stringContaining('that of each including resource must have namespace=default')],
    });
  });

  it('warns in the mode audit, and counts', async () => {
    await restart('-required-context-mode=audit');
    const { allowed, warnings } = await fixture.create(spec(FOREIGN));
    expect(allowed).toBe(true);
    expect(warnings).toEqual([
      expect.stringMatching(/^key "a": .*namespace=shop instead of namespace=default/),
    ]);
    expect(await counted()).toEqual(['kms_vault_webhook_context_violations_total{mode="audit"} 1']);
  });

  it('requires nothing in exempt namespaces', async () => {
    await restart('-required-context-exempt=default');
    expect(await fixture.create(spec(FOREIGN))).toMatchObject({ allowed: true });
    expect(await counted()).toEqual([]);
  });

  it.each(['KMSVaultSecret', 'PartialKMSVaultSecret'])(
    'lets a stored %s lose its finalizer, be labelled and be deleted, but not be changed',
    async (kind) => {
      await restart();
      const stored = kind === 'KMSVaultSecret' ? spec(FOREIGN) : partial(FOREIGN);
      const metadata = { finalizers: [], labels: { a: 'b' } };
      expect(await fixture.review(updateOf(stored, stored, kind, metadata))).toMatchObject({ allowed: true });
      expect(await fixture.review(deleteOf(stored, kind))).toMatchObject({ allowed: true });
      const changed = { ...stored, secrets: [...stored.secrets, { key: 'b', emptySecret: true }] };
      expect(await fixture.review(updateOf(stored, changed, kind))).toMatchObject({ allowed: false });
    },
  );

  it('lets a stored resource be suspended and resumed, which nobody has to mend first', async () => {
    await restart();
    const stored = spec(FOREIGN);
    const [resumed, suspended] = [false, true].map((suspend) => ({ ...stored, suspend }));
    for (const [before, after] of [
      [stored, suspended],
      [suspended, resumed],
      [resumed, stored],
    ] as const) {
      expect(await fixture.review(updateOf(before, after))).toMatchObject({ allowed: true });
    }
    const moved = { ...suspended, path: 'kv/elsewhere' };
    expect(await fixture.review(updateOf(stored, moved))).toMatchObject({ allowed: false });
  });

  it('judges a name that the server has not chosen yet by the other pairs', async () => {
    await restart();
    const request = createOf(spec({ ...OWN, name: 'anything' }));
    delete request.object.metadata.name;
    request.object.metadata.generateName = 'web-';
    request.name = '';
    expect(await fixture.review(request)).toMatchObject({ allowed: true });
    const foreign = createOf(spec(FOREIGN));
    delete foreign.object.metadata.name;
    expect(await fixture.review({ ...foreign, name: '' })).toMatchObject({ allowed: false });
  });
});
