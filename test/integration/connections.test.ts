import { describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Registry } from 'prom-client';
import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { systemClock } from '../../src/runtime/clock.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { startKmsServer } from '../servers/kms/server.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { startVaultServer } from '../servers/vault/server.js';
import { ForgetfulProxy } from '../support/forgetful-proxy.js';
import { silentLogger } from '../support/loggers.js';
import { UnansweringListener } from '../support/unanswering-listener.js';
import { eventually } from '../support/wait.js';
import { failureOf } from './vault-fixture.js';
import { plainKubeConfig } from './watch-recording.js';
import { closing } from '../support/closing.js';
import {
  apiServer,
  authority,
  CIPHERTEXT,
  folder,
  kmsApi,
  kubeClient,
  kubeConfigOf,
  lookup,
  READ,
  useConnections,
  vaultFixture,
} from './connection-fixture.js';

useConnections();

describe('an intermediate authority alone', () => {
  async function fixture(notAfter?: Date) {
    const intermediate = await authority.intermediate('intermediate', notAfter);
    const tls = await intermediate.issue();
    const caBundle = join(folder, 'intermediate.pem');
    writeFileSync(caBundle, intermediate.cert);
    const vault = closing(await startVaultServer({ tls, mounts: { kv: 'v1' } }));
    const kms = closing(await startKmsServer({ tls }));
    const api = await apiServer({ tls });
    const config = { caCertBytes: intermediate.cert };
    return {
      vault: vaultFixture(vault.url, { config, values: { VAULT_TOKEN: vault.rootToken } }).client,
      token: vault.rootToken,
      bySystem: vaultFixture(vault.url, {
        config: { caCertBytes: undefined } as never,
        network: { sslCertFile: caBundle, sslCertDirs: [] },
      }).client,
      kms: kmsApi({ aws: { kmsEndpoint: kms.url, caBundle } }),
      kube: kubeClient(kubeConfigOf(api.url, intermediate.cert)),
    };
  }

  it('is trusted for Vault, KMS and the API server', async () => {
    const { vault, token, bySystem, kms, kube } = await fixture();
    expect((await vault.request({ ...READ, token })).status).toBe(404);
    expect((await bySystem.request({ ...READ, token })).status).toBe(404);
    expect(Buffer.from(await kms.decrypt(CIPHERTEXT, {})).toString()).toBe('value');
    expect(await kube.request('GET', '/x')).toEqual({});
  });

  it('is refused once it has expired', async () => {
    const { vault, kms, kube } = await fixture(new Date(Date.now() - 60_000));
    expect((await failureOf(vault.request(READ))).message).toContain('CERT_HAS_EXPIRED');
    expect((await failureOf(kms.decrypt(CIPHERTEXT, {}))).message).toContain('CERT_HAS_EXPIRED');
    expect((await failureOf(kube.request('GET', '/x'))).message).toContain('CERT_HAS_EXPIRED');
  });
});

describe('a final dot of a host', () => {
  it('is for the resolver and the Host header, and no part of the server name in TLS', async () => {
    const names: string[] = [];
    const resolved: string[] = [];
    const pair = await authority.issue({ dnsNames: ['peer.test'], ipAddresses: [] });
    const other = await authority.issue({ dnsNames: ['elsewhere.test'], ipAddresses: [] });
    // As a server of many names: another certificate for a name that it does not have.
    const tls = {
      ...other,
      SNICallback: (name: string, done: (error: Error | null, context: object) => void) => {
        names.push(name);
        done(null, createSecureContext(name === 'peer.test' ? pair : other));
      },
    };
    const limits = {
      lookup: ((host, options, callback) => {
        resolved.push(host);
        lookup(host, options, callback);
      }) satisfies LookupFunction,
    };
    const server = await LoopbackServer.start(
      (_seen, _request, response) => {
        response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[]}');
      },
      { tls: tls as never },
    );
    closing(server);
    const url = `https://peer.test.:${String(server.port)}`;
    const caBundle = join(folder, 'root.pem');
    writeFileSync(caBundle, authority.cert);
    expect((await vaultFixture(url, { limits }).client.request(READ)).status).toBe(404);
    await expect(
      kubeClient(kubeConfigOf(url, authority.cert), {}, limits).request('GET', '/x'),
    ).rejects.toMatchObject({ status: 404 });
    const kms = await failureOf(
      kmsApi({ aws: { kmsEndpoint: url, caBundle }, limits }).decrypt(CIPHERTEXT, {}),
    );
    expect(kms.message).toContain('HTTP 404');
    expect(names).toEqual(['peer.test', 'peer.test', 'peer.test']);
    expect(resolved).toEqual(['peer.test.', 'peer.test.', 'peer.test.']);
    // As Go's client sends it.
    expect(server.requests.all[0]?.headers.host).toBe(`peer.test.:${String(server.port)}`);
  });
});

