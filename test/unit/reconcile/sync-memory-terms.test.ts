import { describe, expect, it } from '@jest/globals';

import { SyncMemory } from '../../../src/reconcile/sync-memory.js';

describe('SyncMemory.forgetUnverifiable', () => {
  it('forgets what was written without a reading: another replica may have written since', () => {
    const memory = new SyncMemory();
    memory.remember('blind', { inputsHash: 'h', dataMac: undefined, failedKeys: [] });
    memory.settle('blind', { generation: 1, inputsHash: 'h', state: 'synced' });
    memory.forgetUnverifiable();
    expect(memory.fingerprint('blind')).toBeUndefined();
    expect(memory.settlement('blind')).toBeUndefined();
  });

  it('keeps what every sync compares with Vault', () => {
    const memory = new SyncMemory();
    const fingerprint = { inputsHash: 'h', dataMac: memory.mac(new Map([['k', '"v"']])), failedKeys: ['x'] };
    memory.remember('read', fingerprint);
    memory.forgetUnverifiable();
    expect(memory.fingerprint('read')).toEqual(fingerprint);
  });
});
