import { afterEach, describe, expect, it } from '@jest/globals';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ApiConnection } from '../../src/kube/api-connection.js';
import { loadKubeConfig } from '../../src/kube/kubeconfig.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { closeAll, closing, onClose } from '../support/closing.js';
import { ConnectProxy } from '../support/connect-proxy.js';
import { operatorParts, plainKubeConfig, RecordingOperator, until } from './watch-recording.js';
import { ScriptedApi } from './watch-scripted-api.js';

import { clientOf, inCluster, ok, scratch, serve } from './kube-client-fixture.js';

afterEach(closeAll);

describe('credentials and trust of KubeClient', () => {
  it.each(['http:', 'HTTP:'])('are never sent over plain HTTP: %s', async (scheme) => {
    const server = await serve();
    const kubeConfig = plainKubeConfig(server.url.replace('http:', scheme));
    kubeConfig.users.splice(0, 1, { name: 'nobody', token: 'canary' });
    await clientOf(new ApiConnection(kubeConfig)).request('GET', '/x');
    expect(JSON.stringify(server.requests.all)).not.toContain('canary');
  });

  it('use a rotated service-account token from the next request on, and the last one while the file is missing', async () => {
    const { directory, server, kubeConfig } = await inCluster(await TestAuthority.create());
    const client = clientOf(new ApiConnection(kubeConfig));
    await client.request('GET', '/1');
    writeFileSync(join(directory, 'token'), 'second\n');
    await client.request('GET', '/2');
    writeFileSync(join(directory, 'token'), '');
    await client.request('GET', '/3');
    rmSync(join(directory, 'token'));
    rmSync(join(directory, 'ca.crt'));
    await client.request('GET', '/4');
    expect(server.requests.all.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer first',
      'Bearer second',
      'Bearer second',
      'Bearer second',
    ]);
    expect(server.connections).toBe(1);
  });

  it('follow a rotated certificate authority without a restart, and trust no other', async () => {
    const [first, second] = await Promise.all([
      TestAuthority.create('first'),
      TestAuthority.create('second'),
    ]);
    const { directory, server, kubeConfig } = await inCluster(first);
    const client = clientOf(new ApiConnection(kubeConfig));
    await client.request('GET', '/1');
    const { port } = server;
    await server.close();
    const rotated = await LoopbackServer.start(ok, { tls: await second.issue(), port });
    closing(rotated);
    await expect(client.request('GET', '/2')).rejects.toThrow(/no response from the API server \([A-Z_]+\)/);
    writeFileSync(join(directory, 'ca.crt'), second.cert);
    await client.request('GET', '/3');
    expect(rotated.requests.all.map(({ url }) => url)).toEqual(['/3']);
  });

  it('accept extra roots beside those of the kubeconfig', async () => {
    const [cluster, extra] = await Promise.all([
      TestAuthority.create('cluster'),
      TestAuthority.create('extra'),
    ]);
    const { server, kubeConfig } = await inCluster(cluster);
    const other = await serve(ok, await extra.issue());
    const request = async (url: string, roots: string[]) => {
      const cluster = kubeConfig.getCurrentCluster();
      kubeConfig.clusters.splice(0, 1, { ...cluster!, server: url });
      await clientOf(new ApiConnection(kubeConfig, { extraRoots: () => roots })).request('GET', '/x');
    };
    await request(server.url, [extra.cert]);
    await request(other.url, [extra.cert]);
    await expect(request(other.url, [])).rejects.toThrow('no response');
    expect(other.requests.all).toHaveLength(1);
  });

  it('work through the proxy of the environment', async () => {
    const { kubeConfig, server } = await inCluster(await TestAuthority.create());
    const proxy = closing(await ConnectProxy.start());
    const client = clientOf(new ApiConnection(kubeConfig, { proxyFor: () => `http://${proxy.host}` }));
    await client.request('GET', '/1');
    await client.request('PATCH', '/2', { body: {} });
    expect(server.requests.all.map(({ url }) => url)).toEqual(['/1', '/2']);
    expect(proxy.asked).toEqual([`127.0.0.1:${String(server.port)}`]);
  });
});

describe('ListWatchOperator in a pod', () => {
  it('uses rotated token and authority files at the next reconnect', async () => {
    const [first, second] = await Promise.all([
      TestAuthority.create('first'),
      TestAuthority.create('second'),
    ]);
    const directory = scratch();
    writeFileSync(join(directory, 'token'), 'old');
    writeFileSync(join(directory, 'ca.crt'), first.cert);
    const api = await ScriptedApi.start(await first.issue());
    const { port } = api.server;
    const kubeConfig = loadKubeConfig({
      file: undefined,
      environment: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port) },
      serviceAccountDir: directory,
    });
    const operator = new RecordingOperator(operatorParts(kubeConfig));
    onClose(async () => {
      operator.stop();
      await operator.whenStopped();
      operator.parts.connection.close();
    });
    await operator.start();
    await until('a stream', () => api.openStreams === 1);
    expect(api.server.requests.all.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer old',
      'Bearer old',
    ]);
    writeFileSync(join(directory, 'token'), 'new');
    api.endStreams();
    await until('a second stream', () => api.watches === 2);
    expect(api.server.requests.all.at(-1)?.headers.authorization).toBe('Bearer new');
    await api.server.close();
    const rotated = await LoopbackServer.start(ok, { tls: await second.issue(), port });
    closing(rotated);
    writeFileSync(join(directory, 'ca.crt'), second.cert);
    await until('a request over the new authority', () => rotated.requests.all.length > 0);
  });
});