describe('a peer that no connection reaches', () => {
  it('costs the limit of a connection, not the one of a request', async () => {
    const hole = closing(await UnansweringListener.start());
    const url = `https://127.0.0.1:${String(hole.port)}`;
    const limits = { connectMs: 100 };
    const vault = await failureOf(vaultFixture(url, { limits }).client.request(READ));
    expect(vault.message).toContain('cannot reach Vault (CONNECT_TIMEOUT)');
    const kms = await failureOf(kmsApi({ aws: { kmsEndpoint: url }, limits }).decrypt(CIPHERTEXT, {}));
    expect(kms.message).toContain('CONNECT_TIMEOUT');
    const kube = kubeClient(kubeConfigOf(url, authority.cert), {}, limits);
    expect((await failureOf(kube.request('GET', '/x'))).message).toContain('CONNECT_TIMEOUT');
  });

  it('lets those try that waited for a place', async () => {
    const hole = closing(await UnansweringListener.start());
    const { pool } = {
      pool: new AgentFactory({ sslCertDirs: [] }, silentLogger, { connectMs: 50 }).pool({
        maxSockets: 1,
        context: () => createSecureContext(),
      }),
    };
    const failures = await Promise.all(
      [1, 2, 3].map(
        () =>
          new Promise<unknown>((resolve) => {
            const options = { host: '127.0.0.1', port: hole.port, agent: pool.https };
            httpsRequest(options).on('error', resolve).end();
          }),
      ),
    );
    expect(failures).toHaveLength(3);
    for (const failure of failures) expect(failure).toMatchObject({ code: 'CONNECT_TIMEOUT' });
  });
});

describe('roots that change', () => {
  it('are asked of a peer that was reached before, for the SDK of AWS too', async () => {
    const next = await TestAuthority.create('next');
    const kms = closing(await startKmsServer({ tls: await authority.issue() }));
    const caBundle = join(folder, 'changing.pem');
    writeFileSync(caBundle, authority.cert);
    const api = kmsApi({ aws: { kmsEndpoint: kms.url, caBundle } });
    expect(Buffer.from(await api.decrypt(CIPHERTEXT, {})).toString()).toBe('value');
    // Neither the kept connection nor a resumed session was verified with the new roots.
    writeFileSync(caBundle, `${next.cert}\n`);
    expect((await failureOf(api.decrypt(CIPHERTEXT, {}))).message).toMatch(/SIGNATURE|SELF_SIGNED|UNABLE/);
    writeFileSync(caBundle, `${authority.cert}\n\n`);
    expect(Buffer.from(await api.decrypt(CIPHERTEXT, {})).toString()).toBe('value');
  });
});

describe('idle connections', () => {
  it('are closed after a while', async () => {
    const vault = closing(await startVaultServer({ mounts: { kv: 'v1' } }));
    const nat = closing(await ForgetfulProxy.start(Number(new URL(vault.url).port)));
    const { client } = vaultFixture(`http://127.0.0.1:${String(nat.port)}`, { limits: { idleMs: 50 } });
    await client.request({ ...READ, token: vault.rootToken });
    await eventually('no connection', () => nat.connections === 1 && nat.openConnections === 0);
  });
});

