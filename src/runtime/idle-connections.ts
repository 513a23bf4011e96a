import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Keeps room for new connections of an HTTP or HTTPS server: when `limit` connections are open, a new one closes the
 * longest idle connection of the address that holds the most. A client that collects connections only loses its own,
 * and connections with a request are never closed.
 *
 * @param server with a `maxConnections` above `limit`; connections that are still in their TLS handshake
 *   are bounded by that and by the handshake's timeout.
 * @param event `connection`, or `secureConnection` for HTTPS.
 */
export function closeIdleBeyond(
  server: Server,
  limit: number,
  event: 'connection' | 'secureConnection' = 'connection',
): void {
  /** Idle ones, the longest idle first; `remoteAddress` is gone once a socket is closed. */
  const idle = new Map<Socket, string>();
  const open = new Map<Socket, string>();

  server.on(event, (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    open.set(socket, address);
    idle.set(socket, address);
    socket.once('close', () => {
      open.delete(socket);
      idle.delete(socket);
    });
    if (open.size > limit) longestIdle(idle, open, socket)?.destroy();
  });
  server.on('request', ({ socket }: { socket: Socket }, response: ServerResponse) => {
    idle.delete(socket);
    response.once('close', () => {
      const address = open.get(socket);
      if (address !== undefined) idle.set(socket, address);
    });
  });
}

/** `arrival` is spared: its request is on the way. */
function longestIdle(
  idle: ReadonlyMap<Socket, string>,
  open: ReadonlyMap<Socket, string>,
  arrival: Socket,
): Socket | undefined {
  const held = new Map<string, number>();
  for (const address of open.values()) held.set(address, (held.get(address) ?? 0) + 1);
  let found: Socket | undefined;
  let most = 0;
  for (const [socket, address] of idle) {
    const count = held.get(address) ?? 0;
    if (socket === arrival || count <= most) continue;
    found = socket;
    most = count;
  }
  return found;
}
