import { rootCertificates } from 'node:tls';

import { expect, it } from '@jest/globals';

import { proxyContextOf } from '../../../src/runtime/agents.js';

it.each([['without', []] as const, ['with', rootCertificates.slice(0, 1)] as const])(
  'the TLS context for a proxy is made once %s added roots, not for each connection',
  (_name, added) => {
    // Without roots, each look may give another empty list.
    const contextOf = proxyContextOf(() => (added.length === 0 ? [] : added));
    expect(contextOf()).toBe(contextOf());
  },
);

it('the TLS context for a proxy follows the added roots', () => {
  let added: readonly string[] = [];
  const contextOf = proxyContextOf(() => added);
  const before = contextOf();
  added = rootCertificates.slice(0, 1);
  const after = contextOf();
  expect(after).not.toBe(before);
  added = [];
  expect(contextOf()).not.toBe(after);
});
