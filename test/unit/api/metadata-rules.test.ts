import { describe, expect, it } from '@jest/globals';

import { checkSecretSpec } from '../../../src/api/validation.js';
import { goDuration, vaultSeconds } from '../../../src/api/vault-duration.js';

function problems(metadata: unknown, more: Readonly<Record<string, unknown>> = {}): string[] {
  const checked = checkSecretSpec({
    path: 'secret/data/x',
    kvSettings: { engineVersion: 'v2', metadata, ...more },
  });
  return checked.ok ? [] : checked.problems.map(({ field, problem }) => `${field} ${problem}`);
}
const map = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${String(index)}`, 'v']));

describe('spec.kvSettings.metadata', () => {
  it.each([
    [undefined],
    [null],
    [{}],
    [{ maxVersions: 0, deleteVersionAfter: '0s', casRequired: false, customMetadata: {} }],
    [{ maxVersions: 4_294_967_295, deleteVersionAfter: '30d' }],
    [{ maxVersions: null, deleteVersionAfter: null, casRequired: null, customMetadata: null }],
    [{ customMetadata: { ['k'.repeat(128)]: 'v'.repeat(512), 'mit Leerzeichen ü': '✓ €' } }],
    [{ customMetadata: map(64) }],
  ])('may be %j', (metadata) => {
    expect(problems(metadata)).toEqual([]);
  });

  it.each([
    ['x', 'spec.kvSettings.metadata must be an object'],
    [{ maxVersions: -1 }, 'maxVersions must be a whole number from 0 to 4294967295'],
    [{ maxVersions: 1.5 }, 'maxVersions must be a whole number'],
    [{ maxVersions: 4_294_967_296 }, 'maxVersions must be a whole number'],
    [{ deleteVersionAfter: '1 week' }, 'deleteVersionAfter must be a duration as Vault takes it'],
    [{ deleteVersionAfter: 90 }, 'deleteVersionAfter must be a duration as Vault takes it'],
    [{ deleteVersionAfter: '-1h' }, 'deleteVersionAfter must not be negative'],
    [{ deleteVersionAfter: '500ms' }, 'deleteVersionAfter must be at least one second'],
    [{ casRequired: 'yes' }, 'casRequired must be true or false'],
    [{ customMetadata: map(65) }, 'customMetadata has 65 keys; Vault stores at most 64'],
    [{ customMetadata: { '': 'x' } }, 'customMetadata has an empty key'],
    [{ customMetadata: { a: '' } }, 'the value of key "a" is empty'],
    [{ customMetadata: { a: 1 } }, 'the value of key "a" must be a string'],
    [{ customMetadata: { ['ü'.repeat(65)]: 'x' } }, 'is longer than 128 bytes'],
    [{ customMetadata: { a: '€'.repeat(171) } }, 'the value of key "a" is longer than 512 bytes'],
    [{ customMetadata: { 'a\n': 'x' } }, 'has characters that cannot be printed'],
    [{ customMetadata: { a: 'x\u00a0y' } }, 'the value of key "a" has characters that cannot be printed'],
    [{ customMetadata: { a: '\ud83d' } }, 'the value of key "a" has characters that cannot be printed'],
  ])('must not be %j', (metadata, problem) => {
    expect(problems(metadata).join()).toContain(problem);
  });

  it.each(['all', 'latest', null, undefined])('may have deletion: %s beside it', (deletion) => {
    expect(problems({}, { deletion })).toEqual([]);
  });

  it('refuses any other deletion', () => {
    expect(problems({}, { deletion: 'none' })).toEqual(['spec.kvSettings.deletion must be all or latest']);
  });
});

describe('a duration of Vault', () => {
  it.each([
    ['', 0],
    ['0s', 0],
    ['90', 90],
    ['7d', 604_800],
    ['1h30m', 5_400],
    ['1.5h', 5_400],
    ['3h25m19s', 12_319],
    ['1500ms', 1],
    ['+1h', 3_600],
    ['-1s', -1],
    ['9223372036s', 9_223_372_036],
  ])('%s is %d seconds', (text, seconds) => {
    expect(vaultSeconds(text)).toBe(seconds);
  });

  it.each(['1d12h', '100y', ' 1h', 'h', '.s', '1h 30m', '9223372037s', '99999999999', '106752d'])(
    '%s is none',
    (text) => {
      expect(vaultSeconds(text)).toBeUndefined();
    },
  );

  it.each([0, 1, 59, 60, 3_600, 5_401, 604_800])('%d seconds are read as they are written', (seconds) => {
    expect(vaultSeconds(goDuration(seconds))).toBe(seconds);
  });
});
