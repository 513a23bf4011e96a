import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { itemsOf, itemsToCheck } from '../../../src/admission/spec-items.js';

const context = fc.option(fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('1', '2')), {
  nil: undefined,
});
const item = fc.record(
  {
    key: fc.constantFrom('x', 'y', 'z'),
    encryptedSecret: fc.constantFrom('', 'one', 'two'),
    secretContext: context,
    emptySecret: fc.boolean(),
  },
  { requiredKeys: ['key'] },
);
const spec = fc.record(
  { secretContext: context, secrets: fc.uniqueArray(item, { selector: ({ key }) => key }) },
  { requiredKeys: ['secrets'] },
);

describe('itemsToCheck', () => {
  it('leaves out exactly what would be asked of KMS in the same way before', () => {
    fc.assert(
      fc.property(spec, spec, (before, after) => {
        const id = (one: { context: object }): string =>
          JSON.stringify({ ...one, context: Object.entries(one.context).sort() });
        const known = new Set(itemsToCheck(itemsOf(before)).map(id));
        const expected = itemsToCheck(itemsOf(after)).filter((one) => !known.has(id(one)));
        expect(itemsToCheck(itemsOf(after), itemsOf(before))).toEqual(expected);
      }),
    );
  });

  it('takes every item that has a ciphertext to decrypt, with the context that counts', () => {
    const spec = itemsOf({
      secretContext: { env: 'prod' },
      secrets: [
        { key: 'own', encryptedSecret: 'a', secretContext: { b: '1' } },
        { key: 'resource', encryptedSecret: 'a', secretContext: {} },
        { key: 'empty', encryptedSecret: 'a', emptySecret: true },
        { key: 'nothing' },
        { key: '__proto__', encryptedSecret: 'a' },
        { key: 7, encryptedSecret: 'a' },
      ],
    });
    expect(itemsToCheck(spec)).toEqual([
      { key: 'own', encryptedSecret: 'a', context: { b: '1' } },
      { key: 'resource', encryptedSecret: 'a', context: { env: 'prod' } },
      { key: '__proto__', encryptedSecret: 'a', context: { env: 'prod' } },
    ]);
  });
});
