import { setMaxListeners } from 'node:events';

/**
 * A controller whose signal lives as long as its owner and is listened to by everything in flight: as many
 * listeners as there are requests are no leak, so Node must not warn of one.
 */
export function sharedAbort(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
