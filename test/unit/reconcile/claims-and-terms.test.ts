import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import type { EngineVersion, KMSVaultSecret, SecretItem } from '../../../src/api/resources.js';
import { FakeKms } from '../../support/fake-kms.js';
import { ReconcileStand } from '../../support/reconcile-stand.js';

const ENGINES: EngineVersion[] = ['v1', 'v2'];
const item = (key: string, value: string): SecretItem => ({ key, encryptedSecret: FakeKms.encrypt(value) });
let stand: ReconcileStand;

beforeEach(() => {
  stand = new ReconcileStand();
});

describe('a claim', () => {
  it.each(ENGINES)('is put into the status again in a later term, on %s', async (engineVersion) => {
    const at = (name: string): { path: string; kvSettings: { engineVersion: EngineVersion } } => ({
      path: engineVersion === 'v1' ? `kv/${name}` : `secret/data/${name}`,
      kvSettings: { engineVersion },
    });
    const status = (): KMSVaultSecret['status'] => stand.cache.secret('default', 'x')?.status;
    const loseStatus = async (): Promise<void> => {
      stand.vault.onChange = () => (stand.apiDown = true);
      await stand.reconcile('x', 'edit');
      stand.apiDown = false;
      stand.vault.onChange = () => undefined;
    };
    stand.secret('x', { ...at('a'), secrets: [item('k', 'one')] }, { finalizers: [DELETE_FINALIZER] });
    await loseStatus();
    const first = stand.replica();
    // Another replica leads, tells of a, and brings it to b.
    stand.restart();
    await stand.reconcile('x');
    stand.secret('x', { ...at('b'), secrets: [item('k', 'one')] });
    await stand.reconcile('x', 'edit');
    expect(status()).toMatchObject({ path: at('b').path });
    expect(status()?.claim).toBeUndefined();
    // The first one leads again, and is killed between the write and the status.
    stand.lead(first);
    stand.secret('x', { ...at('a'), secrets: [item('k', 'two')] });
    await loseStatus();
    expect(status()?.claim).toMatchObject({ path: at('a').path });
    stand.restart();
    stand.delete(SECRET_KIND, 'x');
    await stand.reconcile('x', 'edit');
    expect(stand.values(at('a').path, engineVersion)).toBeUndefined();
  });
});
