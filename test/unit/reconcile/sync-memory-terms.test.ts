import { describe, expect, it } from '@jest/globals';

import { SyncMemory } from '../../../src/reconcile/sync-memory.js';

const PLACE = { path: 'secret/data/x', engine: 'v2' } as const;

describe('SyncMemory.forgetUnverifiable', () => {
  it('forgets blind writes, because another replica may have written since', () => {
    const memory = new SyncMemory();
    memory.remember('blind', PLACE, { inputsHash: 'h', dataMac: undefined, failedKeys: [] });
    memory.recordSync('blind', PLACE, { generation: 1, inputsHash: 'h' }, 'synced');
    memory.forgetUnverifiable();
    expect(memory.fingerprint('blind', PLACE)).toBeUndefined();
    expect(memory.lastSync('blind', PLACE)).toBeUndefined();
  });

  it('keeps entries that every sync compares with Vault', () => {
    const memory = new SyncMemory();
    const fingerprint = { inputsHash: 'h', dataMac: memory.mac(new Map([['k', '"v"']])), failedKeys: ['x'] };
    memory.remember('read', PLACE, fingerprint);
    memory.forgetUnverifiable();
    expect(memory.fingerprint('read', PLACE)).toEqual(fingerprint);
  });
});
