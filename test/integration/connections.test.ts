import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { Registry } from 'prom-client';

import type { AwsConfig, NetworkConfig } from '../../src/config/config.js';
import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import type { KubeConfig } from '../../src/kube/kubeconfig.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import type { ConnectionLimits } from '../../src/runtime/connection-pool.js';
import { systemClock } from '../../src/runtime/clock.js';
import { proxyFor } from '../../src/runtime/proxy.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_KEY_MATERIAL, DEMO_REGION } from '../servers/kms/demo-key.js';
import { startKmsServer } from '../servers/kms/server.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { startVaultServer } from '../servers/vault/server.js';
import { ConnectProxy } from '../support/connect-proxy.js';
import { ForgetfulProxy } from '../support/forgetful-proxy.js';
import { silentLogger } from '../support/loggers.js';
import { UnansweringListener } from '../support/unanswering-listener.js';
import { eventually } from '../support/wait.js';
import { failureOf, VaultStand, type StandOptions } from './vault-stand.js';
import { plainKubeConfig } from './watch-recording.js';

const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
const CIPHERTEXT = seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from('value'), {});
/** Every name is this machine. */
const lookup: LookupFunction = (_host, _options, callback) => {
  callback(null, [{ address: '127.0.0.1', family: 4 }]);
};

const cleanups: (() => Promise<unknown> | void)[] = [];
let authority: TestAuthority;
let folder: string;

interface Closing {
  close(): Promise<unknown> | void;
}

function closing<T extends Closing>(thing: T): T {
  cleanups.push(() => thing.close());
  return thing;
}

function vaultStand(address: string, options: StandOptions = {}): VaultStand {
  const config = { caCertBytes: authority.cert, maxRetries: 0, timeoutMs: 20_000, ...options.config };
  return closing(new VaultStand(address, { values: { VAULT_TOKEN: 'none' }, ...options, config }));
}

interface KmsOptions {
  readonly aws: Partial<AwsConfig>;
  readonly network?: Partial<NetworkConfig>;
  readonly limits?: ConnectionLimits;
  readonly maxSockets?: number;
}

function kmsApi({ aws, network = {}, limits = {}, maxSockets = 8 }: KmsOptions): AwsKmsApi {
  const api = new AwsKmsApi({
    aws: { region: DEMO_REGION, staticCredentials: DEMO_ACCESS_KEY, ...aws },
    agents: new AgentFactory({ network: { sslCertDirs: [], ...network }, logger: silentLogger, limits }),
    maxSockets,
    metrics: new OperatorMetrics(new Registry()),
  });
  return closing(api);
}

function kubeClient(kubeConfig: KubeConfig, network: Partial<NetworkConfig> = {}, limits = {}): KubeClient {
  const connection = new ApiConnection({
    kubeConfig,
    proxyFor: (url) => proxyFor(url, { sslCertDirs: [], ...network }),
    limits,
  });
  closing(connection);
  return new KubeClient({ connection, gate: openGate, clock: systemClock });
}

function kubeConfigOf(server: string, ca: string): KubeConfig {
  const kubeConfig = plainKubeConfig(server);
  const cluster = {
    name: 'loopback',
    server,
    skipTLSVerify: false,
    caData: Buffer.from(ca).toString('base64'),
  };
  kubeConfig.clusters.splice(0, 1, cluster);
  return kubeConfig;
}

async function apiServer(tls?: Parameters<typeof LoopbackServer.start>[1]): Promise<LoopbackServer> {
  return closing(
    await LoopbackServer.start((_seen, _request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    }, tls),
  );
}

