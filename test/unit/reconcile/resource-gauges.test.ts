import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Registry } from 'prom-client';

import { DELETE_FINALIZER, SECRET_KIND } from '../../../src/api/group.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { bad, item } from './items.js';

let fixture: ReconcileFixture;
let registry: Registry;

beforeEach(() => {
  fixture = new ReconcileFixture();
  registry = fixture.registry;
});

async function series(name: string): Promise<string[]> {
  const text = await registry.getSingleMetricAsString(`kms_vault_operator_${name}`);
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

const reasonOf = (name: string, reason: string): string =>
  `kms_vault_operator_resource_reason{namespace="default",name="${name}",reason="${reason}"} 1`;

describe('resource_reason', () => {
  it('has one series per resource, which follows the reason of its condition', async () => {
    fixture.secret('x', { secrets: [item('a', 'one'), bad('b')] });
    fixture.secret('y', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    await fixture.reconcile('y');
    expect(await series('resource_reason')).toEqual([
      reasonOf('x', 'DecryptionFailed'),
      reasonOf('y', 'Synced'),
    ]);
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    expect((await series('resource_reason')).sort()).toEqual([
      reasonOf('x', 'Synced'),
      reasonOf('y', 'Synced'),
    ]);
  });

  it('stays as the condition does during an outage', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.vault.down = true;
    await fixture.reconcile('x');
    expect(await series('resource_reason')).toEqual([reasonOf('x', 'Synced')]);
    fixture.secret('x', { secrets: [item('a', 'two')] });
    await fixture.reconcile('x');
    expect(await series('resource_reason')).toEqual([reasonOf('x', 'VaultUnavailable')]);
    expect(await series('resource_ready')).toEqual([
      'kms_vault_operator_resource_ready{namespace="default",name="x"} 0',
    ]);
  });

  it('says Deleting while a deletion waits, and goes with the resource', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] }, { finalizers: [DELETE_FINALIZER] });
    await fixture.reconcile('x');
    fixture.vault.down = true;
    fixture.delete(SECRET_KIND, 'x');
    await fixture.reconcile('x');
    expect(await series('resource_reason')).toEqual([reasonOf('x', 'Deleting')]);
    fixture.vault.down = false;
    await fixture.reconcile('x');
    expect([...(await series('resource_reason')), ...(await series('resource_ready'))]).toEqual([]);
  });

  it('goes when the replica leads no more', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.replica().endTerm();
    expect([...(await series('resource_reason')), ...(await series('resource_ready'))]).toEqual([]);
    fixture.replica().beginTerm();
    await fixture.reconcile('x');
    expect(await series('resource_reason')).toEqual([reasonOf('x', 'Synced')]);
  });

  it('takes no text of a status that somebody else wrote for a label', async () => {
    fixture.secret('x', { secrets: [item('a', 'one')] });
    await fixture.reconcile('x');
    fixture.statusForbidden = true;
    fixture.rewriteReady('x', 'Whatever');
    await fixture.reconcile('x');
    expect(await series('resource_reason')).toEqual([reasonOf('x', 'Synced')]);
  });
});
