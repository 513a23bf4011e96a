import { beforeEach, describe, expect, it } from '@jest/globals';

import { RECONCILE_AT_ANNOTATION, SECRET_KIND } from '../../../src/api/group.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import { ReconcileFixture } from '../../support/reconcile-fixture.js';
import { item } from './items.js';

const PATH = 'secret/data/x';
let fixture: ReconcileFixture;

beforeEach(() => {
  fixture = new ReconcileFixture();
  fixture.provenance = true;
  fixture.restart();
});

const put = (customMetadata?: Record<string, string>, value = 'one'): void => {
  fixture.secret('x', {
    path: PATH,
    kvSettings: {
      engineVersion: 'v2',
      ...(customMetadata === undefined ? {} : { metadata: { customMetadata } }),
    },
    secrets: [item('a', value)],
  });
};
const custom = (): Record<string, string> =>
  Object.fromEntries(fixture.vault.metadataOf(PATH)?.customMetadata ?? []);
const ORIGIN = { 'managed-by': 'kms-vault-operator', resource: 'default/x', generation: '1' };

describe('--provenance', () => {
  it('is merged with the custom metadata that is there, and costs no request while it is right', async () => {
    put();
    fixture.vault.tamperMetadata(PATH, { customMetadata: new Map([['team', 'web']]) });
    await fixture.reconcile('x', 'edit');
    expect(custom()).toEqual({ team: 'web', ...ORIGIN });
    const { writes, metadataReads } = fixture.vault;
    await fixture.reconcile('x');
    fixture.restart();
    await fixture.reconcile('x');
    expect(fixture.vault).toMatchObject({ writes, metadataReads });
    expect(fixture.reasons()).toEqual(['SecretCreated']);
  });

  it('names the generation of the spec that was synced last', async () => {
    put();
    await fixture.reconcile('x', 'edit');
    put(undefined, 'two');
    await fixture.reconcile('x', 'edit');
    expect(custom().generation).toBe('2');
  });

  it('comes on top of custom metadata in the spec, which is otherwise the whole map', async () => {
    put({ team: 'web', resource: 'forged/origin' });
    fixture.vault.tamperMetadata(PATH, { customMetadata: new Map([['theirs', '1']]) });
    await fixture.reconcile('x', 'edit');
    expect(custom()).toEqual({ team: 'web', ...ORIGIN });
  });

  it('is left out where Vault would not store as many keys', async () => {
    const many = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`key-${String(index)}`, 'x']));
    put(many);
    await fixture.reconcile('x', 'edit');
    expect(custom()).toEqual(many);
    expect(fixture.ready('x')?.reason).toBe('Synced');
  });

  it('never makes a resource unready, and a missing permission is logged once and asked for once an hour', async () => {
    fixture.vault.metadataFailure = new VaultError('forbidden', 'Vault does not allow this token to read it');
    put();
    for (let count = 0; count < 3; count += 1) await fixture.reconcile('x');
    expect(fixture.ready('x')?.reason).toBe('Synced');
    const said = fixture.logger.entries.filter(({ message }) => message.includes('--provenance'));
    expect(said).toHaveLength(1);
    expect(fixture.vault.metadataReads).toBe(1);
    fixture.vault.metadataFailure = undefined;
    fixture.now += 3_600_001;
    await fixture.reconcile('x');
    expect(custom()).toEqual(ORIGIN);
  });

  it('is asked for at once by a full sync', async () => {
    fixture.vault.metadataFailure = new VaultError('forbidden', 'Vault does not allow this token to read it');
    put();
    await fixture.reconcile('x');
    fixture.vault.metadataFailure = undefined;
    await fixture.reconcile('x');
    expect(custom()).toEqual({});
    fixture.annotate(SECRET_KIND, 'x', RECONCILE_AT_ANNOTATION, 'now');
    await fixture.reconcile('x', 'edit');
    expect(custom()).toEqual(ORIGIN);
  });
});
