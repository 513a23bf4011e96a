import { beforeEach, describe, expect, it } from '@jest/globals';

import { DELETE_FINALIZER, PARTIAL_KIND } from '../../../src/api/group.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { ENGINES, item, pathFor } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

describe('included partials', () => {
  it.each(ENGINES)(
    'do not return on %s while a partial is still visible after its finalizer was removed',
    async (engineVersion) => {
      const path = pathFor(engineVersion);
      const finalizers = [DELETE_FINALIZER, 'example.com/other'];
      fixture.partial('shared', { secrets: [item('b', 'two')] }, { finalizers });
      const spec = { path, kvSettings: { engineVersion }, includeSecrets: ['shared'] };
      fixture.secret('x', { ...spec, secrets: [item('a', 'one')] });
      await fixture.reconcile('x');
      fixture.delete(PARTIAL_KIND, 'shared');
      await fixture.reconcile('x', 'edit');
      await fixture.reconcile('shared', 'edit', PARTIAL_KIND);
      expect(fixture.cache.partial('default', 'shared')?.metadata.finalizers).toEqual(['example.com/other']);
      fixture.vault.tamper(path, engineVersion, new Map([['theirs', '1']]));
      await fixture.reconcile('x');
      expect(fixture.values(path, engineVersion)).toEqual({ a: 'one', theirs: 1 });
      expect(fixture.ready('x')?.reason).toBe('IncludeNotFound');
    },
  );

  it('are retried when they cannot be read, never treated as missing', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')], includeSecrets: ['p'] });
    fixture.apiDown = true;
    expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
    expect(fixture.vault.writes).toBe(0);
  });
});