beforeAll(async () => {
  authority = await TestAuthority.create('root');
  folder = mkdtempSync(join(tmpdir(), 'connections-'));
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('an intermediate authority alone', () => {
  async function stand(notAfter?: Date) {
    const intermediate = await authority.intermediate('intermediate', notAfter);
    const tls = await intermediate.issue();
    const caBundle = join(folder, 'intermediate.pem');
    writeFileSync(caBundle, intermediate.cert);
    const vault = closing(await startVaultServer({ tls, mounts: { kv: 'v1' } }));
    const kms = closing(await startKmsServer({ tls }));
    const api = await apiServer({ tls });
    const config = { caCertBytes: intermediate.cert };
    return {
      vault: vaultStand(vault.url, { config, values: { VAULT_TOKEN: vault.rootToken } }).client,
      token: vault.rootToken,
      bySystem: vaultStand(vault.url, {
        config: { caCertBytes: undefined } as never,
        network: { sslCertFile: caBundle, sslCertDirs: [] },
      }).client,
      kms: kmsApi({ aws: { kmsEndpoint: kms.url, caBundle } }),
      kube: kubeClient(kubeConfigOf(api.url, intermediate.cert)),
    };
  }

  it('is trusted for Vault, KMS and the API server', async () => {
    const { vault, token, bySystem, kms, kube } = await stand();
    expect((await vault.request({ ...READ, token })).status).toBe(404);
    expect((await bySystem.request({ ...READ, token })).status).toBe(404);
    expect(Buffer.from(await kms.decrypt(CIPHERTEXT, {})).toString()).toBe('value');
    expect(await kube.request('GET', '/x')).toEqual({});
  });

  it('is refused once it has expired', async () => {
    const { vault, kms, kube } = await stand(new Date(Date.now() - 60_000));
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
    expect((await vaultStand(url, { limits }).client.request(READ)).status).toBe(404);
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
    const vault = await failureOf(vaultStand(url, { limits }).client.request(READ));
    expect(vault.message).toContain('cannot be reached (CONNECT_TIMEOUT)');
    const kms = await failureOf(kmsApi({ aws: { kmsEndpoint: url }, limits }).decrypt(CIPHERTEXT, {}));
    expect(kms.message).toContain('CONNECT_TIMEOUT');
    const kube = kubeClient(kubeConfigOf(url, authority.cert), {}, limits);
    expect((await failureOf(kube.request('GET', '/x'))).message).toContain('CONNECT_TIMEOUT');
  });

  it('lets those try that waited for a place', async () => {
    const hole = closing(await UnansweringListener.start());
    const { pool } = {
      pool: new AgentFactory({
        network: { sslCertDirs: [] },
        logger: silentLogger,
        limits: { connectMs: 50 },
      }).pool({ maxSockets: 1, context: () => createSecureContext() }),
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

describe('a proxy', () => {
  async function stand() {
    const proxy = closing(await ConnectProxy.start());
    const network = {
      sslCertDirs: [],
      httpsProxy: `http://user:proxy-password@${proxy.host}`,
      noProxy: 'direct.test',
    };
    const tls = await authority.issue({ dnsNames: ['a.test', 'b.test', 'direct.test'] });
    return { proxy, network, tls };
  }

  it('is used or not by the host of each request, redirects too', async () => {
    const { proxy, network, tls } = await stand();
    const vault = closing(await startVaultServer({ tls, mounts: { kv: 'v1' } }));
    const standby = closing(await startVaultServer({ tls }));
    standby.standby(`https://direct.test:${new URL(vault.url).port}`);
    const address = `a.test:${new URL(standby.url).port}`;
    const limits = { lookup };
    const { client } = vaultStand(`https://${address}`, { network, limits });
    expect((await client.request({ ...READ, token: vault.rootToken })).status).toBe(404);
    expect(proxy.asked).toEqual([address]);
    expect(Buffer.from(proxy.authorizations[0]?.slice(6) ?? '', 'base64').toString()).toBe(
      'user:proxy-password',
    );

    // One client of the AWS SDK asks several hosts: KMS, and STS for its credentials.
    const agents = new AgentFactory({ network, logger: silentLogger, limits });
    const caBundle = join(folder, 'root.pem');
    writeFileSync(caBundle, authority.cert);
    const { httpsAgent } = agents.forAws(2, { caBundle });
    const server = await apiServer({ tls });
    const ask = (host: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        httpsRequest({ host, port: server.port, agent: httpsAgent }, (response) => {
          response.resume().on('end', () => {
            resolve(response.statusCode);
          });
        })
          .on('error', reject)
          .end();
      });
    expect([await ask('direct.test'), await ask('b.test'), await ask('b.test')]).toEqual([200, 200, 200]);
    expect(proxy.asked.slice(1)).toEqual([`b.test:${String(server.port)}`]);
    httpsAgent.destroy();
  });

  it.each([
    [403, 'it does not allow this host and port'],
    [407, 'it asks for credentials'],
    [502, ''],
  ])('that answers %i is named as the one that refuses', async (status, hint) => {
    const { proxy, network } = await stand();
    proxy.refuseWith = status;
    const limits = { lookup };
    const messages = await Promise.all([
      failureOf(vaultStand('https://a.test', { network, limits }).client.request(READ)),
      failureOf(kmsApi({ aws: { kmsEndpoint: 'https://a.test' }, network, limits }).decrypt(CIPHERTEXT, {})),
      failureOf(
        kubeClient(kubeConfigOf('https://a.test', authority.cert), network, limits).request('GET', '/x'),
      ),
    ]);
    for (const { message, stack } of messages) {
      expect(message).toContain(`the proxy ${proxy.host} refused the connection (HTTP ${String(status)}`);
      expect(message).toContain(hint);
      expect(stack).not.toMatch(/proxy-password|user:|canary/);
    }
  });

  it('that is not there is named, too', async () => {
    const { proxy, network } = await stand();
    await proxy.close();
    const { client } = vaultStand('https://a.test', { network, limits: { lookup } });
    expect((await failureOf(client.request(READ))).message).toContain('cannot be reached (ECONNREFUSED)');
  });
});

describe('idle connections', () => {
  it('are closed after a while', async () => {
    const vault = closing(await startVaultServer({ mounts: { kv: 'v1' } }));
    const nat = closing(await ForgetfulProxy.start(Number(new URL(vault.url).port)));
    const { client } = vaultStand(`http://127.0.0.1:${String(nat.port)}`, { limits: { idleMs: 50 } });
    await client.request({ ...READ, token: vault.rootToken });
    await eventually('no connection', () => nat.connections === 1 && nat.openConnections === 0);
  });
});

describe('connections that the network has forgotten', () => {
  const BURST = Array.from({ length: 8 }, (_, index) => index);

  it('cost Vault one attempt in vain, without a pause', async () => {
    const vault = closing(await startVaultServer({ mounts: { kv: 'v1' } }));
    const nat = closing(await ForgetfulProxy.start(Number(new URL(vault.url).port)));
    const { client } = vaultStand(`http://127.0.0.1:${String(nat.port)}`, { silentMs: 100 });
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
