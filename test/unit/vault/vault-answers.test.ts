import { describe, expect, it } from '@jest/globals';

import {
  answerMembers,
  knownReason,
  notFound,
  refusal,
  saysTokenIsInvalid,
} from '../../../src/vault/vault-answers.js';
import { VaultError } from '../../../src/vault/vault-error.js';

const errors = (...texts: string[]): string => JSON.stringify({ errors: texts });

describe('notFound', () => {
  it.each([
    [errors(), 'secret'],
    [errors('no handler for route "m/p". route entry not found.'), 'mount'],
    [errors("no handler for route 'm/p'"), 'mount'],
    [errors('namespace not found'), 'other'],
    ['{"data":null,"warnings":["Invalid path for a versioned K/V secrets engine."]}', 'other'],
    ['{"errors":"x"}', 'other'],
    ['default backend - 404', 'other'],
    ['', 'other'],
  ])('reads %s as %s', (text, expected) => {
    expect(notFound(text)).toBe(expected);
  });
});

describe('saysTokenIsInvalid', () => {
  it.each([
    [errors('permission denied'), true],
    [errors('2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'), true],
    [errors('bad token'), true],
    [errors('1 error occurred:\n\t* permission denied\n\n'), false],
    [errors('preflight capability check returned 403, please ensure …'), false],
    ['<html>', false],
  ])('reads %s as %s', (text, expected) => {
    expect(saysTokenIsInvalid(text)).toBe(expected);
  });
});

describe('knownReason', () => {
  it('passes on what is on the closed list, with advice', () => {
    expect(knownReason(errors('check-and-set parameter did not match the current version'))).toContain(
      'check-and-set',
    );
    expect(knownReason(errors('error parsing JSON'))).toContain('max_request_json_strings');
  });

  it.each([errors('failed: s3cret'), errors('permission denied for s3cret'), 's3cret', errors()])(
    'says nothing of %s',
    (text) => {
      expect(knownReason(text)).toBe('');
    },
  );
});

describe('refusal', () => {
  it.each([
    [403, errors('1 error occurred'), 'write', 'forbidden', 'create or update kv/app'],
    [404, errors('no handler for route "kv/app"'), 'read', 'mount-gone', 'a mount for kv/app'],
    [404, errors('namespace not found'), 'read', 'rejected', 'check VAULT_NAMESPACE'],
    [400, errors('s3cret'), 'write', 'rejected', 'Vault rejected the write of kv/app (HTTP 400)'],
    [413, errors('http: request body too large'), 'write', 'rejected', 'max_request_size'],
  ] as const)('turns %d %s into a %s', (status, text, operation, failure, message) => {
    const error = refusal({ status, text }, operation, 'kv/app');
    expect(error.failure).toBe(failure);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('s3cret');
  });
});

describe('answerMembers', () => {
  it('says nothing of an answer that is no JSON object', () => {
    const read = (): unknown => answerMembers('{"client_token":"s3cret"', 'login', 'kv/app');
    expect(read).toThrow(VaultError);
    expect(read).not.toThrow(/s3cret/);
  });
});
