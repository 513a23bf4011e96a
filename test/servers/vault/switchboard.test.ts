import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { HttpJson, type JsonAnswer } from '../../support/http-json.js';
import { type LoopbackVault, startVaultServer } from './server.js';

let vault: LoopbackVault;
let http: HttpJson;
let now = new Date('2026-01-01T00:00:00Z');

beforeEach(async () => {
  now = new Date('2026-01-01T00:00:00Z');
  vault = await startVaultServer({ mounts: { secret: 'v2', kv: 'v1' }, now: () => now });
  http = new HttpJson(vault.url, {});
});

afterEach(async () => {
  http.close();
  await vault.close();
});

async function send(
  method: string,
  path: string,
  body?: unknown,
  token = vault.rootToken,
): Promise<JsonAnswer> {
  return await http.send(method, `/v1/${path}`, body, token === '' ? {} : { 'x-vault-token': token });
}

function pass(seconds: number): void {
  now = new Date(now.getTime() + seconds * 1000);
}

async function newToken(wishes: object): Promise<string> {
  return (await send('POST', 'auth/token/create', { policies: ['default'], ...wishes })).json.auth
    .client_token;
}

async function statusOf(token: string): Promise<number> {
  return (await send('GET', 'auth/token/lookup-self', undefined, token)).status;
}

