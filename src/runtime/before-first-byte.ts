import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Calls `check` when the connection of a request is established, including TLS, right before the first byte is sent:
 * the request may have waited for a connection while the process was frozen. If `check` throws, the request is
 * destroyed unsent. Call this synchronously after creating the request.
 *
 * @param refused gets what `check` threw, before the request is destroyed with it.
 */
export function beforeFirstByte(
  outgoing: ClientRequest,
  check: () => void,
  refused: (error: Error) => void = () => undefined,
): void {
  const look = (): void => {
    try {
      check();
    } catch (error) {
      const refusal = error instanceof Error ? error : new Error('the request is not allowed any more');
      refused(refusal);
      outgoing.destroy(refusal);
    }
  };
  // Before Node's own listener, which flushes the buffered data.
  outgoing.once('socket', (socket: Socket & { encrypted?: boolean; secureConnecting?: boolean }) => {
    if (socket.encrypted === true && socket.secureConnecting === true)
      socket.prependOnceListener('secureConnect', look);
    else if (socket.connecting) socket.prependOnceListener('connect', look);
    else look();
  });
}
