import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';

/** What the client showed in the TLS handshake, its own first. */
export function clientCertificatesOf(socket: Socket): X509Certificate[] {
  if (!(socket instanceof TLSSocket)) return [];
  const shown: X509Certificate[] = [];
  // Empty when there is none; the last one is its own issuer.
  let next: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && !shown.some(({ raw }) => next?.raw?.equals(raw) === true)) {
    shown.push(new X509Certificate(next.raw));
    next = next.issuerCertificate;
  }
  return shown;
}