describe('connections that the network has forgotten', () => {
  const BURST = Array.from({ length: 8 }, (_, index) => index);

  it('cost Vault one attempt in vain, without a pause', async () => {
    const vault = closing(await startVaultServer({ mounts: { kv: 'v1' } }));
    const nat = closing(await ForgetfulProxy.start(Number(new URL(vault.url).port)));
    const { client } = vaultFixture(`http://127.0.0.1:${String(nat.port)}`, { silentMs: 100 });
    const token = vault.rootToken;
    const burst = (): Promise<unknown> => Promise.all(BURST.map(() => client.request({ ...READ, token })));
    for (const how of ['reset', 'silence'] as const) {
      await burst();
      expect(nat.openConnections).toBeGreaterThan(1);
      const { triedInVain } = nat;
      nat.forget(how);
      expect((await client.request({ ...READ, token })).status).toBe(404);
      expect(nat.triedInVain - triedInVain).toBe(1);
      await eventually('one connection', () => nat.openConnections === 1);
    }
    await burst();
    nat.forget('reset');
    const write = { method: 'POST', path: 'kv/app', operation: 'write', body: '{"a":"b"}', token } as const;
    expect((await client.request(write)).status).toBe(204);
    expect(vault.requests.count(({ method }) => method === 'POST')).toBe(1);
  });

  it('cost KMS one attempt in vain, and none of the attempts of the SDK', async () => {
    const kms = closing(await startKmsServer());
    kms.latencyMs = 30;
    const nat = closing(await ForgetfulProxy.start(Number(new URL(kms.url).port)));
    const api = kmsApi({ aws: { kmsEndpoint: `http://127.0.0.1:${String(nat.port)}` } });
    await Promise.all(BURST.map(() => api.decrypt(CIPHERTEXT, {})));
    expect(nat.openConnections).toBe(BURST.length);
    nat.forget('reset');
    expect(Buffer.from(await api.decrypt(CIPHERTEXT, {})).toString()).toBe('value');
    expect(nat.triedInVain).toBe(1);
    await eventually('one connection', () => nat.openConnections === 1);
  });

  it('and that stay silent cost KMS one attempt in vain, and each send is counted', async () => {
    const kms = closing(await startKmsServer());
    kms.latencyMs = 30;
    const nat = closing(await ForgetfulProxy.start(Number(new URL(kms.url).port)));
    const registry = new Registry();
    const kmsEndpoint = `http://127.0.0.1:${String(nat.port)}`;
    const api = kmsApi({ aws: { kmsEndpoint }, silentMs: 200, registry });
    await Promise.all(BURST.map(() => api.decrypt(CIPHERTEXT, {})));
    nat.forget('silence');
    expect(Buffer.from(await api.decrypt(CIPHERTEXT, {})).toString()).toBe('value');
    expect(nat.triedInVain).toBe(1);
    const counted = await registry.getSingleMetricAsString('kms_vault_operator_kms_requests_total');
    expect(counted).toContain('{operation="Decrypt",code="ECONNRESET"} 1');
    expect(counted).toContain(`{operation="Decrypt",code="OK"} ${String(BURST.length + 1)}`);
  });

  it('and that stay silent cost a read from the API server one attempt in vain', async () => {
    const server = await apiServer();
    const nat = closing(await ForgetfulProxy.start(server.port));
    const kubeConfig = plainKubeConfig(`http://127.0.0.1:${String(nat.port)}`);
    const connection = closing(new ApiConnection(kubeConfig, undefined, undefined, undefined, 200));
    const kube = new KubeClient(connection, openGate, systemClock);
    await Promise.all(BURST.map(() => kube.request('GET', '/x')));
    nat.forget('silence');
    expect(await kube.request('GET', '/x')).toEqual({});
    expect(nat.triedInVain).toBe(1);
  });

  it('are not given a login, which is not sent twice', async () => {
    const vault = closing(await startVaultServer({ mounts: { kv: 'v1' } }));
    const nat = closing(await ForgetfulProxy.start(Number(new URL(vault.url).port)));
    const { client } = vaultFixture(`http://127.0.0.1:${String(nat.port)}`, { config: { maxRetries: 2 } });
    await Promise.all(BURST.map(() => client.request({ ...READ, token: vault.rootToken })));
    nat.forget('reset');
    const login = { method: 'POST', path: 'auth/x/login', operation: 'login', body: '{}' } as const;
    expect((await client.request(login)).status).toBe(403);
    expect(nat.triedInVain).toBe(0);
    vault.faults.inject({ matches: () => true, action: { kind: 'reset' } });
    const before = vault.requests.all.length;
    expect((await failureOf(client.request(login))).message).toContain('ECONNRESET');
    expect(vault.requests.all.length - before).toBe(1);
  });

  it('cost the API server one attempt in vain', async () => {
    const server = await apiServer();
    const nat = closing(await ForgetfulProxy.start(server.port));
    const kube = kubeClient(plainKubeConfig(`http://127.0.0.1:${String(nat.port)}`));
    await Promise.all(BURST.map(() => kube.request('GET', '/x')));
    nat.forget('reset');
    expect(await kube.request('PATCH', '/x', { body: {} })).toEqual({});
    expect(nat.triedInVain).toBe(1);
    await eventually('one connection', () => nat.openConnections === 1);
  });
});