describe('LoopbackVault', () => {
  it('answers 503 to every request while it is sealed, and keeps its data', async () => {
    await send('POST', 'kv/a', { x: '1' });
    vault.seal();
    for (const path of ['kv/a', 'sys/internal/ui/mounts/kv', 'auth/token/lookup-self', 'nothing/at/all']) {
      const { status, json } = await send('GET', path);
      expect({ status, json }).toEqual({ status: 503, json: { errors: ['Vault is sealed'] } });
    }
    vault.unseal();
    expect((await send('GET', 'kv/a')).json.data).toEqual({ x: '1' });
  });

  it('redirects requests while it is a standby', async () => {
    vault.standby('https://127.0.0.1:1');
    const { status } = await send('GET', 'kv/a?x=1');
    expect(status).toBe(307);
    vault.standby(undefined);
    expect((await send('GET', 'kv/a')).status).toBe(404);
  });

  it('restarts on the same port with its data', async () => {
    await send('POST', 'kv/a', { x: '1' });
    const { url } = vault;
    await vault.stop();
    await expect(send('GET', 'kv/a')).rejects.toThrow();
    await vault.restart();
    expect(vault.url).toBe(url);
    expect((await send('GET', 'kv/a')).json.data).toEqual({ x: '1' });
  });

  it('loses its secrets but not its mounts at a wipe', async () => {
    await send('POST', 'kv/a', { x: '1' });
    await send('POST', 'secret/data/a', { data: { x: '1' } });
    vault.wipe();
    expect([(await send('GET', 'kv/a')).status, (await send('GET', 'secret/data/a')).status]).toEqual([
      404, 404,
    ]);
    const again = await send('POST', 'secret/data/a', { data: {}, options: { cas: 0 } });
    expect(again.json.data.version).toBe(1);
  });

  it('lets a test read and change what it stores', async () => {
    await send('POST', 'secret/data/a', { data: { x: '1' } });
    expect(vault.kvV2('secret').secrets.get('a')?.versions.get(1)?.data.get('x')).toBe('"1"');
    vault.kvV1('kv').secrets.set('b', new Map([['y', '2']]));
    expect((await send('GET', 'kv/b')).json.data).toEqual({ y: 2 });
    expect(() => vault.kvV1('secret')).toThrow('no K/V v1 mount at secret');
  });

  it('records the operation of each request', async () => {
    await send('GET', 'kv/a');
    await send('POST', 'kv/a', { x: '1' });
    await send('DELETE', 'kv/a');
    await send('GET', 'sys/internal/ui/mounts/kv');
    await send('POST', 'auth/token/renew-self', {});
    await send('POST', 'auth/deep/er/login', {});
    await send('POST', 'auth/userpass/login/bob', {});
    const seen = vault.requests.all.map(({ operation }) => operation);
    expect(seen).toEqual([...['read', 'write', 'delete', 'mount-lookup'], ...['renew', 'login', 'login']]);
  });

  it('expires tokens by the injected clock', async () => {
    const token = await newToken({ ttl: '60s' });
    pass(59);
    expect(await statusOf(token)).toBe(200);
    pass(1);
    const { status, json } = await send('GET', 'auth/token/lookup-self', undefined, token);
    expect({ status, json }).toEqual({
      status: 403,
      json: { errors: ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'] },
    });
  });

  it('renews a token up to its explicit maximum TTL', async () => {
    const token = await newToken({ ttl: '60s', explicit_max_ttl: '100s' });
    pass(50);
    const renewed = await send('POST', 'auth/token/renew-self', { increment: '60s' }, token);
    expect(renewed.json.auth.lease_duration).toBe(50);
    expect(renewed.json.warnings).toEqual([
      'TTL of "1m" exceeded the effective max_ttl of "50s"; TTL value is capped accordingly',
    ]);
    pass(50);
    expect(await statusOf(token)).toBe(403);
  });

  it('renews a periodic token without a limit', async () => {
    const token = await newToken({ period: '60s' });
    for (let count = 0; count < 1500; count += 1) {
      pass(59);
      if (count % 100 === 0) await send('POST', 'auth/token/renew-self', {}, token);
      else await vault.tokens.renew(vault.tokens.peek(token) as never, 0);
    }
    expect(await statusOf(token)).toBe(200);
    pass(60);
    expect(await statusOf(token)).toBe(403);
  });

  it('revokes tokens on demand', async () => {
    const token = await newToken({ ttl: '1h' });
    vault.revokeToken(token);
    expect(await statusOf(token)).toBe(403);
  });

  it('locks a user out after five wrong passwords, for a quarter of an hour', async () => {
    await send('POST', 'sys/auth/userpass', { type: 'userpass' });
    await send('POST', 'auth/userpass/users/bob', { password: 'right' });
    const login = async (password: string): Promise<number> =>
      (await send('POST', 'auth/userpass/login/bob', { password }, '')).status;
    for (let count = 0; count < 5; count += 1) expect(await login('wrong')).toBe(400);
    expect([await login('wrong'), await login('right')]).toEqual([403, 403]);
    pass(15 * 60);
    expect(await login('right')).toBe(200);
  });

  it('serves a v2 version until its deletion time', async () => {
    await send('POST', 'secret/metadata/a', { delete_version_after: '60s' });
    await send('POST', 'secret/data/a', { data: { x: '1' } });
    pass(59);
    expect((await send('GET', 'secret/data/a')).status).toBe(200);
    pass(2);
    expect((await send('GET', 'secret/data/a')).json.data).toMatchObject({
      data: null,
      metadata: { version: 1 },
    });
  });

  it('can limit the number of JSON strings in a body, as OpenBao does', async () => {
    const limited = await startVaultServer({ mounts: { kv: 'v1' }, maxJsonStrings: 1000 });
    const api = new HttpJson(limited.url, { 'x-vault-token': limited.rootToken });
    const write = async (keys: number): Promise<number> => {
      const entries = Array.from({ length: keys }, (_, index) => [`k${String(index)}`, 'v']);
      return (await api.send('POST', '/v1/kv/a', Object.fromEntries(entries))).status;
    };
    expect([await write(500), await write(501)]).toEqual([204, 400]);
    api.close();
    await limited.close();
  });

  it('injects faults', async () => {
    vault.faults.inject({
      matches: ({ operation }) => operation !== 'x',
      action: { kind: 'answer', status: 502 },
      times: 1,
    });
    expect((await send('GET', 'kv/a')).status).toBe(502);
    expect((await send('GET', 'kv/a')).status).toBe(404);
  });
});
