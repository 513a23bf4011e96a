import { describe, expect, it } from '@jest/globals';

import { isOutage, READY_REASONS, REASONS, type Retry, warningOf } from '../../../src/api/reasons.js';
import { KmsError, type KmsFailure } from '../../../src/kms/kms-error.js';
import { VaultError, type VaultFailure } from '../../../src/vault/vault-error.js';

/** Reason, retry and whether it is an outage. */
type Expected = readonly [reason: string, retry: Retry, isOutage: boolean];

const OF_VAULT: Readonly<Record<VaultFailure, Expected>> = {
  unavailable: ['VaultUnavailable', 'soon', true],
  forbidden: ['VaultForbidden', 'resync', false],
  'engine-mismatch': ['EngineMismatch', 'resync', false],
  'mount-gone': ['VaultForbidden', 'resync', false],
  rejected: ['VaultForbidden', 'resync', false],
};
const OF_KMS: Readonly<Record<KmsFailure, Expected>> = {
  'wrong-input': ['DecryptionFailed', 'never', false],
  administrator: ['DecryptionFailed', 'resync', false],
  transient: ['KmsUnavailable', 'soon', true],
};
const errors = [
  ...(Object.keys(OF_VAULT) as VaultFailure[]).map((failure) => new VaultError(failure, '')),
  ...(Object.keys(OF_KMS) as KmsFailure[]).map((failure) => new KmsError(failure, 'Code', '')),
];

describe('the policy of reasons', () => {
  it.each(errors.map((error) => [error.failure, error] as const))('decides on %s', (failure, error) => {
    const expected: Readonly<Record<string, Expected>> = { ...OF_VAULT, ...OF_KMS };
    expect([error.reason, error.retry, error.isOutage]).toEqual(expected[failure]);
  });

  it('takes a 403 that may pass for no denial', () => {
    expect(new VaultError('forbidden', '').isDenied).toBe(true);
    expect(new VaultError('forbidden', '', {}, undefined, 'soon').isDenied).toBe(false);
    expect(new VaultError('rejected', '').isDenied).toBe(false);
  });

  it('tries again soon after every outage, and holds no resource for ready meanwhile', () => {
    const outages = READY_REASONS.filter((reason) => REASONS[reason].outage);
    expect(outages).toEqual(['VaultUnavailable', 'KmsUnavailable']);
    for (const reason of outages) expect(REASONS[reason]).toMatchObject({ retry: 'soon', ready: false });
  });

  it('leaves nobody to act only where nothing is wrong', () => {
    expect(READY_REASONS.filter((reason) => REASONS[reason].actor === 'nobody')).toEqual(['Synced']);
  });

  it('puts everything that is ready last, so that it never hides what is not', () => {
    const ready = READY_REASONS.map((reason) => REASONS[reason].ready);
    expect(ready).toEqual([...ready].sort());
  });

  it('reports each reason by one event, a failed key by its own', () => {
    expect(warningOf('Deleting')).toBe('DeletionFailed');
    expect(READY_REASONS.filter((reason) => warningOf(reason) === undefined)).toEqual([
      'DecryptionFailed',
      'Synced',
    ]);
  });

  it('knows nothing of a reason that another version wrote', () => {
    expect(isOutage('VaultUnavailable')).toBe(true);
    expect(['VaultForbidden', 'FromTheFuture', 'toString', undefined].map(isOutage)).toEqual(
      Array.from({ length: 4 }, () => false),
    );
  });
});
