import { beforeEach, describe, expect, it } from '@jest/globals';

import { ClientFixture, READ, WRITE } from './client-fixture.js';

let fixture: ClientFixture;

beforeEach(() => {
  fixture = new ClientFixture();
});

describe('VaultClient', () => {
  it.each([200, 204, 400, 403, 404, 405])('returns HTTP %d to the caller', async (status) => {
    const text = status === 204 ? '' : '{"errors":[]}';
    expect(await fixture.outcome(fixture.client([{ status, text }]).request(READ))).toEqual({ status, text });
    expect(fixture.sent).toHaveLength(1);
  });

  it.each([
    [200, '<html>s3cret</html>'],
    [200, ''],
    [403, '<html>blocked</html>'],
    [404, 'default backend - 404'],
    [400, '["s3cret"]'],
  ])('reports HTTP %d with %j as an answer that is not from Vault', async (status, text) => {
    const failed = await fixture.outcome(fixture.client([{ status, text }]).request(READ));
    expect(failed).toMatchObject({
      failure: 'unavailable',
      message: expect.stringContaining('did not come from Vault') as unknown,
    });
    expect((failed as Error).message).not.toContain('s3cret');
    expect(fixture.sent).toHaveLength(1);
  });

  it('sends namespace, extra headers and token, which extra headers cannot replace', async () => {
    const headers = { 'X-Team': 'a', 'X-Vault-Token': 'other' };
    await fixture.outcome(fixture.client([{}], { config: { namespace: 'ns/a', headers } }).request(WRITE));
    expect(fixture.sent[0]?.headers).toEqual({
      'X-Team': 'a',
      'X-Vault-Request': 'true',
      'X-Vault-Namespace': 'ns/a',
      'X-Vault-Token': 'tok',
      'Content-Type': 'application/json',
    });
  });

  it.each(['kv/../sys/x', './kv/x', 'kv//x', '/kv/x', 'kv/x/', '', 'kv/\ud800'])(
    'sends nothing for the path %j',
    async (path) => {
      expect(await fixture.outcome(fixture.client([{}]).request({ ...READ, path }))).toMatchObject({
        failure: 'rejected',
      });
      expect(fixture.sent).toHaveLength(0);
    },
  );

  it('escapes each segment of a path', async () => {
    await fixture.outcome(fixture.client([{}]).request({ ...READ, path: 'kv/data/ü b/%2e%2e/a?b#c' }));
    expect(fixture.sent[0]?.url).toBe(
      'https://vault.example:8200/v1/kv/data/%C3%BC%20b/%252e%252e/a%3Fb%23c',
    );
  });
});
