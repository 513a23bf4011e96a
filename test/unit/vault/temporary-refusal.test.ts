import { describe, expect, it } from '@jest/globals';

import { temporaryRefusal, wasNotBegun } from '../../../src/vault/temporary-refusal.js';

const errors = (...texts: string[]): string => JSON.stringify({ errors: texts });
const UPGRADE = ' from non-versioned to versioned data. This backend will be unavailable for a brief period';

describe('temporaryRefusal', () => {
  it.each([
    [400, errors(`Upgrading${UPGRADE} and will resume service shortly.`)],
    [400, errors(`Waiting for the primary to upgrade${UPGRADE} and will resume service when …`)],
    [400, errors('path disabled in replication DR secondary mode')],
    [400, errors('error making upstream request: error making request: dial tcp 1.2.3.4:443: i/o timeout')],
    [400, errors('error making upstream request: received error code 503 from STS: <s3cret/>')],
    [400, errors('error making upstream request: received error code 429 from STS: Throttling')],
    [412, errors('required index state not present')],
    [429, errors('request path "kv/app": rate limit quota exceeded')],
    [429, errors('1 error occurred:\n\t* request path "kv/app": lease count quota exceeded\n\n')],
    [472, ''],
    [473, ''],
  ])('takes HTTP %d with %s for an outage', (status, text) => {
    expect(temporaryRefusal(status, text)).toEqual(expect.any(String));
    expect(temporaryRefusal(status, text)).not.toContain('s3cret');
  });

  it.each([
    [400, errors('check-and-set parameter did not match the current version')],
    [400, errors('missing data fields')],
    [400, errors(`rejected: Upgrading${UPGRADE}`)],
    [400, errors('error making upstream request: received error code 403 from STS: <ErrorResponse/>')],
    [400, errors()],
    [400, '<html>'],
    [403, errors('permission denied')],
    [404, errors('no handler for route "kv/app". route entry not found.')],
    [405, errors('1 error occurred:\n\t* unsupported operation\n\n')],
    [413, errors('http: request body too large')],
  ])('takes HTTP %d with %s for an answer', (status, text) => {
    expect(temporaryRefusal(status, text)).toBeUndefined();
  });
});

describe('wasNotBegun', () => {
  it.each([
    [503, errors('Vault is sealed')],
    [503, errors('Vault is in standby mode')],
    [503, errors('node is not active')],
    [503, errors('no active Vault instance found')],
    [503, errors('overloaded, try again later')],
    [500, errors('local node not active but active cluster node not found')],
    [412, errors('required index state not present')],
    [429, errors('request path "auth/approle/login": rate limit quota exceeded')],
    [429, ''],
  ])('takes HTTP %d with %s for a word of Vault that it did nothing', (status, text) => {
    expect(wasNotBegun(status, text)).toBe(true);
  });

  it.each([
    [502, '<html>Bad Gateway</html>'],
    [503, '<html>Vault is sealed</html>'],
    [503, ''],
    [503, errors()],
    [504, 'stream timeout'],
    [500, errors('internal error')],
    // After the login, before its lease.
    [429, errors('1 error occurred:\n\t* request path "auth/approle/login": lease count quota exceeded\n\n')],
    // In the midst of a request: the barrier was closed under it.
    [500, errors('1 error occurred:\n\t* Vault is sealed\n\n')],
    [500, errors('Vault is sealed')],
  ])('takes HTTP %d with %s for no proof', (status, text) => {
    expect(wasNotBegun(status, text)).toBe(false);
  });
});
