import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { type LoopbackVault, startVaultServer } from '../servers/vault/server.js';
import { FakeClock } from '../support/fake-clock.js';
import { failureOf, VaultFixture } from './vault-fixture.js';

const READ = { method: 'GET', path: 'kv/behind-agent', operation: 'read' } as const;

let vault: LoopbackVault;
let agent: LoopbackServer;
/** The agent's token, once it has logged in. */
let added: string | undefined;
let fixture: VaultFixture;
/** Tokens in the requests of the operator. */
const own: (string | undefined)[] = [];

/** As an administrator. */
async function admin(path: string, body: object): Promise<{ auth?: { client_token?: string } }> {
  const response = await fetch(`${vault.url}/v1/${path}`, {
    method: 'POST',
    headers: { 'x-vault-token': vault.rootToken },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return (text === '' ? {} : JSON.parse(text)) as { auth?: { client_token?: string } };
}

async function anotherToken(): Promise<void> {
  added = (await admin('auth/token/create', { policies: ['default'] })).auth?.client_token;
}

/**
 * As Vault Agent and Proxy with `use_auto_auth_token`: a request's own token is passed on, a request without one gets
 * theirs if they have one, and the answer of a look-up then has neither `id` nor `accessor`
 * (`sanitizeAutoAuthTokenResponse` in agentproxyshared/cache/handler.go).
 */
async function startAgent(): Promise<LoopbackServer> {
  return await LoopbackServer.start(async (request, raw, response) => {
    const { 'x-vault-token': token } = request.headers as Record<string, string | undefined>;
    own.push(token);
    const used = token ?? added;
    const answer = await fetch(`${vault.url}${raw.url ?? ''}`, {
      method: request.method,
      headers: used === undefined ? {} : { 'x-vault-token': used },
    });
    const body = JSON.parse(await answer.text()) as { data?: { id?: string; accessor?: string } };
    if (token === undefined && body.data?.id !== undefined) {
      delete body.data.id;
      delete body.data.accessor;
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
}

function operator(url: string, clock?: FakeClock): VaultFixture {
  const options = { method: 'token', values: { VAULT_TOKEN: '' }, config: { maxRetries: 0 } };
  fixture = new VaultFixture(url, { ...options, ...(clock === undefined ? {} : { clock }) });
  return fixture;
}

beforeAll(async () => {
  vault = await startVaultServer({ mounts: { kv: 'v1' } });
  agent = await startAgent();
  await admin('kv/behind-agent', { a: 'b' });
});

afterEach(async () => {
  await fixture.close();
  added = undefined;
  own.length = 0;
});

afterAll(async () => {
  await agent.close();
  await vault.close();
});

describe('an empty VAULT_TOKEN', () => {
  it('leaves the token to the agent on the way', async () => {
    added = vault.rootToken;
    const { session } = operator(agent.url);
    expect((await session.request(READ)).status).toBe(200);
    await session.stop(AbortSignal.timeout(1_000));
    expect(new Set(own)).toEqual(new Set([undefined]));
  });

  it('is named where there is no agent', async () => {
    const { session } = operator(vault.url);
    expect((await failureOf(session.request(READ))).message).toMatch(/VAULT_TOKEN is empty/);
  });

  it('works within half a minute of the login of the agent, however long that took', async () => {
    const clock = new FakeClock();
    const { session } = operator(agent.url, clock);
    session.start();
    for (let times = 0; times < 40; times += 1) {
      await fixture.quiet();
      await clock.advance(30_000);
    }
    expect(session.problem()).toMatch(/VAULT_TOKEN is empty/);
    added = vault.rootToken;
    await fixture.quiet();
    await clock.advance(31_000);
    await fixture.quiet();
    expect(session.problem()).toBeUndefined();
    expect((await session.request(READ)).status).toBe(200);
  });

  it('lets a 403 pass for a moment after the agent has exchanged its token', async () => {
    await anotherToken();
    const clock = new FakeClock();
    const { session } = operator(agent.url, clock);
    expect(await session.request(READ)).toMatchObject({ status: 403, mayPass: true });
    await clock.advance(31_000);
    const answer = await session.request(READ);
    expect([answer.status, answer.mayPass]).toEqual([403, undefined]);
    await anotherToken();
    expect(await session.request(READ)).toMatchObject({ status: 403, mayPass: true });
  });
});
