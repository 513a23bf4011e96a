import { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls';

/** Certificates of the client from the TLS handshake, the leaf first. */
export function clientCertificatesOf(socket: Socket): X509Certificate[] {
  if (!(socket instanceof TLSSocket)) return [];
  const shown: X509Certificate[] = [];
  // An empty object without a certificate; the last certificate of a chain is its own issuer.
  let next: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true);
  while (next?.raw !== undefined && !shown.some(({ raw }) => next?.raw?.equals(raw) === true)) {
    shown.push(new X509Certificate(next.raw));
    next = next.issuerCertificate;
  }
  return shown;
}
