import { describe, expect, it } from '@jest/globals';

import { AllowedPaths, patternProblem } from '../../../src/api/allowed-paths.js';
import { decodeBase64 } from '../../../src/api/base64.js';
import { printable } from '../../../src/api/printable.js';
import { parseVaultPath } from '../../../src/api/vault-path.js';

describe('parseVaultPath', () => {
  it.each([
    ['secret/x', 'secret/x'],
    ['secret//x', 'secret/x'],
    ['/secret/data/x/', 'secret/data/x'],
    ['team/kv/data/a b/ö', 'team/kv/data/a b/ö'],
  ])('takes %s for %s', (raw, path) => {
    expect(parseVaultPath(raw)).toEqual({ ok: true, path });
  });

  it.each([
    'kv/../sys/policies/acl/x',
    'kv/./x',
    'kv/ .. /x',
    '%2e%2e/x',
    'secret/x?list=true',
    'secret/x#y',
    'http://elsewhere/x',
    'secret\\x',
    'secret/x\u0000',
    'secret/x\n',
    'sys/mounts',
    '/sys/mounts',
    'SYS/mounts',
    'auth/token/create',
    'identity/entity',
    'cubbyhole/x',
    'secret',
    '',
    '///',
  ])('refuses %j', (raw) => {
    expect(parseVaultPath(raw).ok).toBe(false);
  });
});

describe('AllowedPaths', () => {
  it.each([
    ['kv/*', 'kv/x', true],
    ['kv/*', 'kv/x/y', false],
    ['kv/**', 'kv/x/y', true],
    ['**/data/{{namespace}}/*', 'a/b/data/team/x', true],
    ['**/data/{{namespace}}/*', 'a/b/data/other/x', false],
    ['kv/web-*-prod', 'kv/web-eu-prod', true],
    ['kv/web-*-prod', 'kv/web-prod', false],
    ['kv/a*b*c', 'kv/aXbYbZc', true],
  ])('%s on %s: %s', (pattern, path, allowed) => {
    expect(patternProblem(pattern)).toBeUndefined();
    expect(AllowedPaths.of([pattern]).allows(path, 'team')).toBe(allowed);
  });

  it('allows everything without patterns', () => {
    expect(AllowedPaths.of(undefined).allows('any/where', 'team')).toBe(true);
  });

  it.each(['', 'kv/a**', 'kv/{{name}}/x', 'sys/**', 'kv/../x'])('refuses the pattern %j', (pattern) => {
    expect(patternProblem(pattern)).toBeDefined();
  });
});

describe('decodeBase64', () => {
  it.each([
    ['aGVsbG8=', 'hello'],
    ['aGVs\nbG8=\r\n', 'hello'],
    ['', ''],
  ])('reads %j as Go does', (text, decoded) => {
    expect(Buffer.from(decodeBase64(text) ?? []).toString()).toBe(decoded);
    expect(decodeBase64(text)).toBeDefined();
  });

  it.each(['aGVsbG8', 'aGVsbG8==', 'aGVs bG8=', 'aGVs-bG8', '=', 'a==='])('refuses %j', (text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });
});

describe('printable', () => {
  it('makes hostile names harmless and long ones short', () => {
    expect(printable('a\r\nb\u001b[31m\u202e')).toBe('a\\u{d}\\u{a}b\\u{1b}[31m\\u{202e}');
    expect(Array.from(printable('ü'.repeat(300)))).toHaveLength(254);
  });
});
