import { describe, expect, it } from '@jest/globals';

import { isRedirect, redirectTarget } from '../../../src/vault/redirect.js';

const FROM = 'https://vault.example:8200/v1/kv/data/app';

describe('redirectTarget', () => {
  it.each([
    ['https://other.example/v1/kv/data/app', FROM, 'https://other.example/v1/kv/data/app'],
    ['/v1/kv/data/app?x=1', FROM, 'https://vault.example:8200/v1/kv/data/app?x=1'],
    ['http://b/v1/x', 'http://a/v1/x', 'http://b/v1/x'],
    ['https://b/v1/x', 'http://a/v1/x', 'https://b/v1/x'],
  ])('leads to %s', (location, from, url) => {
    expect(redirectTarget({ headers: { location } }, from, false)).toEqual({ url });
  });

  it.each([
    ['http://vault.example:8200/v1/kv/data/app', 'from https to http'],
    ['ftp://vault.example/x', 'neither http'],
    ['file:///etc/passwd', 'neither http'],
    ['https://user:pw@other.example/v1/x', 'with credentials'],
    ['https://', 'without a valid address'],
    [undefined, 'without a valid address'],
  ])('refuses %s', (location, why) => {
    expect(redirectTarget({ headers: { location } }, FROM, false)).toEqual({
      problem: expect.stringContaining(why) as unknown,
    });
  });

  it('refuses http after an https that is written in upper case', () => {
    const headers = { location: 'http://vault.example:8200/v1/x' };
    expect(redirectTarget({ headers }, FROM.replace('https', 'HTTPS'), false)).toHaveProperty('problem');
  });

  it('goes nowhere when redirects are switched off', () => {
    expect(redirectTarget({ headers: { location: '/v1/x' } }, FROM, true)).toHaveProperty('problem');
  });

  it.each([
    [301, true],
    [302, true],
    [307, true],
    [308, true],
    [303, false],
    [304, false],
    [200, false],
  ])('takes %d for a redirect: %s', (status, expected) => {
    expect(isRedirect({ status })).toBe(expected);
  });
});
