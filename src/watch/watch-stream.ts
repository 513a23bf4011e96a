import type { ApiAnswer, ApiConnection } from '../kube/api-connection.js';
import { readAnswer } from '../kube/kube-client.js';
import { errorOfAnswer, isRecord, parseJson } from '../kube/status-body.js';
import type { Clock } from '../runtime/clock.js';
import { LinkedAbort } from '../runtime/linked-abort.js';
import { LineSplitter, OVERLONG } from './line-splitter.js';
import { isWatchedObject, pathOf, type WatchedObject, type WatchedResource } from './watched-resource.js';

/** etcd refuses objects over 1.5 MiB; as JSON with escapes a line stays far below this. */
const MAX_LINE_BYTES = 32 * 1024 * 1024;
const MAX_ERROR_BYTES = 1024 * 1024;

/** One line of a watch. */
export type WatchLine =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: WatchedObject }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }
  /** The server ends the watch with an error; `code` of its `Status`. */
  | { readonly type: 'ERROR'; readonly code: number; readonly retryAfterMs?: number }
  /** Not JSON, too long, or without what identifies an object: an event may be lost. */
  | { readonly type: 'MALFORMED' };

/** No byte arrived within the limit. */
export class WatchInactiveError extends Error {
  constructor() {
    super('the watch received nothing within the inactivity limit');
    this.name = 'WatchInactiveError';
  }
}

export interface WatchStreamOptions {
  readonly connection: ApiConnection;
  readonly clock: Clock;
  /** A stream without any byte, not even of a bookmark, for this long counts as dead. */
  readonly inactivityMs: number;
  /** The server ends the stream after this time. */
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  /** Called when the server has accepted the watch. */
  readonly onOpen: () => void;
}

/**
 * Watches from a resourceVersion. Ends when the server ends the stream.
 *
 * @throws KubeError when the server refuses, cannot be reached or cuts the stream.
 * @throws WatchInactiveError when it is silent, before the answer's head as well as after.
 */
export async function* watchLines(
  resource: WatchedResource,
  resourceVersion: string,
  options: WatchStreamOptions,
): AsyncGenerator<WatchLine, void, undefined> {
  const { connection, clock } = options;
  const path = pathOf(resource);
  const operation = `WATCH ${path}`;
  const limit = new LinkedAbort();
  limit.follow(options.signal, () => options.signal.reason as unknown);
  /** The limit applies only while waiting for the network, not while an event is handled. */
  const withinLimit = async <T>(wait: Promise<T>): Promise<T> => {
    const cancel = limit.expireIn(clock, options.inactivityMs, () => {
      connection.dropIdle();
      return new WatchInactiveError();
    });
    try {
      return await wait;
    } finally {
      cancel();
    }
  };
  let response: ApiAnswer | undefined;
  try {
    response = await withinLimit(
      connection.open({
        method: 'GET',
        path,
        query: {
          watch: 'true',
          resourceVersion,
          allowWatchBookmarks: 'true',
          timeoutSeconds: String(options.timeoutSeconds),
        },
        signal: limit.signal,
      }),
    );
    const status = response.statusCode ?? 0;
    if (status !== 200) {
      const body = await withinLimit(readAnswer(operation, response, limit.signal, MAX_ERROR_BYTES));
      throw errorOfAnswer(operation, status, response.headers, body, clock.now(), response.proxy);
    }
    options.onOpen();
    const lines = new LineSplitter(MAX_LINE_BYTES);
    const chunks = chunksOf(operation, response, limit.signal);
    for (;;) {
      const chunk = await withinLimit(chunks.next());
      if (chunk.done === true) return;
      for (const line of lines.push(chunk.value)) {
        yield line === OVERLONG ? { type: 'MALFORMED' } : parseLine(line);
      }
    }
  } finally {
    limit.dispose();
    response?.destroy();
  }
}

async function* chunksOf(
  operation: string,
  response: ApiAnswer,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) yield chunk;
  } catch {
    if (signal.aborted && signal.reason instanceof Error) throw signal.reason;
    throw new WatchCutError(operation);
  }
}

/** The connection broke in the middle of the stream. */
export class WatchCutError extends Error {
  constructor(operation: string) {
    super(`${operation}: the connection was closed`);
    this.name = 'WatchCutError';
  }
}

/** Reads one line; never throws. */
export function parseLine(line: string): WatchLine {
  const event = parseJson(line);
  if (!isRecord(event) || !isRecord(event.object)) return { type: 'MALFORMED' };
  const { type, object } = event;
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return isWatchedObject(object) ? { type, object } : { type: 'MALFORMED' };
    case 'BOOKMARK': {
      const version = isRecord(object.metadata) ? object.metadata.resourceVersion : undefined;
      return typeof version === 'string' && version !== ''
        ? { type, resourceVersion: version }
        : { type: 'MALFORMED' };
    }
    case 'ERROR': {
      const seconds = isRecord(object.details) ? object.details.retryAfterSeconds : undefined;
      return {
        type,
        code: typeof object.code === 'number' ? object.code : 500,
        ...(typeof seconds === 'number' && seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
      };
    }
    default:
      return { type: 'MALFORMED' };
  }
}
