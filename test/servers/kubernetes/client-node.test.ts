import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ApiException,
  CustomObjectsApi,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  Watch,
} from '@kubernetes/client-node';

import { RawClient } from './raw-client.js';
import { widget, WIDGET_CRD } from './sample-crd.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

let server: LoopbackKubernetes;
let config: KubeConfig;
const WHERE = { group: 'test.loopback.dev', version: 'v1', namespace: 'default', plural: 'widgets' };

beforeAll(async () => {
  server = await startKubernetesServer({ pathPrefix: '/clusters/root:e2e' });
  const client = new RawClient(server);
  await client.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', WIDGET_CRD);
  client.close();
  config = new KubeConfig();
  config.loadFromString(server.adminKubeconfig());
});
afterAll(async () => {
  await server.stop();
});

describe('@kubernetes/client-node', () => {
  it('creates, lists, patches and deletes custom resources', async () => {
    const api = config.makeApiClient(CustomObjectsApi);
    await api.createNamespacedCustomObject({ ...WHERE, body: widget('node') });
    const listed = (await api.listNamespacedCustomObject(WHERE)) as {
      items: { metadata: { name: string } }[];
    };
    expect(listed.items.map((item) => item.metadata.name)).toEqual(['node']);
    const patched: unknown = await api.patchNamespacedCustomObjectStatus(
      { ...WHERE, name: 'node', body: { status: { note: 'hi' } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
    expect(patched).toMatchObject({ status: { note: 'hi' } });
    await api.deleteNamespacedCustomObject({ ...WHERE, name: 'node' });
    const gone = api.getNamespacedCustomObject({ ...WHERE, name: 'node' });
    await expect(gone).rejects.toBeInstanceOf(ApiException);
  });

  it('watches with a service account token', async () => {
    server.addToken('watcher', { user: 'watcher', groups: ['system:masters'] });
    const own = new KubeConfig();
    own.loadFromString(server.kubeconfigFor('watcher'));
    const seen: string[] = [];
    const controller = await new Watch(own).watch(
      '/apis/test.loopback.dev/v1/widgets',
      { resourceVersion: String(server.revision) },
      (type: string, object: { metadata: { name: string } }) => seen.push(`${type} ${object.metadata.name}`),
      () => undefined,
    );
    const api = own.makeApiClient(CustomObjectsApi);
    await api.createNamespacedCustomObject({ ...WHERE, body: widget('watched') });
    const deadline = Date.now() + 10_000;
    while (seen.length === 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort();
    expect(seen).toEqual(['ADDED watched']);
  });
});
