import { describe, expect, it } from '@jest/globals';

import { RECONCILE_AT_ANNOTATION } from '../../../src/api/group.js';
import { reconcileRequestOf } from '../../../src/kube/reconcile-request.js';
import type { ObjectMeta } from '../../../src/api/resources.js';

const of = (annotations: unknown): string | undefined =>
  reconcileRequestOf({ annotations } as unknown as ObjectMeta);

describe('reconcileRequestOf', () => {
  it.each(['2026-01-01T00:00:00Z', '1', '', 'now please', 'ü', 'x'.repeat(256)])(
    'gives the value %j as it is',
    (value) => {
      expect(of({ [RECONCILE_AT_ANNOTATION]: value })).toBe(value);
    },
  );

  it.each([
    ['long', 'x'.repeat(257)],
    ['huge', 'x'.repeat(200_000)],
    ['with a line break', 'a\nb'],
    ['with an escape sequence', '\u001b[31mred'],
    ['with a mark that reorders text', 'a\u202eb'],
  ])('gives a hash of a value that is %s', (_what, value) => {
    const shown = of({ [RECONCILE_AT_ANNOTATION]: value });
    expect(shown).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(of({ [RECONCILE_AT_ANNOTATION]: `${value}!` })).not.toBe(shown);
  });

  it.each([[undefined], [null], ['text'], [{}], [{ [RECONCILE_AT_ANNOTATION]: 7 }], [{ other: 'x' }]])(
    'gives nothing for %j',
    (annotations) => {
      expect(of(annotations)).toBeUndefined();
    },
  );
});
