import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { RawClient } from './raw-client.js';
import { widget, WIDGET_CRD, WIDGETS } from './sample-crd.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

let server: LoopbackKubernetes;
let client: RawClient;
beforeAll(async () => {
  server = await startKubernetesServer();
  client = new RawClient(server);
  expect((await client.post(CRDS, WIDGET_CRD)).status).toBe(201);
});
afterAll(async () => {
  client.close();
  await server.stop();
});

describe('create', () => {
  it('sets what the server owns and ignores the status', async () => {
    const { status, body } = await client.post(WIDGETS, {
      ...widget(
        'fresh',
        { size: 'small' },
        { generation: 7, uid: 'mine', deletionTimestamp: '2020-01-01T00:00:00Z' },
      ),
      status: { note: 'ignored' },
    });
    expect(status).toBe(201);
    expect(body).toMatchObject({ metadata: { name: 'fresh', namespace: 'default', generation: 1 } });
    expect(body['metadata']?.['uid']).toMatch(/^[0-9a-f-]{36}$/);
    expect(body['metadata']?.['creationTimestamp']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(body['metadata']?.['deletionTimestamp']).toBeUndefined();
    expect(body['status']).toBeUndefined();
  });

  it('generates a name from generateName', async () => {
    const { body } = await client.post(WIDGETS, {
      ...widget('x'),
      metadata: { generateName: 'made-' },
    });
    expect(body['metadata']?.['name']).toMatch(/^made-[a-z0-9]{5}$/);
  });

  it.each([
    [
      'a name that exists',
      widget('twice'),
      409,
      'AlreadyExists',
      'widgets.test.loopback.dev "twice" already exists',
    ],
    [
      'a bad name',
      widget('Not_Good'),
      422,
      'Invalid',
      'Widget.test.loopback.dev "Not_Good" is invalid: metadata.name',
    ],
    ['no name', widget(''), 422, 'Invalid', 'name or generateName is required'],
    [
      'another namespace',
      widget('y', {}, { namespace: 'other' }),
      400,
      'BadRequest',
      'does not match the namespace sent on the request',
    ],
    ['another kind', { ...widget('y'), kind: 'Gadget' }, 422, 'Invalid', 'must be Widget'],
    [
      'another version',
      { ...widget('y'), apiVersion: 'v1' },
      400,
      'BadRequest',
      'expected API version (test.loopback.dev/v1)',
    ],
    [
      'a resourceVersion',
      widget('y', { size: 'small' }, { resourceVersion: '5' }),
      500,
      undefined,
      'resourceVersion should not be set',
    ],
    ['labels that are no text', widget('y', {}, { labels: { a: 1 } }), 400, 'BadRequest', 'metadata.labels'],
    [
      'a bad label',
      widget('y', { size: 'small' }, { labels: { a: 'not valid!' } }),
      422,
      'Invalid',
      'metadata.labels',
    ],
  ])('refuses %s', async (_what, object, code, reason, message) => {
    await client.post(WIDGETS, widget('twice'));
    const { status, body } = await client.post(WIDGETS, object);
    expect([status, body['kind'], body['code'], body['reason']]).toEqual([code, 'Status', code, reason]);
    expect(body['message']).toContain(message);
  });

  it('answers 404 for a namespace that does not exist', async () => {
    const { status, body } = await client.post(WIDGETS.replace('default', 'missing'), widget('x'));
    expect(status).toBe(404);
    expect(body).toMatchObject({
      message: 'namespaces "missing" not found',
      details: { kind: 'namespaces' },
    });
  });

  it('stores nothing on a dry run', async () => {
    expect((await client.post(`${WIDGETS}?dryRun=All`, widget('dry'))).status).toBe(201);
    expect((await client.get(`${WIDGETS}/dry`)).status).toBe(404);
    expect((await client.post(`${WIDGETS}?dryRun=Some`, widget('dry'))).status).toBe(422);
  });
});

describe('update', () => {
  it('requires the current resourceVersion for a custom resource', async () => {
    const { body } = await client.post(WIDGETS, widget('put'));
    const { resourceVersion, ...unversioned } = body['metadata'] as unknown as Record<string, string>;
    const next = { ...body, spec: { size: 'large' } };
    expect((await client.put(`${WIDGETS}/put`, { ...next, metadata: unversioned })).status).toBe(422);
    expect((await client.put(`${WIDGETS}/put`, next)).body).toMatchObject({
      spec: { size: 'large' },
      metadata: { generation: 2 },
    });
    const stale = await client.put(`${WIDGETS}/put`, { ...next, spec: { size: 'small' } });
    expect(stale.status).toBe(409);
    expect(stale.body['reason']).toBe('Conflict');
    expect(stale.body['message']).toBe(
      'Operation cannot be fulfilled on widgets.test.loopback.dev "put": the object has been modified; please apply your changes to the latest version and try again',
    );
    expect(resourceVersion).toMatch(/^\d+$/);
  });

  it('overwrites a config map without a resourceVersion, and conflicts with a stale one', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const { body } = await client.post(path, { metadata: { name: 'plain' }, data: { a: '1' } });
    expect(
      (await client.put(`${path}/plain`, { metadata: { name: 'plain' }, data: { a: '2' } })).status,
    ).toBe(200);
    expect((await client.put(`${path}/plain`, body)).status).toBe(409);
  });

  it('writes nothing when nothing changes', async () => {
    const { body } = await client.post(WIDGETS, widget('same'));
    const before = server.revision;
    const again = await client.put(`${WIDGETS}/same`, body);
    expect(again.body['metadata']).toEqual(body['metadata']);
    expect(server.revision).toBe(before);
  });

  it('increments the generation for a change of the spec, not for labels', async () => {
    await client.post(WIDGETS, widget('gen'));
    const labelled = await client.patch(`${WIDGETS}/gen`, { metadata: { labels: { a: 'b' } } });
    expect(labelled.body['metadata']?.['generation']).toBe(1);
    const changed = await client.patch(`${WIDGETS}/gen`, { spec: { count: 1 } });
    expect(changed.body['metadata']?.['generation']).toBe(2);
  });
});

