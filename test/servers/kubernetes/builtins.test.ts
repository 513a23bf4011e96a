import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { RawClient } from './raw-client.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

const PREFIX = '/clusters/root:e2e';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

let server: LoopbackKubernetes;
let client: RawClient;
beforeAll(async () => {
  server = await startKubernetesServer({ pathPrefix: PREFIX });
  client = new RawClient(server);
});
afterAll(async () => {
  client.close();
  await server.stop();
});

describe('discovery', () => {
  it('lists versions, groups and resources', async () => {
    expect((await client.get('/api')).body['versions']).toEqual(['v1']);
    const groups = (await client.get('/apis')).body['groups'] as unknown as { name: string }[];
    expect(groups.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'apps',
        'apiextensions.k8s.io',
        'rbac.authorization.k8s.io',
        'coordination.k8s.io',
      ]),
    );
    expect((await client.get('/apis/apps')).body['preferredVersion']).toEqual({
      groupVersion: 'apps/v1',
      version: 'v1',
    });
    const { resources } = (await client.get('/apis/apps/v1')).body as unknown as {
      resources: { name: string }[];
    };
    expect(resources.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['deployments', 'deployments/status']),
    );
  });

  it('serves aggregated discovery when the client asks for it', async () => {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
    const { headers, body } = await client.get('/api', { accept });
    expect(headers['content-type']).toBe(
      'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
    );
    expect(body['items']?.[0]?.['versions']?.[0]).toMatchObject({ version: 'v1', freshness: 'Current' });
  });

  it.each(['/apis/none.dev', '/apis/apps/v2', '/nothing', '/apis/none.dev/v1/things'])(
    'answers 404 in plain text for %s, which is not served',
    async (path) => {
      const { status, text, headers } = await client.get(path);
      expect(status).toBe(404);
      expect(headers['content-type']).toContain('text/plain');
      expect(text).toBe('404 page not found\n');
    },
  );

  it('answers 404 with a Status for an unknown resource of a built-in group', async () => {
    const { status, body } = await client.get('/api/v1/things');
    expect(status).toBe(404);
    expect(body).toMatchObject({
      kind: 'Status',
      reason: 'NotFound',
      message: 'the server could not find the requested resource',
    });
  });

  it('serves nothing outside its path prefix', async () => {
    const other = new RawClient(
      new Proxy(server, {
        get: (target, key) =>
          (key === 'url' ? server.url.replace(PREFIX, '') : Reflect.get(target, key)) as unknown,
      }),
    );
    expect((await other.get('/api')).status).toBe(404);
    expect((await other.get('/readyz')).text).toBe('ok');
    other.close();
    expect((await client.get('/version')).body).toMatchObject({
      major: '1',
      minor: '32',
      gitVersion: 'v1.32.4',
    });
  });
});

describe('namespaces', () => {
  it('deletes the objects of a deleted namespace, and the namespace once no finalizers are left in it', async () => {
    await client.post('/api/v1/namespaces', { metadata: { name: 'doomed' } });
    const path = '/api/v1/namespaces/doomed/configmaps';
    await client.post(path, { metadata: { name: 'free' } });
    await client.post(path, { metadata: { name: 'held', finalizers: ['a.dev/x'] } });
    const { body } = await client.delete('/api/v1/namespaces/doomed');
    expect(body).toMatchObject({ kind: 'Namespace', status: { phase: 'Terminating' } });
    await client.untilStatus(`${path}/free`, 404);
    const late = await client.post(path, { metadata: { name: 'late' } });
    expect(late.status).toBe(403);
    expect(late.body['message']).toContain('because it is being terminated');
    expect((await client.get('/api/v1/namespaces/doomed')).status).toBe(200);
    await client.patch(`${path}/held`, { metadata: { finalizers: null } });
    await client.untilStatus('/api/v1/namespaces/doomed', 404);
  });

  it('labels a namespace with its name', async () => {
    const { body } = await client.get('/api/v1/namespaces/default');
    expect(body['metadata']?.['labels']).toEqual({ 'kubernetes.io/metadata.name': 'default' });
  });
});

describe('events', () => {
  const core = '/api/v1/namespaces/default/events';

  it('exist in the core group only', async () => {
    const event = {
      metadata: { name: 'one' },
      involvedObject: { kind: 'Widget', name: 'w', namespace: 'default', uid: 'u1' },
      reason: 'Tested',
      message: 'It was tested',
      type: 'Normal',
      count: 3,
      source: { component: 'tester' },
      firstTimestamp: '2024-01-01T00:00:00Z',
      lastTimestamp: '2024-01-02T00:00:00Z',
    };
    expect((await client.post(core, event)).status).toBe(201);
    expect((await client.get('/apis/events.k8s.io/v1')).status).toBe(404);
  });

  it.each([
    ['involvedObject.name=w,involvedObject.kind=Widget', 1],
    ['involvedObject.uid=u1,type=Normal,reason=Tested', 1],
    ['source=tester', 1],
    ['involvedObject.name=other', 0],
  ])('are selected by %s', async (selector, count) => {
    const { body } = await client.get(`${core}?fieldSelector=${encodeURIComponent(selector)}`);
    expect(body['items']).toHaveLength(count);
  });

  it('must be in the namespace of the object that they are about', async () => {
    const event = {
      metadata: { name: 'astray' },
      involvedObject: { kind: 'Widget', namespace: 'kube-system' },
    };
    const { status, body } = await client.post(core, event);
    expect(status).toBe(422);
    expect(body['message']).toContain('involvedObject.namespace');
  });

  it('with an eventTime must name the reporter and the action', async () => {
    const event = {
      metadata: { name: 'modern' },
      involvedObject: { kind: 'Widget', namespace: 'default', name: 'w' },
      eventTime: '2024-01-01T00:00:00.000000Z',
      reason: 'Tested',
      type: 'Normal',
      message: 'x',
    };
    expect((await client.post(core, event)).status).toBe(422);
    const whole = {
      ...event,
      action: 'Testing',
      reportingComponent: 'tester',
      reportingInstance: 'tester-0',
    };
    expect((await client.post(core, { ...whole, type: 'Odd' })).status).toBe(422);
    expect((await client.post(core, { ...whole, eventTime: '2024-01-01T00:00:00Z' })).status).toBe(400);
    expect((await client.post(core, whole)).status).toBe(201);
    expect((await client.get(`${core}/modern`)).body).toMatchObject({
      reportingComponent: 'tester',
      message: 'x',
    });
  });
});

