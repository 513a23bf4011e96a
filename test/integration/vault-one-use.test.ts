import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { FakeClock } from '../support/fake-clock.js';
import { failureOf, VaultFixture } from './vault-fixture.js';

const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
const LOST = 'the response to an earlier login was lost: a single-use secret id may be used up already';

/** What the gateway does with the next login: answers in the place of Vault, which may have been asked, or cuts. */
type Fault = { readonly status: number; readonly body: string; readonly asked: boolean } | 'cut';

let vault: LoopbackVault;
let gateway: LoopbackServer;
let fault: Fault | undefined;
let logins: number;
let fixture: VaultFixture | undefined;
let values: Record<string, string>;

async function admin(path: string, body?: unknown): Promise<Record<string, string>> {
  const response = await fetch(`${vault.url}/v1/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'x-vault-token': vault.rootToken },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return text === '' ? {} : (JSON.parse(text) as { data: Record<string, string> }).data;
}

beforeEach(async () => {
  logins = 0;
  vault = await startVaultServer({ mounts: { kv: 'v1' } });
  await admin('sys/auth/approle', { type: 'approle' });
  await admin('auth/approle/role/r', { token_ttl: '10m', secret_id_num_uses: 1 });
  gateway = await LoopbackServer.start(async (seen, request, response) => {
    const isLogin = seen.url.endsWith('/login');
    if (isLogin) logins += 1;
    const now = isLogin ? fault : undefined;
    if (isLogin) fault = undefined;
    const forward = async (): Promise<Response> =>
      await fetch(`${vault.url}${seen.url}`, {
        method: seen.method,
        headers: { 'x-vault-token': String(seen.headers['x-vault-token'] ?? '') },
        ...(seen.body === '' ? {} : { body: seen.body }),
      });
    if (now === 'cut') {
      await forward();
      request.socket.destroy();
    } else if (now === undefined) {
      const answer = await forward();
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    } else {
      if (now.asked) await forward();
      response.writeHead(now.status).end(now.body);
    }
  });
});

afterEach(async () => {
  await fixture?.close();
  await gateway.close();
  await vault.close();
});

async function fixtureOf(
  clock: FakeClock,
): Promise<{ session: VaultFixture['session']; quiet: () => Promise<void> }> {
  const { role_id = '' } = await admin('auth/approle/role/r/role-id');
  const { secret_id = '' } = await admin('auth/approle/role/r/secret-id', {});
  values = { VAULT_APPROLE_ROLE_ID: role_id, VAULT_APPROLE_SECRET_ID: secret_id };
  const made = new VaultFixture(gateway.url, { method: 'approle', values, clock });
  fixture = made;
  return { session: made.session, quiet: () => made.quiet() };
}

describe('a secret id that is good for one use', () => {
  it.each<[string, Fault]>([
    ['502', { status: 502, body: '<html>Bad Gateway</html>', asked: true }],
    ['503', { status: 503, body: '<html>no healthy upstream</html>', asked: true }],
    ['504', { status: 504, body: '<html>Gateway Timeout</html>', asked: true }],
    ['500', { status: 500, body: '{"errors":["internal error"]}', asked: true }],
    [
      '429 once a login has succeeded',
      { status: 429, body: '{"errors":["request path \\"x\\": lease count quota exceeded"]}', asked: true },
    ],
    ['a cut connection', 'cut'],
  ])('is not sent again at once after %s, and its refusal later tells of it', async (_what, what) => {
    const clock = new FakeClock();
    const { session, quiet } = await fixtureOf(clock);
    fault = what;
    const first = await failureOf(session.request(READ));
    expect(logins).toBe(1);
    expect(first.message).not.toContain('invalid role');
    await clock.advance(2_000, quiet);
    expect(logins).toBe(2);
    expect(session.problem()).toContain('invalid role or secret ID');
    expect(session.problem()).toContain(LOST);
    await clock.advance(60_000, quiet);
    expect(session.problem()).toContain(LOST);
  });

  it('is sent again at once where Vault says that it did nothing', async () => {
    const clock = new FakeClock();
    const { session, quiet } = await fixtureOf(clock);
    fault = { status: 503, body: '{"errors":["Vault is sealed"]}', asked: false };
    const reading = session.request(READ);
    await quiet();
    await clock.advance(1_000, quiet);
    expect((await reading).status).toBe(403);
    expect(logins).toBe(2);
  });

  it('that was used up before is refused without a word of a lost answer', async () => {
    const first = await fixtureOf(new FakeClock());
    await first.session.request(READ);
    const second = new VaultFixture(gateway.url, { method: 'approle', values });
    const { message } = await failureOf(second.session.request(READ));
    await second.close();
    expect(message).toContain('invalid role or secret ID');
    expect(message).not.toContain('lost');
  });
});