describe('patch', () => {
  it('conflicts when it carries a stale resourceVersion', async () => {
    const { body } = await client.post(WIDGETS, widget('merge'));
    const old = body['metadata']?.['resourceVersion'];
    const first = await client.patch(`${WIDGETS}/merge`, {
      metadata: { resourceVersion: old },
      spec: { count: 1 },
    });
    expect(first.status).toBe(200);
    const stale = await client.patch(`${WIDGETS}/merge`, {
      metadata: { resourceVersion: old },
      spec: { count: 2 },
    });
    expect(stale.status).toBe(409);
    expect(server.peek('Widget', 'default', 'merge')?.['spec']).toEqual({ size: 'small', count: 1 });
  });

  it('refuses an unknown patch type for a custom resource', async () => {
    await client.post(WIDGETS, widget('types'));
    const strategic = await client.patch(`${WIDGETS}/types`, {}, 'application/strategic-merge-patch+json');
    expect(strategic.status).toBe(415);
    expect(strategic.body['reason']).toBe('UnsupportedMediaType');
    const json = await client.patch(`${WIDGETS}/types`, [], 'application/json-patch+json');
    expect(json.status).toBe(415);
  });

  it('cannot rename an object', async () => {
    await client.post(WIDGETS, widget('old-name'));
    expect((await client.patch(`${WIDGETS}/old-name`, { metadata: { name: 'new-name' } })).status).toBe(400);
  });
});

describe('status subresource', () => {
  it('changes the status and nothing else', async () => {
    await client.post(WIDGETS, widget('st'));
    const patch = {
      metadata: { labels: { no: 'no' }, finalizers: ['x.dev/y'] },
      spec: { count: 9 },
      status: { note: 'hi' },
    };
    const { status, body } = await client.patch(`${WIDGETS}/st/status`, patch);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      spec: { size: 'small' },
      status: { note: 'hi' },
      metadata: { generation: 1 },
    });
    expect(body['spec']?.['count']).toBeUndefined();
    expect(body['metadata']?.['labels']).toBeUndefined();
    expect(body['metadata']?.['finalizers']).toBeUndefined();
  });

  it('is ignored by the main endpoint', async () => {
    await client.post(WIDGETS, widget('main'));
    await client.patch(`${WIDGETS}/main/status`, { status: { note: 'kept' } });
    const { body } = await client.patch(`${WIDGETS}/main`, { status: { note: 'lost' }, spec: { count: 1 } });
    expect(body).toMatchObject({ status: { note: 'kept' }, spec: { count: 1 } });
  });

  it('checks the resourceVersion and the uid', async () => {
    const { body } = await client.post(WIDGETS, widget('st2'));
    await client.patch(`${WIDGETS}/st2`, { spec: { count: 1 } });
    expect((await client.put(`${WIDGETS}/st2/status`, { ...body, status: { note: 'x' } })).status).toBe(409);
    const foreign = { metadata: { uid: '00000000-0000-0000-0000-000000000000' }, status: { note: 'x' } };
    expect((await client.patch(`${WIDGETS}/st2/status`, foreign)).status).toBe(422);
  });

  it('answers 404 for kinds without one', async () => {
    expect((await client.get('/api/v1/namespaces/default/configmaps/x/status')).status).toBe(404);
  });
});

