import { describe, expect, it } from '@jest/globals';

import { parseProxy } from '../../../src/config/network-environment.js';
import { proxyFor } from '../../../src/runtime/proxy.js';

const PROXY = 'http://proxy.test:3128/';

/** Whether a proxy is used, as Go's `golang.org/x/net/http/httpproxy` decides. */
function isUsed(url: string, noProxy: string): boolean {
  const network = { sslCertDirs: [], httpProxy: PROXY, httpsProxy: PROXY, noProxy };
  return proxyFor(new URL(url), network) !== undefined;
}

describe('NO_PROXY', () => {
  it.each([
    ['vault.test', 'https://vault.test'],
    ['vault.test', 'https://a.vault.test'],
    ['VAULT.test', 'https://vault.TEST'],
    ['.vault.test', 'https://a.vault.test'],
    ['*.vault.test', 'https://a.b.vault.test'],
    ['vault.test:8200', 'https://vault.test:8200'],
    ['vault.test:', 'https://vault.test:8200'],
    ['vault.test:443', 'https://vault.test'],
    ['vault.test:80', 'http://vault.test'],
    ['vault.test', 'https://vault.test.'],
    ['vault.test.', 'https://vault.test.'],
    ['b\u00fccher.test', 'https://b\u00fccher.test'],
    ['10.1.2.3', 'https://10.1.2.3'],
    ['10.1.2.3:8200', 'https://10.1.2.3:8200'],
    ['10.0.0.0/8', 'https://10.1.2.3:8200'],
    ['2001:db8::1', 'https://[2001:db8::1]'],
    ['2001:DB8:0:0::1', 'https://[2001:db8::1]'],
    ['[2001:db8::1]:443', 'https://[2001:db8::1]'],
    ['2001:db8::/32', 'https://[2001:db8::1]'],
    ['10.0.0.0/8', 'https://[::ffff:10.1.2.3]'],
    ['a.test, *, b.test', 'https://vault.test'],
    ['', 'http://localhost:8200'],
    ['', 'http://127.1.2.3'],
    ['', 'http://[::1]:8200'],
    ['', 'http://[::ffff:127.0.0.1]'],
  ])('%j lets %s go straight', (noProxy, url) => {
    expect(isUsed(url, noProxy)).toBe(false);
  });

  it.each([
    ['.vault.test', 'https://vault.test'],
    ['*.vault.test', 'https://vault.test'],
    ['vault.test', 'https://myvault.test'],
    ['vault.test:8200', 'https://vault.test'],
    ['vault.test:443:8200', 'https://vault.test'],
    [':443', 'https://vault.test'],
    ['*:443', 'https://vault.test'],
    ['.', 'https://vault.test.'],
    ['10.1.2.3:8200', 'https://10.1.2.3'],
    ['10.0.0.0/8:443', 'https://10.1.2.3'],
    ['10.0.0.0/33', 'https://10.1.2.3'],
    ['3', 'https://10.1.2.3'],
    ['2001:db8::1', 'https://[2001:db8::2]'],
    ['', 'https://vault.test'],
  ])('%j does not let %s go straight', (noProxy, url) => {
    expect(isUsed(url, noProxy)).toBe(true);
  });
});

describe('a proxy URL', () => {
  it('with a percent sign that is no escape is refused without being quoted', () => {
    const parsed = parseProxy('http://user:canary%@proxy.test');
    expect(parsed).toEqual({ problem: expect.stringMatching(/write %25/) as unknown });
    expect(JSON.stringify(parsed)).not.toContain('canary');
    expect(parseProxy('http://user:100%25@proxy.test')).toEqual({ value: 'http://user:100%25@proxy.test/' });
  });
});
