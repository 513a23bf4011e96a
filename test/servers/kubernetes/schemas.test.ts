import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { RawClient } from './raw-client.js';
import { widget, WIDGET_CRD, WIDGETS } from './sample-crd.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

let server: LoopbackKubernetes;
let client: RawClient;
beforeAll(async () => {
  server = await startKubernetesServer();
  client = new RawClient(server);
  await client.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', WIDGET_CRD);
});
afterAll(async () => {
  client.close();
  await server.stop();
});

describe('schema of a CRD', () => {
  it.each([
    ['a missing field', {}, 'FieldValueRequired', 'spec.size'],
    ['a value outside the enum', { size: 'huge' }, 'FieldValueNotSupported', 'spec.size'],
    ['a wrong type', { size: 'small', count: 'many' }, 'FieldValueTypeInvalid', 'spec.count'],
    ['a value below the minimum', { size: 'small', count: -1 }, 'FieldValueInvalid', 'spec.count'],
    ['a double in a set', { size: 'small', tags: ['a', 'a'] }, 'FieldValueDuplicate', 'spec.tags[1]'],
    [
      'a double key in a list map',
      { size: 'small', parts: [{ key: 'k' }, { key: 'k' }] },
      'FieldValueDuplicate',
      'spec.parts[1]',
    ],
    ['a wrong type in a map', { size: 'small', labels: { a: 1 } }, 'FieldValueTypeInvalid', 'spec.labels.a'],
  ])('refuses %s with its cause', async (_what, spec, reason, field) => {
    const { status, body } = await client.post(WIDGETS, widget('bad', spec));
    expect(status).toBe(422);
    expect(body).toMatchObject({
      reason: 'Invalid',
      details: { name: 'bad', group: 'test.loopback.dev', kind: 'Widget', causes: [{ reason, field }] },
    });
    expect(body['message']).toContain(`Widget.test.loopback.dev "bad" is invalid: ${field}: `);
  });

  it('validates the status, too', async () => {
    await client.post(WIDGETS, widget('status'));
    expect((await client.patch(`${WIDGETS}/status/status`, { status: { note: 5 } })).status).toBe(422);
    const { status, body } = await client.patch(`${WIDGETS}/status/status`, {
      status: { note: 'a', extra: 1 },
    });
    expect(status).toBe(200);
    expect(body['status']).toEqual({ note: 'a' });
  });

  it('handles unknown fields as fieldValidation asks: Warn, Strict or Ignore', async () => {
    const odd = (name: string): object =>
      widget(name, { size: 'small', foo: 1, parts: [{ key: 'a', bar: 2 }] });
    const warned = await client.post(WIDGETS, odd('warned'));
    expect(warned.status).toBe(201);
    expect(warned.headers['warning']).toBe(
      '299 - "unknown field \\"spec.foo\\"", 299 - "unknown field \\"spec.parts[0].bar\\""',
    );
    expect(warned.body['spec']).toEqual({ size: 'small', parts: [{ key: 'a' }] });
    const strict = await client.post(`${WIDGETS}?fieldValidation=Strict`, odd('strict'));
    expect(strict).toMatchObject({ status: 400, body: { reason: 'BadRequest' } });
    expect(strict.body['message']).toContain('strict decoding error: unknown field "spec.foo"');
    const ignored = await client.post(`${WIDGETS}?fieldValidation=Ignore`, odd('ignored'));
    expect(ignored.headers['warning']).toBeUndefined();
    expect((await client.post(`${WIDGETS}?fieldValidation=Odd`, odd('x'))).status).toBe(422);
  });

  it('applies defaults, and treats null as absent', async () => {
    const options = { color: null, note: null };
    const { body } = await client.post(WIDGETS, { ...widget('defaults'), options });
    expect(body['options']).toEqual({ color: 'grey' });
    expect((await client.patch(`${WIDGETS}/defaults`, { spec: { size: null } })).status).toBe(422);
  });

  it('shows the columns of the CRD in a Table', async () => {
    await client.post(WIDGETS, widget('shown', { size: 'large', count: 3 }));
    await client.patch(`${WIDGETS}/shown/status`, {
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
    const { body } = await client.get(`${WIDGETS}/shown`, { accept });
    expect(body['kind']).toBe('Table');
    const columns = body['columnDefinitions'] as unknown as { name: string; priority: number }[];
    expect(columns.map(({ name }) => name)).toEqual(['Name', 'Size', 'Ready', 'Count', 'Age']);
    expect(body['rows']?.[0]?.['cells']).toEqual([
      'shown',
      'large',
      'True',
      3,
      expect.stringMatching(/^\d+s$/),
    ]);
    const watch = await client.watch(`${WIDGETS}?watch=1`, { accept });
    await watch.until(() => watch.lines.length > 1);
    const [first, second] = watch.events;
    expect(first?.['object']?.['columnDefinitions']).toHaveLength(5);
    expect(second).toMatchObject({ type: 'ADDED', object: { kind: 'Table', columnDefinitions: null } });
    watch.close();
  });
});

describe('bodies and patches', () => {
  it('accepts JSON and YAML only', async () => {
    const yaml =
      'apiVersion: test.loopback.dev/v1\nkind: Widget\nmetadata: {name: from-yaml}\nspec: {size: large}\n';
    expect((await client.post(WIDGETS, yaml, { contentType: 'application/yaml' })).status).toBe(201);
    expect((await client.post(WIDGETS, yaml, { contentType: 'text/plain' })).status).toBe(415);
    expect((await client.post(WIDGETS, '{"not json')).status).toBe(400);
    expect((await client.post(WIDGETS, '', { contentType: 'application/json' })).status).toBe(400);
  });

  it('merges lists by key in strategic patches of built-in kinds', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments';
    const selector = { matchLabels: { a: 'b' } };
    const containers = [
      { name: 'x', image: 'one' },
      { name: 'y', image: 'two' },
    ];
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers } };
    expect((await client.post(path, { metadata: { name: 'd' }, spec: { selector, template } })).status).toBe(
      201,
    );
    const patch = { spec: { template: { spec: { containers: [{ name: 'y', image: 'three' }] } } } };
    const { body } = await client.patch(`${path}/d`, patch, 'application/strategic-merge-patch+json');
    expect(body['spec']?.['template']?.['spec']?.['containers']).toEqual([
      { name: 'x', image: 'one' },
      { name: 'y', image: 'three' },
    ]);
  });
});
