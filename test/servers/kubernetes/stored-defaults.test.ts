import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { RawClient } from './raw-client.js';
import { widget, WIDGET_CRD, WIDGETS } from './sample-crd.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const NEW = { note: 'new' };

let server: LoopbackKubernetes;
let client: RawClient;

beforeAll(async () => {
  server = await startKubernetesServer();
  client = new RawClient(server);
  await client.post(CRDS, WIDGET_CRD);
  await client.post(WIDGETS, widget('stored-before'));
  await client.post(WIDGETS, widget('with-status'));
  await client.patch(`${WIDGETS}/with-status/status`, { status: { conditions: [] } });
  const crd = structuredClone(WIDGET_CRD) as unknown as {
    metadata: { name: string };
    spec: { versions: { schema: { openAPIV3Schema: { properties: { status: object } } } }[] };
  };
  for (const { schema } of crd.spec.versions)
    Object.assign(schema.openAPIV3Schema.properties.status, { default: NEW });
  await client.patch(`${CRDS}/${crd.metadata.name}`, { spec: crd.spec });
});

afterAll(async () => {
  client.close();
  await server.stop();
});

describe('a default for a whole status', () => {
  it('is shown for an object that was stored before, by every way to read it', async () => {
    expect((await client.get(`${WIDGETS}/stored-before`)).body['status']).toEqual(NEW);
    const { body } = await client.get(WIDGETS);
    const items = body['items'] as unknown as { metadata: { name: string }; status?: object }[];
    expect(items.find(({ metadata }) => metadata.name === 'stored-before')?.status).toEqual(NEW);
    const watch = await client.watch(`${WIDGETS}?watch=1`);
    await watch.until(() => watch.events.length >= 2);
    const shown = watch.events.map(({ object }) => [object?.['metadata']?.['name'], object?.['status']]);
    expect(shown).toContainEqual(['stored-before', NEW]);
    watch.close();
  });

  it('leaves a status that is there alone', async () => {
    expect((await client.get(`${WIDGETS}/with-status`)).body['status']).toEqual({ conditions: [] });
  });

  it('is in the answer to a creation, whatever status the client sent', async () => {
    const { body } = await client.post(WIDGETS, { ...widget('created'), status: { note: 'mine' } });
    expect(body['status']).toEqual(NEW);
    expect(server.peek('Widget', 'default', 'created')?.['status']).toBeUndefined();
  });

  it('is what a patch of the status is merged into', async () => {
    const { body } = await client.patch(`${WIDGETS}/created/status`, { status: { conditions: [] } });
    expect(body['status']).toEqual({ ...NEW, conditions: [] });
  });
});
