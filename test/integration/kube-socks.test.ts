import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';

import { beforeEach, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';

import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import type { KubeConfig } from '../../src/kube/kubeconfig.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import { systemClock } from '../../src/runtime/clock.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { startKubernetesServer } from '../servers/kubernetes/server.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { ChildProgram } from '../support/child-program.js';
import { silentLogger } from '../support/loggers.js';
import { SocksProxy } from '../support/socks-proxy.js';
import { eventually } from '../support/wait.js';
import { closing } from '../support/closing.js';
import {
  apiServer,
  authority,
  folder,
  kubeClient,
  kubeConfigOf,
  useConnections,
} from './connection-fixture.js';
import { failureOf } from './vault-fixture.js';

useConnections();

describe('an API server behind the SOCKS proxy of a kubeconfig', () => {
  let proxy: SocksProxy;

  beforeEach(async () => {
    proxy = closing(await SocksProxy.start());
  });

  function throughProxy(kubeConfig: KubeConfig, scheme = 'socks5h', more: object = {}): KubeConfig {
    const [cluster, ...others] = kubeConfig.clusters;
    if (cluster === undefined) throw new Error('no cluster');
    kubeConfig.clusters = [{ ...cluster, proxyUrl: `${scheme}://${proxy.host}`, ...more }, ...others];
    return kubeConfig;
  }

  it.each(['socks5', 'socks5h'])(
    'is trusted through an intermediate certificate authority, over %s',
    async (scheme) => {
      const intermediate = await authority.intermediate('intermediate');
      const api = await apiServer({ tls: await intermediate.issue() });
      const kube = kubeClient(throughProxy(kubeConfigOf(api.url, intermediate.cert), scheme));
      expect(await kube.request('GET', '/x')).toEqual({});
      expect(proxy.asked).toEqual([`127.0.0.1:${String(api.port)}`]);
      const other = await TestAuthority.create('other');
      const stranger = kubeClient(throughProxy(kubeConfigOf(api.url, other.cert), scheme));
      expect((await failureOf(stranger.request('GET', '/x'))).message).toMatch(/\(UNABLE_TO_|\(SELF_SIGNED/);
    },
  );

  it('is trusted through additional roots of the environment', async () => {
    const api = await apiServer({ tls: await authority.issue() });
    const sslCertFile = join(folder, 'added.pem');
    writeFileSync(sslCertFile, authority.cert);
    const other = await TestAuthority.create('other');
    for (const network of [{ sslCertDirs: [] }, { sslCertDirs: [], sslCertFile }]) {
      const kubeConfig = throughProxy(kubeConfigOf(api.url, other.cert));
      const agents = new AgentFactory(network, silentLogger);
      const kube = new KubeClient(closing(new ApiConnection(kubeConfig, agents)), openGate, systemClock);
      const answer = kube.request('GET', '/x');
      if ('sslCertFile' in network) expect(await answer).toEqual({});
      else expect((await failureOf(answer)).message).toContain('UNABLE_TO_');
    }
  });

  it('is verified by its own address, not by that of the proxy or localhost', async () => {
    const ask = async (names: { dnsNames: string[]; ipAddresses: string[] }): Promise<unknown> => {
      const api = await apiServer({ tls: await authority.issue(names) });
      return await kubeClient(throughProxy(kubeConfigOf(api.url, authority.cert))).request('GET', '/x');
    };
    expect(await ask({ dnsNames: ['elsewhere.test'], ipAddresses: ['127.0.0.1'] })).toEqual({});
    const refused = await failureOf(ask({ dnsNames: ['localhost'], ipAddresses: [] }));
    expect(refused.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it.each([
    ['of its host', 'peer.test.', {}],
    ['of the server name', '127.0.0.1', { tlsServerName: 'peer.test.' }],
  ])('gets no trailing dot %s in TLS, unlike the proxy', async (_what, host, more) => {
    const names: string[] = [];
    const pair = await authority.issue({ dnsNames: ['peer.test'], ipAddresses: [] });
    const other = await authority.issue({ dnsNames: ['elsewhere.test'], ipAddresses: [] });
    const tls = {
      ...other,
      SNICallback: (name: string, done: (error: Error | null, context: object) => void) => {
        names.push(name);
        done(null, createSecureContext(name === 'peer.test' ? pair : other));
      },
    };
    const api = await apiServer({ tls: tls as never });
    const url = `https://${host}:${String(api.port)}`;
    const kube = kubeClient(throughProxy(kubeConfigOf(url, authority.cert), 'socks5h', more));
    expect(await kube.request('GET', '/x')).toEqual({});
    expect(names).toEqual(['peer.test']);
    expect(proxy.asked).toEqual([`${host}:${String(api.port)}`]);
  });

  it('is reached through the proxy while a file of the kubeconfig is replaced', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'kube-socks-'));
    const caFile = join(directory, 'ca.crt');
    const tokenFile = join(directory, 'token');
    writeFileSync(caFile, authority.cert);
    writeFileSync(tokenFile, 'a-token');
    const api = await apiServer({ tls: await authority.issue() });
    const kubeConfig = throughProxy(kubeConfigOf(api.url, authority.cert), 'socks5h', {
      caFile,
      caData: undefined,
    });
    const user = { name: 'loopback', authProvider: { name: 'tokenFile', config: { tokenFile } } };
    kubeConfig.users = kubeConfig.users.map(({ name }) => ({ ...user, name }));
    const kube = kubeClient(kubeConfig);
    expect(await kube.request('GET', '/x')).toEqual({});
    rmSync(caFile);
    expect(await kube.request('GET', '/x')).toEqual({});
    expect(proxy.asked).toHaveLength(2);
    expect(api.requests.all.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer a-token',
      'Bearer a-token',
    ]);
    rmSync(directory, { recursive: true });
  });

  it('is reached by the built program, which loads SOCKS only then', async () => {
    const api = await startKubernetesServer();
    const directory = mkdtempSync(join(tmpdir(), 'kube-socks-'));
    const config = parse(api.adminKubeconfig()) as { clusters: { cluster: Record<string, unknown> }[] };
    for (const { cluster } of config.clusters) cluster['proxy-url'] = `socks5://${proxy.host}`;
    writeFileSync(join(directory, 'kubeconfig'), stringify(config), { mode: 0o600 });
    const program = new ChildProgram(
      'dist/main.js',
      [
        `--kubeconfig=${join(directory, 'kubeconfig')}`,
        '--metrics-addr=127.0.0.1:0',
        '--health-addr=127.0.0.1:0',
      ],
      { VAULT_ADDR: 'http://127.0.0.1:1', VAULT_TOKEN: 'x', AWS_REGION: 'eu-west-1' },
    );
    try {
      await eventually('a connection through the proxy', () => proxy.asked.includes(new URL(api.url).host));
    } finally {
      await program.stop('SIGKILL');
      await api.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
