import { describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { AgentFactory } from '../../src/runtime/agents.js';
import { startKmsServer } from '../servers/kms/server.js';
import { startVaultServer } from '../servers/vault/server.js';
import { ConnectProxy } from '../support/connect-proxy.js';
import { ForwardProxy } from '../support/forward-proxy.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { silentLogger } from '../support/loggers.js';
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

describe('a proxy', () => {
  async function fixture() {
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
    const { proxy, network, tls } = await fixture();
    const vault = closing(await startVaultServer({ tls, mounts: { kv: 'v1' } }));
    const standby = closing(await startVaultServer({ tls }));
    standby.standby(`https://direct.test:${new URL(vault.url).port}`);
    const address = `a.test:${new URL(standby.url).port}`;
    const limits = { lookup };
    const { client } = vaultFixture(`https://${address}`, { network, limits });
    expect((await client.request({ ...READ, token: vault.rootToken })).status).toBe(404);
    expect(proxy.asked).toEqual([address]);
    expect(Buffer.from(proxy.authorizations[0]?.slice(6) ?? '', 'base64').toString()).toBe(
      'user:proxy-password',
    );

    // One client of the AWS SDK asks several hosts: KMS, and STS for its credentials.
    const agents = new AgentFactory(network, silentLogger, limits);
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
    [407, 'it requires credentials'],
    [502, ''],
  ])('that answers %i is named as the one that refuses', async (status, hint) => {
    const { proxy, network } = await fixture();
    proxy.refuseWith = status;
    const limits = { lookup };
    const messages = await Promise.all([
      failureOf(vaultFixture('https://a.test', { network, limits }).client.request(READ)),
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
    const { proxy, network } = await fixture();
    await proxy.close();
    const { client } = vaultFixture('https://a.test', { network, limits: { lookup } });
    expect((await failureOf(client.request(READ))).message).toContain('cannot be reached (ECONNREFUSED)');
  });
});

describe('a proxy on the way to a plain HTTP peer', () => {
  async function fixture() {
    const proxy = closing(await ForwardProxy.start());
    return { proxy, network: { sslCertDirs: [], httpProxy: `http://user:proxy-password@${proxy.host}` } };
  }

  it('is asked with the whole URL, not for a tunnel, by Vault, KMS and the API server', async () => {
    const { proxy, network } = await fixture();
    const limits = { lookup };
    const vault = closing(await startVaultServer({ mounts: { kv: 'v1' } }));
    const address = `http://vault.test:${new URL(vault.url).port}`;
    const { client } = vaultFixture(address, { network, limits });
    const token = vault.rootToken;
    const write = { method: 'POST', path: 'kv/app', operation: 'write', body: '{"a":"b"}', token } as const;
    expect((await client.request(write)).status).toBe(204);
    expect((await client.request({ ...READ, token })).status).toBe(200);
    const kms = closing(await startKmsServer());
    const kmsEndpoint = `http://kms.test:${new URL(kms.url).port}`;
    const api = kmsApi({ aws: { kmsEndpoint }, network, limits });
    expect(Buffer.from(await api.decrypt(CIPHERTEXT, {})).toString()).toBe('value');
    const server = await apiServer();
    const kube = kubeClient(plainKubeConfig(`http://api.test:${String(server.port)}`), network, limits);
    expect(await kube.request('GET', '/x', { query: { a: 'b' } })).toEqual({});
    expect(proxy.asked).toEqual([
      `POST ${address}/v1/kv/app`,
      `GET ${address}/v1/kv/app`,
      `POST ${kmsEndpoint}/`,
      `GET http://api.test:${String(server.port)}/x?a=b`,
    ]);
    const credentials = `Basic ${Buffer.from('user:proxy-password').toString('base64')}`;
    expect(new Set(proxy.authorizations)).toEqual(new Set([credentials]));
  });

  async function failures(status: number): Promise<{ proxy: ForwardProxy; messages: string[] }> {
    const { proxy, network } = await fixture();
    proxy.refuseWith = status;
    const limits = { lookup };
    const kms = kmsApi({ aws: { kmsEndpoint: 'http://kms.test' }, network, limits });
    const errors = await Promise.all([
      failureOf(vaultFixture('http://vault.test', { network, limits }).client.request(READ)),
      failureOf(kms.decrypt(CIPHERTEXT, {})),
      failureOf(kubeClient(plainKubeConfig('http://api.test'), network, limits).request('GET', '/x')),
    ]);
    for (const { message, stack } of errors) {
      expect(`${message} ${stack ?? ''}`).not.toMatch(/proxy-password|user:|canary|SyntaxError/);
    }
    return { proxy, messages: errors.map(({ message }) => message) };
  }

  it('that asks for credentials is named as the one that refuses, whoever asks', async () => {
    const { proxy, messages } = await failures(407);
    const refusal = `the proxy ${proxy.host} refused the request (HTTP 407: it requires credentials`;
    for (const message of messages) expect(message).toContain(refusal);
  });

  it.each([403, 502, 503, 504])('is named beside the peer when one of them answers %i', async (status) => {
    const { proxy, messages } = await failures(status);
    for (const message of messages) {
      expect(message).toContain(`the proxy ${proxy.host}`);
      expect(message).toContain(String(status));
    }
  });

  it('is not named for what the peer says through it', async () => {
    const { network } = await fixture();
    const limits = { lookup };
    const server = closing(
      await LoopbackServer.start((_seen, _request, response) => {
        response.writeHead(403, { 'content-type': 'application/json' });
        response.end('{"kind":"Status","reason":"Forbidden","code":403,"errors":["permission denied"]}');
      }),
    );
    const port = String(server.port);
    const vault = await vaultFixture(`http://vault.test:${port}`, { network, limits }).client.request(READ);
    expect(vault.status).toBe(403);
    const kube = kubeClient(plainKubeConfig(`http://api.test:${port}`), network, limits);
    expect((await failureOf(kube.request('GET', '/x'))).message).toMatch(
      /^GET \/x: the API server answered 403/,
    );
  });
});