describe('other built-in kinds', () => {
  it('moves stringData of a secret into data', async () => {
    const path = '/api/v1/namespaces/default/secrets';
    const { body } = await client.post(path, { metadata: { name: 's' }, stringData: { a: 'b' } });
    expect(body).toMatchObject({ type: 'Opaque', data: { a: 'Yg==' } });
    expect(body['stringData']).toBeUndefined();
    expect((await client.post(path, { metadata: { name: 't' }, data: { a: '?' } })).status).toBe(400);
  });

  it('validates the types of the fields of a lease', async () => {
    const path = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
    const lease = (spec: object): object => ({ metadata: { name: 'l' }, spec });
    expect((await client.post(path, lease({ leaseDurationSeconds: 0 }))).status).toBe(422);
    expect((await client.post(path, lease({ renewTime: '2024-01-01T00:00:00Z' }))).status).toBe(400);
    const good = lease({
      renewTime: '2024-01-01T00:00:00.000001Z',
      leaseDurationSeconds: 15,
      holderIdentity: 'me',
    });
    expect((await client.post(path, good)).status).toBe(201);
    expect((await client.put(`${path}/l`, good)).status).toBe(422);
  });

  it('creates a role on PUT, and never changes the roleRef of a binding', async () => {
    const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
    expect((await client.put(`${RBAC}/clusterroles/r`, { metadata: { name: 'r' }, rules })).status).toBe(201);
    const bad = { metadata: { name: 'r2' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs: [] }] };
    expect((await client.post(`${RBAC}/clusterroles`, bad)).status).toBe(422);
    const binding = (name: string): object => ({
      metadata: { name: 'b' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'User', name: 'u' }],
    });
    const { body } = await client.post(`${RBAC}/clusterrolebindings`, binding('r'));
    expect(body['subjects']?.[0]).toMatchObject({ apiGroup: 'rbac.authorization.k8s.io' });
    const { status, body: refusal } = await client.put(
      `${RBAC}/clusterrolebindings/b`,
      binding('cluster-admin'),
    );
    expect(status).toBe(422);
    expect(refusal['message']).toContain('cannot change roleRef');
  });

  it('refuses a body over 3 MiB', async () => {
    const huge = { metadata: { name: 'huge' }, data: { a: 'x'.repeat(3 * 1024 * 1024) } };
    const { status, body } = await client.post('/api/v1/namespaces/default/configmaps', huge);
    expect([status, body['reason']]).toEqual([413, 'RequestEntityTooLarge']);
  });

  it('omits kind and apiVersion of the items in a list, and keeps them in a watch', async () => {
    const { body } = await client.get('/api/v1/namespaces');
    expect(body['kind']).toBe('NamespaceList');
    expect(body['items']?.[0]?.['kind']).toBeUndefined();
    const watch = await client.watch('/api/v1/namespaces?watch=1');
    await watch.until(() => watch.lines.length > 0);
    expect(watch.events[0]?.['object']?.['kind']).toBe('Namespace');
    watch.close();
  });

  it('validates the schemas of CRDs', async () => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const crd = (spec: object, name = 'things.odd.dev'): object => ({
      metadata: { name },
      spec: { group: 'odd.dev', scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' }, ...spec },
    });
    const version = { name: 'v1', served: true, storage: true };
    const schema = (openAPIV3Schema: object): object => ({
      versions: [{ ...version, schema: { openAPIV3Schema } }],
    });
    expect((await client.post(path, crd({ versions: [version] }))).status).toBe(422);
    expect((await client.post(path, crd(schema({ type: 'string' })))).status).toBe(422);
    expect((await client.post(path, crd(schema({ type: 'object', properties: { spec: {} } })))).status).toBe(
      422,
    );
    expect((await client.post(path, crd(schema({ type: 'object' }), 'other.odd.dev'))).status).toBe(422);
    const { status, body } = await client.post(path, crd(schema({ type: 'object' })));
    expect(status).toBe(201);
    expect(body).toMatchObject({
      spec: { names: { listKind: 'ThingList', singular: 'thing' } },
      status: { storedVersions: ['v1'], acceptedNames: { kind: 'Thing' } },
    });
    expect((await client.get('/apis/odd.dev/v1/things')).status).toBe(200);
  });
});
