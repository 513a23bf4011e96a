import { describe, expect, it } from '@jest/globals';

import { PARTIAL_KIND, SECRET_KIND } from '../../../../src/api/group.js';
import { FakeKms } from '../../../support/fake-kms.js';
import { ReconcileFixture } from '../../../support/reconcile-fixture.js';
import { declared, planFor } from './plan-fixture.js';

const spec = {
  path: 'secret/data/web',
  kvSettings: { engineVersion: 'v2' },
  secrets: [{ key: 'a', encryptedSecret: FakeKms.encrypt('one') }],
};

describe('a plan of files alone', () => {
  it('knows no object of the cluster', async () => {
    const fixture = new ReconcileFixture();
    fixture.partial('shared', { secrets: [{ key: 'b', encryptedSecret: FakeKms.encrypt('two') }] });
    fixture.secret('older', { ...spec, kvSettings: { engineVersion: 'v2' } });
    const files = [declared(SECRET_KIND, 'web', { ...spec, includeSecrets: ['shared'] })];
    const [alone] = (await planFor(fixture, files, 'files-only')).forecasts;
    expect(alone).toMatchObject({
      action: 'create',
      keys: { added: ['a'] },
      findings: [{ reason: 'IncludeNotFound' }],
      conflict: undefined,
    });
    const [known] = (await planFor(fixture, files)).forecasts;
    expect(known).toMatchObject({
      action: 'blocked',
      findings: [{ reason: 'PathConflict' }],
      conflict: { owner: 'default/older', others: ['default/web'] },
    });
  });

  it('says that nothing in the files includes a partial', async () => {
    const fixture = new ReconcileFixture();
    fixture.secret('web', { ...spec, kvSettings: { engineVersion: 'v2' }, includeSecrets: ['shared'] });
    const files = [declared(PARTIAL_KIND, 'shared', { secrets: [] })];
    const alone = await planFor(fixture, files, 'files-only');
    expect(alone.forecasts).toEqual([]);
    expect(alone.notes).toContain(
      'no KMSVaultSecret includes PartialKMSVaultSecret default/shared in the files',
    );
    const known = await planFor(fixture, files);
    expect(known.forecasts.map(({ secret }) => secret.metadata.name)).toEqual(['web']);
    expect(known.notes).toBe('');
  });

  it('does not guess what the operator writes blindly to a path that nobody may read', async () => {
    const fixture = new ReconcileFixture();
    fixture.vault.writeOnly.add('secret/data/web');
    const [forecast] = (await planFor(fixture, [declared(SECRET_KIND, 'web', spec)], 'files-only')).forecasts;
    expect(forecast).toMatchObject({
      action: 'error',
      findings: [{ reason: 'VaultForbidden', message: expect.stringContaining('your token may not read') }],
    });
  });
});
