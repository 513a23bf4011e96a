import { beforeEach, describe, expect, it } from '@jest/globals';

import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, ENGINES, item, pathFor } from './items.js';

let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
});

describe('a path that the token may not read', () => {
  it('is written when the secret is complete, on v2 once per change', async () => {
    fixture.vault.writeOnly.add('secret/data/x');
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    await fixture.reconcile('x');
    fixture.restart();
    await fixture.reconcile('x');
    expect(fixture.vault.writes).toBe(1);
    fixture.secret('x', { secrets: [item('a', 'two'), bad('b')] });
    await fixture.reconcile('x', 'edit');
    expect(fixture.vault.writes).toBe(1);
    expect(fixture.ready('x')?.reason).toBe('VaultForbidden');
  });

  it.each(ENGINES)(
    'is not written on %s while permissions may still be replicated',
    async (engineVersion) => {
      const path = pathFor(engineVersion);
      fixture.vault.tamper(path, engineVersion, new Map([['b', '"before"']]));
      fixture.secret('x', { path, kvSettings: { engineVersion }, secrets: [item('a', 'one'), bad('b')] });
      fixture.vault.notReplicated = true;
      expect(await fixture.reconcile('x')).toMatchObject({ result: 'error' });
      expect(fixture.vault.writes).toBe(0);
      fixture.vault.notReplicated = false;
      await fixture.reconcile('x');
      expect(fixture.values(path, engineVersion)).toEqual({ a: 'one', b: 'before' });
    },
  );
});
