import { rootCertificates } from 'node:tls';

import { expect, it } from '@jest/globals';

import { contextOf } from '../../../src/runtime/agents.js';

const ADDED = rootCertificates.slice(0, 1);

it.each([['without', undefined] as const, ['with', ADDED] as const])(
  'the TLS context is made once %s added roots, not for each connection',
  (_name, added) => {
    const context = contextOf(() => added, rootCertificates);
    expect(context()).toBe(context());
  },
);

it('the TLS context follows the added roots', () => {
  let added: readonly string[] | undefined;
  const context = contextOf(() => added, rootCertificates);
  const before = context();
  added = ADDED;
  const after = context();
  expect(after).not.toBe(before);
  added = undefined;
  expect(context()).not.toBe(after);
});
