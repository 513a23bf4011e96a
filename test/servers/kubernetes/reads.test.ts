import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { type Json, RawClient, textOf } from './raw-client.js';
import { ALL_WIDGETS, widget, WIDGET_CRD, WIDGETS } from './sample-crd.js';
import { type LoopbackKubernetes, startKubernetesServer } from './server.js';

let server: LoopbackKubernetes;
let client: RawClient;
beforeAll(async () => {
  server = await startKubernetesServer({ bookmarkIntervalMs: 50 });
  client = new RawClient(server);
  await client.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', WIDGET_CRD);
  await client.post('/api/v1/namespaces', { metadata: { name: 'other' } });
  for (const [name, labels] of [
    ['a', { app: 'web', tier: 'front' }],
    ['b', { app: 'web' }],
    ['c', { app: 'db' }],
    ['d', {}],
  ] as const) {
    await client.post(WIDGETS, widget(name, { size: 'small' }, { labels }));
  }
  await client.post(WIDGETS.replace('default', 'other'), widget('a'));
});
afterAll(async () => {
  client.close();
  await server.stop();
});

function names(body: Json): string[] {
  const items = body['items'] as unknown as { metadata: { name: string; namespace?: string } }[];
  return items.map(({ metadata }) => (metadata.namespace === 'other' ? 'other/' : '') + metadata.name);
}

describe('list', () => {
  it('lists one namespace, and all namespaces', async () => {
    expect(names((await client.get(WIDGETS)).body)).toEqual(['a', 'b', 'c', 'd']);
    const { body } = await client.get(ALL_WIDGETS);
    expect(names(body)).toEqual(['a', 'b', 'c', 'd', 'other/a']);
    expect(body).toMatchObject({ kind: 'WidgetList', apiVersion: 'test.loopback.dev/v1' });
    expect(body['metadata']?.['resourceVersion']).toBe(String(server.revision));
  });

  it.each([
    ['metadata.name=b', ['b']],
    ['metadata.name!=b,metadata.namespace=default', ['a', 'c', 'd']],
  ])('filters by the field selector %s', async (selector, expected) => {
    const { body } = await client.get(`${ALL_WIDGETS}?fieldSelector=${encodeURIComponent(selector)}`);
    expect(names(body).filter((name) => !name.startsWith('other/'))).toEqual(expected);
  });

  it.each([
    // Known to a real server, but used by nothing here.
    'labelSelector=app%3Dweb',
    'fieldSelector=spec.size%3Dsmall',
    'limit=x',
    'resourceVersion=x',
  ])('refuses %s with 400', async (query) => {
    expect((await client.get(`${WIDGETS}?${query}`)).status).toBe(400);
  });

  it('serves all pages from one snapshot while objects change', async () => {
    const first = (await client.get(`${WIDGETS}?limit=2`)).body;
    expect(names(first)).toEqual(['a', 'b']);
    expect(first['metadata']).toMatchObject({ remainingItemCount: 2 });
    await client.delete(`${WIDGETS}/d`);
    await client.post(WIDGETS, widget('bb'));
    const next = `${WIDGETS}?limit=2&continue=${textOf(first['metadata']?.['continue'])}`;
    const second = (await client.get(next)).body;
    expect(names(second)).toEqual(['c', 'd']);
    expect(second['metadata']).toEqual({
      continue: '',
      resourceVersion: first['metadata']?.['resourceVersion'],
    });
    await client.delete(`${WIDGETS}/bb`);
    await client.post(WIDGETS, widget('d'));
    server.compact();
    const late = await client.get(next);
    expect(late).toMatchObject({ status: 410, body: { reason: 'Expired' } });
    expect((await client.get(`${WIDGETS}?continue=nonsense`)).status).toBe(400);
  });

  it('ignores the page limit for resourceVersion 0, as the watch cache does', async () => {
    const { body } = await client.get(`${WIDGETS}?limit=1&resourceVersion=0`);
    expect(names(body)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('lists the state at an exact resourceVersion, and refuses a future one', async () => {
    const before = server.revision;
    await client.post(WIDGETS, widget('short-lived'));
    const exact = `resourceVersionMatch=Exact&resourceVersion=${String(before)}`;
    expect(names((await client.get(`${WIDGETS}?${exact}`)).body)).not.toContain('short-lived');
    await client.delete(`${WIDGETS}/short-lived`);
    const future = await client.get(`${WIDGETS}?resourceVersion=${String(server.revision + 100)}`);
    expect(future).toMatchObject({ status: 504, headers: { 'retry-after': '1' } });
    expect((await client.get(`${WIDGETS}?resourceVersionMatch=Exact`)).status).toBe(422);
  });

  it('answers with PartialObjectMetadata when the client asks for it', async () => {
    const accept = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
    const { body } = await client.get(WIDGETS, { accept });
    expect(body['kind']).toBe('PartialObjectMetadataList');
    expect(body['items']?.[0]).toEqual({
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: expect.objectContaining({ name: 'a' }),
    });
    expect((await client.get(WIDGETS, { accept: 'text/html' })).status).toBe(406);
  });
});

describe('watch', () => {
  it('starts with the existing objects when no resourceVersion is given', async () => {
    for (const query of ['watch=1', 'watch=true&resourceVersion=0']) {
      const watch = await client.watch(`${WIDGETS}?${query}`);
      await watch.until(() => watch.lines.length === 4);
      expect(watch.seen).toEqual(['ADDED a', 'ADDED b', 'ADDED c', 'ADDED d']);
      watch.close();
    }
  });

  it('continues from a resourceVersion', async () => {
    const from = server.revision;
    await client.post(WIDGETS, widget('w1'));
    const watch = await client.watch(`${WIDGETS}?watch=1&resourceVersion=${String(from)}`);
    await client.patch(`${WIDGETS}/w1`, { spec: { count: 1 } });
    await client.delete(`${WIDGETS}/w1`);
    await watch.until(() => watch.lines.length === 3);
    expect(watch.seen).toEqual(['ADDED w1', 'MODIFIED w1', 'DELETED w1']);
    const versions = watch.events.map((event) => Number(event['object']?.['metadata']?.['resourceVersion']));
    expect(versions).toEqual([from + 1, from + 2, from + 3]);
    watch.close();
  });

  it('sends bookmarks only to clients that allow them', async () => {
    const with_ = await client.watch(
      `${WIDGETS}?watch=1&allowWatchBookmarks=true&resourceVersion=${String(server.revision)}`,
    );
    const without = await client.watch(`${WIDGETS}?watch=1&resourceVersion=${String(server.revision)}`);
    await client.post('/api/v1/namespaces/default/configmaps', { metadata: { name: 'unrelated' } });
    const now = String(server.revision);
    await with_.until(() =>
      with_.events.some((event) => textOf(event['object']?.['metadata']?.['resourceVersion']) === now),
    );
    expect(with_.events.at(-1)).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'Widget', apiVersion: 'test.loopback.dev/v1' },
    });
    expect(without.lines).toEqual([]);
    with_.close();
    without.close();
  });

  it('ends after timeoutSeconds', async () => {
    const watch = await client.watch(
      `${WIDGETS}?watch=1&timeoutSeconds=1&resourceVersion=${String(server.revision)}`,
    );
    await watch.until(() => watch.ended);
    expect(watch.lines).toEqual([]);
  });

  it('answers a compacted resourceVersion with an ERROR event in the stream', async () => {
    const from = server.revision;
    await client.patch(`${WIDGETS}/a`, { spec: { count: from } });
    server.compact();
    const watch = await client.watch(`${WIDGETS}?watch=1&resourceVersion=${String(from)}`);
    await watch.until(() => watch.ended);
    expect(watch.events).toEqual([
      { type: 'ERROR', object: expect.objectContaining({ kind: 'Status', code: 410, reason: 'Expired' }) },
    ]);
  });

  it('refuses sendInitialEvents, as servers without streaming lists do', async () => {
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
    expect((await client.get(`${WIDGETS}?${query}`)).status).toBe(422);
  });
});

