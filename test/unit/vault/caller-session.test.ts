import { describe, expect, it } from '@jest/globals';

import { CallerSession } from '../../../src/vault/caller-session.js';
import type { VaultRequest, VaultResponse } from '../../../src/vault/vault-request.js';

function sessionOf(
  token: string,
  from: string | undefined,
  lookUp: VaultResponse = { status: 200, text: '{"data":{"ttl":60,"renewable":true,"expire_time":"soon"}}' },
): { session: CallerSession; sent: string[] } {
  const sent: string[] = [];
  const client = {
    request: ({ method, path, token: used }: VaultRequest): Promise<VaultResponse> => {
      sent.push(`${method} ${path} ${used ?? ''}`);
      return Promise.resolve(path.startsWith('auth/') ? lookUp : { status: 200, text: '{}' });
    },
  };
  return { session: new CallerSession(client, { token, from }), sent };
}

const read = { method: 'GET', path: 'secret/data/web', operation: 'read' } as const;

describe('the session of a caller', () => {
  it('looks the token up once, and neither renews nor revokes it', async () => {
    const { session, sent } = sessionOf('mine', 'VAULT_TOKEN');
    await Promise.all([session.request(read), session.request(read)]);
    expect(sent).toEqual([
      'GET auth/token/lookup-self mine',
      'GET secret/data/web mine',
      'GET secret/data/web mine',
    ]);
  });

  it.each([
    { ...read, method: 'POST' as const, operation: 'write' as const },
    { ...read, method: 'DELETE' as const, operation: 'delete' as const },
    { ...read, mutates: true },
  ])('sends nothing that changes Vault: $method', async (request) => {
    const { session, sent } = sessionOf('mine', 'VAULT_TOKEN');
    await expect(session.request(request)).rejects.toThrow('for reading only');
    expect(sent).toEqual([]);
  });

  it.each([
    ['hvs.secret', '~/.vault-token', 'Vault does not accept the token of ~/.vault-token'],
    ['', undefined, 'there is no token for Vault'],
  ])('says which token Vault does not accept', async (token, from, message) => {
    const { session, sent } = sessionOf(token, from, {
      status: 403,
      text: '{"errors":["permission denied"]}',
    });
    await expect(session.request(read)).rejects.toThrow(message);
    await expect(session.check()).rejects.not.toThrow('hvs.secret');
    expect(sent).toHaveLength(1);
  });

  it('uses a token that may not look itself up', async () => {
    const denied = '{"errors":["1 error occurred:\\n\\t* permission denied\\n\\n"]}';
    const { session, sent } = sessionOf('mine', 'VAULT_TOKEN', { status: 403, text: denied });
    expect((await session.request(read)).status).toBe(200);
    expect(sent).toHaveLength(2);
  });
});
