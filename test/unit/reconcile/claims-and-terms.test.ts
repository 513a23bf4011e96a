import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion, KMSVaultSecret, SecretItem } from '../../../src/api/resources.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { ENGINES } from './items.js';

const item = (key: string, value: string): SecretItem => ({ key, encryptedSecret: FakeKms.encrypt(value) });
let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

describe('a claim', () => {
  it.each(ENGINES)('is put into the status again in a later term, on %s', async (engineVersion) => {
    const at = (name: string): { path: string; kvSettings: { engineVersion: EngineVersion } } => ({
      path: engineVersion === 'v1' ? `kv/${name}` : `secret/data/${name}`,
      kvSettings: { engineVersion },
    });
    const status = (): KMSVaultSecret['status'] => fixture.cache.secret('default', 'x')?.status;
    const loseStatus = async (): Promise<void> => {
      fixture.vault.onChange = () => (fixture.apiDown = true);
      await fixture.reconcile('x', 'edit');
      fixture.apiDown = false;
      fixture.vault.onChange = () => undefined;
    };
    fixture.secret('x', { ...at('a'), secrets: [item('k', 'one')] }, { finalizers: [DELETE_FINALIZER] });
    await loseStatus();
    const first = fixture.replica();
    // Another replica leads, reports path a, and moves the resource to b.
    fixture.restart();
    await fixture.reconcile('x');
    fixture.secret('x', { ...at('b'), secrets: [item('k', 'one')] });
    await fixture.reconcile('x', 'edit');
    expect(status()).toMatchObject({ path: at('b').path });
    expect(status()?.claim).toBeUndefined();
    // The first one leads again, and is killed between the write and the status.
    fixture.lead(first);
    fixture.secret('x', { ...at('a'), secrets: [item('k', 'two')] });
    await loseStatus();
    expect(status()?.claim).toMatchObject({ path: at('a').path });
    fixture.restart();
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x', 'edit');
    expect(fixture.values(at('a').path, engineVersion)).toBeUndefined();
  });
});
