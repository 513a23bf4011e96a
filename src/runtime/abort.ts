import { setMaxListeners } from 'node:events';

/**
 * A controller whose signal has a listener per request in flight, so Node must not warn about a leak.
 */
export function sharedAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/**
 * Calls `callback` once when the signal aborts; during this call if it has aborted already.
 *
 * @returns a function that stops listening. Whoever listens to a signal that lives longer calls it at the end.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => undefined;
  if (signal.aborted) {
    callback();
    return () => undefined;
  }
  signal.addEventListener('abort', callback, { once: true });
  return () => {
    signal.removeEventListener('abort', callback);
  };
}

/**
 * Waits for a promise until the signal aborts. The work behind the promise continues.
 *
 * @throws what `reason` returns when the signal aborts first.
 */
export function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  reason: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = onAbort(signal, () => {
      reject(reason());
    });
    promise.then(resolve, reject).finally(stop);
  });
}
