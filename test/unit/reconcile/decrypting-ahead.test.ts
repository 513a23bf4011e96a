import { beforeEach, describe, expect, it } from '@jest/globals';

import type { KMSVaultSecretSpec } from '../../../src/api/resources.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, ENGINES, item, pathFor } from './items.js';

let fixture: ReconcileFixture;
/** What was asked of KMS and Vault, in its order. */
let order: string[];

beforeEach(() => {
  fixture = new ReconcileFixture();
  order = [];
  fixture.kms.onRequest = () => order.push('kms');
  fixture.vault.onRead = () => order.push('vault');
});

async function synced(spec: Partial<KMSVaultSecretSpec> = {}): Promise<void> {
  fixture.secret('x', { secrets: [item('a', 'one'), item('b', 'one')], ...spec });
  await fixture.reconcile('x', 'edit');
  order.length = 0;
  fixture.kms.asked = 0;
}

function edit(spec: Partial<KMSVaultSecretSpec> = {}): void {
  fixture.secret('x', { secrets: [item('a', 'two'), item('b', 'one')], ...spec });
}

describe('an edit of a secret that was synced before', () => {
  it.each(ENGINES)('is decrypted while Vault is read, on %s', async (engineVersion) => {
    const spec = { path: pathFor(engineVersion), kvSettings: { engineVersion } };
    await synced(spec);
    edit(spec);
    await fixture.reconcile('x', 'edit');
    expect(order).toEqual(['kms', 'kms', 'vault']);
    expect(fixture.values(spec.path, engineVersion)).toEqual({ a: 'two', b: 'one' });
  });

  it('keeps the value in Vault of a key that KMS refuses', async () => {
    await synced();
    edit({ secrets: [item('a', 'two'), bad('b')] });
    await fixture.reconcile('x', 'edit');
    expect(order[0]).toBe('kms');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'two', b: 'one' });
  });

  it('asks KMS once while Vault is down, however often it is tried', async () => {
    await synced();
    edit();
    fixture.vault.down = true;
    for (let attempt = 0; attempt < 3; attempt += 1) await fixture.reconcile('x', 'edit');
    expect(fixture.kms.asked).toBe(2);
    fixture.vault.down = false;
    await fixture.reconcile('x', 'edit');
    expect(fixture.values('secret/data/x')).toEqual({ a: 'two', b: 'one' });
  });

  it('decrypts nothing twice when another client changes the secret meanwhile', async () => {
    await synced();
    edit();
    fixture.vault.beforeWrite = () => {
      fixture.vault.beforeWrite = () => undefined;
      fixture.vault.tamper('secret/data/x', 'v2', new Map([['a', '"theirs"']]));
    };
    await fixture.reconcile('x', 'edit');
    expect(fixture.kms.asked).toBe(2);
    expect(order.slice(0, 4)).toEqual(['kms', 'kms', 'vault', 'vault']);
    expect(fixture.values('secret/data/x')).toEqual({ a: 'two', b: 'one' });
  });
});

describe('nothing is decrypted before Vault answers', () => {
  it.each<[string, Partial<KMSVaultSecretSpec>]>([
    ['when the inputs are as before', { secrets: [item('a', 'one'), item('b', 'one')] }],
    ['when the version is pinned', { kvSettings: { engineVersion: 'v2', casIndex: 1 } }],
    ['when the path is another one', { path: 'secret/data/y' }],
  ])('%s', async (_when, spec) => {
    await synced();
    edit(spec);
    await fixture.reconcile('x', 'edit');
    expect(order[0]).toBe('vault');
  });

  it('at a resync', async () => {
    await synced();
    edit();
    await fixture.reconcile('x', 'resync');
    expect(order[0]).toBe('vault');
  });

  it('when the secret was never read', async () => {
    fixture.vault.writeOnly.add('secret/data/x');
    await synced();
    edit();
    await fixture.reconcile('x', 'edit');
    expect(order).toEqual(['vault', 'kms', 'kms']);
  });
});
