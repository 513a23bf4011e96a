import { KubeError } from '../kube/kube-error.js';
import type { KubeClient } from '../kube/kube-client.js';
import { isRecord } from '../kube/status-body.js';
import {
  apiVersionOf,
  isWatchedObject,
  pathOf,
  type WatchedObject,
  type WatchedResource,
} from './watched-resource.js';

/** A larger page is requested in smaller pieces; 500 objects are usually a few megabytes. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024;
/** The longest wait for the next bytes; the whole list may take longer. */
const INACTIVITY_MS = 30_000;

/** One page of a list. */
export interface Page {
  readonly items: readonly WatchedObject[];
  /** The number of items without name or uid. */
  readonly malformed: number;
  /** The resourceVersion of the whole list. */
  readonly resourceVersion: string;
  /** Present when there is a next page. */
  readonly continueToken?: string;
}

/** Reads pages of one collection. */
export class CollectionLister {
  constructor(
    private readonly client: KubeClient,
    private readonly resource: WatchedResource,
  ) {}

  /**
   * @param limit most items on the page; undefined lists all at once.
   * The list shows the most recent state: no `resourceVersion` is asked for.
   *
   * @throws KubeError; 410 with a token means that the list must begin again.
   */
  async page(
    limit: number | undefined,
    continueToken: string | undefined,
    signal: AbortSignal,
  ): Promise<Page> {
    const path = pathOf(this.resource);
    const body = await this.client.request('GET', path, {
      signal,
      inactivityMs: INACTIVITY_MS,
      ...(limit === undefined ? {} : { maxAnswerBytes: MAX_PAGE_BYTES }),
      query: {
        ...(limit !== undefined ? { limit: String(limit) } : {}),
        ...(continueToken !== undefined ? { continue: continueToken } : {}),
      },
    });
    const list = isRecord(body) && isRecord(body.metadata) && Array.isArray(body.items) ? body : undefined;
    const metadata = (list?.metadata ?? {}) as Record<string, unknown>;
    const version = metadata.resourceVersion;
    if (list === undefined || typeof version !== 'string' || version === '') {
      throw new KubeError(`LIST ${path}: the response is not a list`, undefined);
    }
    const entries = (list.items as unknown[]).map((item) => this.complete(item, list.kind));
    const items = entries.filter(isWatchedObject);
    return {
      items,
      malformed: entries.length - items.length,
      resourceVersion: version,
      ...(typeof metadata.continue === 'string' && metadata.continue !== ''
        ? { continueToken: metadata.continue }
        : {}),
    };
  }

  /** Items of built-in kinds carry neither `kind` nor `apiVersion`; the list says both. */
  private complete(item: unknown, listKind: unknown): unknown {
    if (!isRecord(item)) return item;
    const kind = typeof listKind === 'string' ? listKind.replace(/List$/, '') : undefined;
    return { apiVersion: apiVersionOf(this.resource), kind, ...item };
  }
}
