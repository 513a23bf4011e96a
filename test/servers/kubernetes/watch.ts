import type { ServerResponse } from 'node:http';

import { apiVersionOf, type ResourceKind } from './kinds.js';
import { revisionOf, selectorsOf } from './list-reader.js';
import type { KubeObject } from './objects.js';
import { isRecord } from './objects.js';
import { type Rendering, renderObject } from './rendering.js';
import { isTrue } from './request-info.js';
import type { Selector } from './selectors.js';
import { expired, invalid } from './status-errors.js';
import type { Change, ChangeType, Storage } from './storage.js';

/** The shortest time after which a real server ends a watch that names none: 30 minutes. */
const DEFAULT_TIMEOUT_S = 1800;

export interface WatchesOptions {
  readonly storage: Storage;
  /** Time between two bookmarks; about a minute on a real server. */
  readonly bookmarkIntervalMs: number;
}

/** The open watches, and fault injection for them. */
export class Watches {
  private readonly open = new Set<Watch>();
  private silent = false;

  constructor(private readonly options: WatchesOptions) {}

  /** How many streams are open. */
  get count(): number {
    return this.open.size;
  }

  /** @throws ApiError before the stream starts; later errors are `ERROR` events in the stream. */
  start(
    kind: ResourceKind,
    namespace: string,
    query: URLSearchParams,
    rendering: Rendering,
    response: ServerResponse,
  ): void {
    if (isTrue(query.get('sendInitialEvents'))) {
      const message =
        'Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
      const cause = { reason: 'FieldValueForbidden', message, field: 'sendInitialEvents' };
      throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [cause]);
    }
    const from = revisionOf(query.get('resourceVersion')) ?? 0;
    const { selects } = selectorsOf(query, kind);
    const seconds = Number(query.get('timeoutSeconds') ?? DEFAULT_TIMEOUT_S) || DEFAULT_TIMEOUT_S;
    const watch = new Watch({ kind, namespace, selects, rendering, response, silent: this.silent });
    this.open.add(watch);
    watch.begin(this.options, from, seconds * 1000, isTrue(query.get('allowWatchBookmarks')));
    response.on('close', () => {
      watch.finish();
      this.open.delete(watch);
    });
  }

  /** Holds the events of all open and new watches. @returns a function that releases them. */
  silence(): () => void {
    this.silent = true;
    for (const watch of this.open) watch.hold();
    return () => {
      this.silent = false;
      for (const watch of this.open) watch.release();
    };
  }

  /** Makes the open watches half-open: connections stay open, and nothing is sent any more. */
  halfOpen(): void {
    for (const watch of this.open) watch.die();
  }

  /** Closes the connections of the open watches. */
  cut(): void {
    for (const watch of this.open) watch.cut();
  }
}

interface WatchOptions {
  readonly kind: ResourceKind;
  readonly namespace: string;
  readonly selects: Selector;
  readonly rendering: Rendering;
  readonly response: ServerResponse;
  readonly silent: boolean;
}

class Watch {
  /** Lines that wait while the watch is held. */
  private held: string[] | undefined;
  private dead = false;
  private ended = false;
  /** Only the first Table of a watch has columns. */
  private saidColumns = false;
  private readonly cleanups: (() => void)[] = [];

  constructor(private readonly options: WatchOptions) {
    if (options.silent) this.held = [];
  }

  begin(shared: WatchesOptions, from: number, timeoutMs: number, bookmarks: boolean): void {
    const { kind, namespace, response } = this.options;
    const { storage } = shared;
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    response.flushHeaders();
    if (from === 0) {
      for (const object of storage.list(kind.place, namespace)) {
        if (this.options.selects(object)) this.send('ADDED', object);
      }
    } else {
      const missed = storage.changesSince(kind.place, from);
      if (missed === undefined) {
        const gone = expired(
          `too old resource version: ${String(from)} (${String(storage.compactedRevision)})`,
        );
        this.write(`${JSON.stringify({ type: 'ERROR', object: gone.body })}\n`);
        this.end();
        return;
      }
      for (const change of missed) this.pass(change);
    }
    this.cleanups.push(
      storage.subscribe(kind.place, (change) => {
        if (change.revision > from) this.pass(change);
      }),
    );
    const bookmark = (): void => {
      this.bookmark(Math.max(from, storage.revision));
    };
    if (bookmarks) {
      const timer = setInterval(bookmark, shared.bookmarkIntervalMs);
      this.cleanups.push(() => {
        clearInterval(timer);
      });
    }
    const timer = setTimeout(() => {
      if (bookmarks) bookmark();
      this.end();
    }, timeoutMs);
    this.cleanups.push(() => {
      clearTimeout(timer);
    });
  }

  hold(): void {
    this.held ??= [];
  }

  release(): void {
    const lines = this.held ?? [];
    this.held = undefined;
    for (const line of lines) this.write(line);
    if (this.ended) this.end();
  }

  die(): void {
    this.dead = true;
  }

  cut(): void {
    this.options.response.socket?.destroy();
  }

  finish(): void {
    for (const cleanup of this.cleanups.splice(0)) cleanup();
  }

  write(line: string): void {
    if (this.dead || this.options.response.writableEnded) return;
    if (this.held === undefined) this.options.response.write(line);
    else this.held.push(line);
  }

  private end(): void {
    this.ended = true;
    this.finish();
    // A held or half-open stream does not end either.
    if (this.held === undefined && !this.dead) this.options.response.end();
  }

  /** Maps a change to this watch's selectors: DELETED when the object leaves the selection, ADDED when it enters. */
  private pass(change: Change): void {
    const { namespace, selects } = this.options;
    if (namespace !== '' && change.object.metadata.namespace !== namespace) return;
    const before = change.previous !== undefined && selects(change.previous);
    const after = change.type !== 'DELETED' && selects(change.object);
    if (after) this.send(before ? 'MODIFIED' : 'ADDED', change.object);
    else if (before) this.send('DELETED', gone(change));
  }

  private send(type: ChangeType, object: KubeObject): void {
    const { kind, rendering } = this.options;
    this.write(`${JSON.stringify({ type, object: this.once(renderObject(object, kind, rendering)) })}\n`);
  }

  private bookmark(revision: number): void {
    const { kind, rendering } = this.options;
    const metadata = { resourceVersion: String(revision), creationTimestamp: null };
    const form = { object: kind.kind, table: 'Table', partial: 'PartialObjectMetadata' }[rendering.as];
    const apiVersion = rendering.as === 'object' ? apiVersionOf(kind) : 'meta.k8s.io/v1';
    const object = { kind: form, apiVersion, metadata, ...(rendering.as === 'table' ? { rows: [] } : {}) };
    this.write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  }

  private once(rendered: unknown): unknown {
    if (this.options.rendering.as !== 'table' || !isRecord(rendered)) return rendered;
    const { columnDefinitions, ...rest } = rendered;
    const first = !this.saidColumns;
    this.saidColumns = true;
    return first ? { ...rest, columnDefinitions } : { ...rest, columnDefinitions: null };
  }
}

/** The object in a DELETED event after it left the selection: its last selected state, at the new revision. */
function gone(change: Change): KubeObject {
  if (change.type === 'DELETED') return change.object;
  const last = change.previous ?? change.object;
  return { ...last, metadata: { ...last.metadata, resourceVersion: String(change.revision) } };
}