describe('delete', () => {
  it('marks an object with finalizers, and removes it with the last of them', async () => {
    await client.post(WIDGETS, widget('held', { size: 'small' }, { finalizers: ['a.dev/x', 'b.dev/y'] }));
    const marked = await client.delete(`${WIDGETS}/held`);
    expect(marked).toMatchObject({
      status: 200,
      body: { kind: 'Widget', metadata: { deletionGracePeriodSeconds: 0, generation: 2 } },
    });
    expect(marked.body['metadata']?.['deletionTimestamp']).toBeDefined();
    const again = await client.delete(`${WIDGETS}/held`);
    expect(again.body['metadata']).toEqual(marked.body['metadata']);
    const { body: taken } = await client.post(WIDGETS, widget('held'));
    expect(taken['message']).toMatch(/^object is being deleted: .* already exists$/);
    await client.patch(`${WIDGETS}/held`, { metadata: { finalizers: ['b.dev/y'] } });
    expect((await client.get(`${WIDGETS}/held`)).status).toBe(200);
    expect((await client.patch(`${WIDGETS}/held`, { metadata: { finalizers: [] } })).status).toBe(200);
    expect((await client.get(`${WIDGETS}/held`)).status).toBe(404);
  });

  it('refuses new finalizers during a deletion', async () => {
    await client.post(WIDGETS, widget('late', { size: 'small' }, { finalizers: ['a.dev/x'] }));
    await client.delete(`${WIDGETS}/late`);
    const { status, body } = await client.patch(`${WIDGETS}/late`, {
      metadata: { finalizers: ['a.dev/x', 'b.dev/y'] },
    });
    expect(status).toBe(422);
    expect(body['message']).toContain('no new finalizers can be added if the object is being deleted');
  });

  it('answers with a Status when the object is deleted immediately', async () => {
    const { body } = await client.post(WIDGETS, widget('gone'));
    expect(await client.delete(`${WIDGETS}/gone`)).toMatchObject({
      status: 200,
      body: {
        kind: 'Status',
        status: 'Success',
        details: {
          name: 'gone',
          kind: 'widgets',
          group: 'test.loopback.dev',
          uid: body['metadata']?.['uid'],
        },
      },
    });
    expect((await client.delete(`${WIDGETS}/gone`)).status).toBe(404);
  });

  it.each([
    ['uid', { uid: 'another' }],
    ['resourceVersion', { resourceVersion: '1' }],
  ])('checks the precondition on the %s', async (_what, preconditions) => {
    await client.post(WIDGETS, widget('guarded'));
    expect((await client.delete(`${WIDGETS}/guarded`, { kind: 'DeleteOptions', preconditions })).status).toBe(
      409,
    );
    expect((await client.get(`${WIDGETS}/guarded`)).status).toBe(200);
  });

  it('refuses to delete a collection', async () => {
    expect((await client.delete(WIDGETS)).status).toBe(405);
  });

  it('deletes the objects of a deleted CRD, and waits for their finalizers', async () => {
    const crd = JSON.parse(
      JSON.stringify(WIDGET_CRD).replaceAll('widget', 'gadget').replaceAll('Widget', 'Gadget'),
    ) as object;
    expect((await client.post(CRDS, crd)).status).toBe(201);
    const path = WIDGETS.replace('widgets', 'gadgets');
    const gadget = { ...widget('g', { size: 'small' }, { finalizers: ['a.dev/x'] }), kind: 'Gadget' };
    expect((await client.post(path, gadget)).status).toBe(201);
    await client.delete(`${CRDS}/gadgets.test.loopback.dev`);
    expect((await client.get(`${CRDS}/gadgets.test.loopback.dev`)).status).toBe(200);
    expect(server.peek('Gadget', 'default', 'g')?.metadata.deletionTimestamp).toBeDefined();
    await client.patch(`${path}/g`, { metadata: { finalizers: null } });
    await client.untilStatus(`${CRDS}/gadgets.test.loopback.dev`, 404);
    expect((await client.get(path)).status).toBe(404);
  });
});
