import { describe, expect, it } from '@jest/globals';

import { loginRefusal } from '../../../src/vault/login-refusals.js';

const errors = (...texts: string[]): string => JSON.stringify({ errors: texts });

describe('loginRefusal', () => {
  it.each([
    [
      'invalid audience (aud) claim: audience claim does not match any expected audience',
      'invalid audience (aud) claim; the token is for another audience than the role in Vault asks for',
    ],
    ['invalid role name "nope"', 'invalid role name; Vault has no such role'],
    ['namespace not authorized', 'namespace not authorized; the role is bound to other namespaces'],
    ['invalid role or secret ID', 'invalid role or secret ID'],
    ['invalid secret_id "5ecret"', 'invalid secret_id'],
    [
      'error making upstream request: received error code 403 from STS: 5ecret',
      'error making upstream request; Vault cannot ask STS, or STS refuses the request',
    ],
    [
      'IAM Principal "arn:aws:iam::1:user/x" does not belong to the role "r"',
      'IAM Principal; the role is bound to other principals',
    ],
  ])('passes %s on as %s', (text, expected) => {
    expect(loginRefusal(errors('another', text))).toBe(`: ${expected}`);
  });

  it.each([
    errors('5ecret'),
    errors('failed: invalid role name'),
    errors('invalid secret_ids 5ecret'),
    errors('invalid role nameless'),
    errors(),
    '<html>invalid role name</html>',
    '',
  ])('says nothing of %s', (text) => {
    expect(loginRefusal(text, 'a hint')).toBe('');
  });

  it('tells what a bare denial means with the method', () => {
    expect(loginRefusal(errors('permission denied'), 'a hint')).toBe(': permission denied; a hint');
    expect(loginRefusal(errors('permission denied'))).toBe('');
    expect(loginRefusal(errors('permission denied: 5ecret'), 'a hint')).toBe('');
  });
});
