import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';

import type { WebhookFixture } from './webhook-fixture.js';

/** A connection to the webhook, for what no HTTP client would send. */
export async function openSocket(fixture: WebhookFixture, options: object = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: fixture.port, ca: fixture.authority.cert, ...options });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

/** Everything that comes until the other side closes. */
export async function readAll(socket: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('error', () => undefined);
  await once(socket, 'close');
  return text;
}

/** The text of a review. */
export function review(request: unknown, head: object = {}): string {
  return JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request, ...head });
}
