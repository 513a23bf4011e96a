import type { ServerResponse } from 'node:http';
import type { ServerOptions } from 'node:https';

import { API_VERSION, GROUP, type Kind, PLURALS, VERSION } from '../../src/api/group.js';
import type { Resource } from '../../src/api/resources.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import type { SeenRequest } from '../servers/shared/request-log.js';

interface Change {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Resource;
}

interface Stream {
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly response: ServerResponse;
}

/**
 * A list-and-watch API that a test controls completely: what a stream sends, when it ends, what has been compacted.
 * The full loopback API server behaves well; this one is for misbehaviour.
 */
export class ScriptedApi {
  private readonly objects = new Map<string, Resource>();
  private readonly history: Change[] = [];
  private readonly streams = new Set<Stream>();
  private compacted = 0;
  private uids = 0;
  version = 100;
  /** Streams opened since the start. */
  watches = 0;

  private constructor(readonly server: LoopbackServer) {}

  static async start(tls?: ServerOptions): Promise<ScriptedApi> {
    const holder: { api?: ScriptedApi } = {};
    const server = await LoopbackServer.start(
      (seen, _request, response) => {
        holder.api?.serve(seen, response);
      },
      tls === undefined ? {} : { tls },
    );
    holder.api = new ScriptedApi(server);
    return holder.api;
  }

  get openStreams(): number {
    return this.streams.size;
  }

  lists(): number {
    return this.server.requests.count(({ url }) => !url.includes('watch=true') && !url.includes('continue='));
  }

  put(
    kind: Kind,
    namespace: string,
    name: string,
    spec: unknown,
    more: object = {},
    status?: object,
  ): Resource {
    const id = `${PLURALS[kind]}/${namespace}/${name}`;
    const known = this.objects.get(id);
    this.version += 1;
    const object = {
      apiVersion: API_VERSION,
      kind,
      metadata: {
        namespace,
        name,
        uid: known?.metadata.uid ?? `uid-${String((this.uids += 1))}`,
        resourceVersion: String(this.version),
        generation: known === undefined ? 1 : (known.metadata.generation ?? 0) + 1,
        creationTimestamp: '2024-01-01T00:00:00Z',
        ...more,
      },
      spec,
      status,
    } as unknown as Resource;
    this.objects.set(id, object);
    this.publish(PLURALS[kind], { version: this.version, type: known ? 'MODIFIED' : 'ADDED', object });
    return object;
  }

  delete(kind: Kind, namespace: string, name: string): void {
    const id = `${PLURALS[kind]}/${namespace}/${name}`;
    const object = this.objects.get(id);
    if (object === undefined) throw new Error(`no ${id}`);
    this.objects.delete(id);
    this.version += 1;
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
    this.publish(PLURALS[kind], { version: this.version, type: 'DELETED', object: last });
  }

  /** Forgets the history: a watch from before gets 410. */
  compact(): void {
    this.compacted = this.version;
  }

  /** As after a restore from a backup: versions start again below those seen before, without a past. */
  rewind(version: number): void {
    this.version = version;
    this.history.length = 0;
  }

  /** Writes to every open stream. */
  say(line: string): void {
    for (const { response } of this.streams) response.write(`${line}\n`);
  }

  endStreams(): void {
    for (const { response } of this.streams) response.end();
    this.streams.clear();
  }

  private publish(plural: string, change: Change): void {
    this.history.push(change);
    for (const stream of this.streams) {
      if (stream.plural !== plural) continue;
      if (stream.namespace !== undefined && stream.namespace !== change.object.metadata.namespace) continue;
      stream.response.write(lineOf(change));
    }
  }

  private serve(seen: SeenRequest, response: ServerResponse): void {
    const url = new URL(seen.url, 'http://loopback');
    const single = new RegExp(`/apis/${GROUP}/${VERSION}/namespaces/([^/]+)/([a-z]+)/([^/]+)$`).exec(
      url.pathname,
    );
    if (single !== null) {
      const object = this.objects.get(`${single[2] ?? ''}/${single[1] ?? ''}/${single[3] ?? ''}`);
      if (object !== undefined) answer(response, 200, object);
      else {
        const details = { name: single[3] };
        answer(response, 404, { kind: 'Status', reason: 'NotFound', code: 404, details });
      }
      return;
    }
    const path = new RegExp(`/apis/${GROUP}/${VERSION}/(?:namespaces/([^/]+)/)?([a-z]+)$`).exec(url.pathname);
    const plural = path?.[2];
    if (plural === undefined) {
      answer(response, 404, { kind: 'Status', reason: 'NotFound', code: 404 });
    } else if (url.searchParams.get('watch') === 'true') {
      this.watch(plural, path?.[1], url, response);
    } else this.list(plural, path?.[1], url, response);
  }

  private list(plural: string, namespace: string | undefined, url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('continue') ?? 0);
    const limit = Number(url.searchParams.get('limit') ?? Infinity);
    const all = [...this.objects.entries()]
      .filter(([id]) => id.startsWith(`${plural}/${namespace === undefined ? '' : `${namespace}/`}`))
      .map(([, object]) => object);
    const more = from + limit < all.length ? String(from + limit) : undefined;
    answer(response, 200, {
      apiVersion: API_VERSION,
      kind: 'List',
      metadata: { resourceVersion: String(this.version), ...(more ? { continue: more } : {}) },
      items: all.slice(from, from + limit),
    });
  }

  private watch(plural: string, namespace: string | undefined, url: URL, response: ServerResponse): void {
    const from = Number(url.searchParams.get('resourceVersion'));
    if (from < this.compacted) {
      answer(response, 410, { kind: 'Status', reason: 'Expired', code: 410 });
      return;
    }
    this.watches += 1;
    const stream = { plural, namespace, response };
    this.streams.add(stream);
    response.on('close', () => this.streams.delete(stream));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const change of this.history) {
      const { kind, metadata } = change.object;
      if (change.version <= from || PLURALS[kind] !== plural) continue;
      if (namespace === undefined || namespace === metadata.namespace) response.write(lineOf(change));
    }
  }
}

function lineOf({ type, object }: Change): string {
  return `${JSON.stringify({ type, object })}\n`;
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