describe('injected faults', () => {
  it('pauses watches, which catch up afterwards', async () => {
    const watch = await client.watch(`${WIDGETS}?watch=1&resourceVersion=${String(server.revision)}`);
    const resume = server.silenceWatches();
    await client.patch(`${WIDGETS}/b`, { spec: { count: 100 } });
    const late = await client.watch(`${WIDGETS}?watch=1&timeoutSeconds=1`);
    expect([watch.lines, late.lines]).toEqual([[], []]);
    resume();
    await watch.until(() => watch.lines.length === 1);
    await late.until(() => late.lines.length === 4);
    watch.close();
    late.close();
  });

  it('sends nothing on half-open watches and serves new ones', async () => {
    const dead = await client.watch(`${WIDGETS}?watch=1&resourceVersion=${String(server.revision)}`);
    server.halfOpenWatches();
    const alive = await client.watch(`${WIDGETS}?watch=1&resourceVersion=${String(server.revision)}`);
    await client.patch(`${WIDGETS}/b`, { spec: { count: 101 } });
    await alive.until(() => alive.lines.length === 1);
    expect({ lines: dead.lines, ended: dead.ended }).toEqual({ lines: [], ended: false });
    dead.close();
    alive.close();
  });

  it('restarts on the same port with everything that was stored', async () => {
    const watch = await client.watch(`${WIDGETS}?watch=1&resourceVersion=${String(server.revision)}`);
    const { url } = server;
    await server.stop();
    await watch.until(() => watch.ended);
    await expect(client.get(WIDGETS)).rejects.toThrow();
    await server.restart();
    expect(server.url).toBe(url);
    expect((await client.get(`${WIDGETS}/b`)).body['spec']?.['count']).toBe(101);
    expect(server.openWatches).toBe(0);
  });
});
