import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

import { type CertificatePair, UnusableFilesError } from '../runtime/last-good-files.js';

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** A certificate chain and the key that matches it. */
export interface ServingCertificate extends CertificatePair {
  /** Expiry of the serving certificate. */
  readonly notAfter: Date;
}

/** @throws UnusableFilesError when two PEM texts cannot serve TLS at this time. */
export function servingCertificate(cert: string, key: string, now: Date): ServingCertificate {
  const leaf = readLeaf(cert);
  if (leaf === undefined)
    throw new UnusableFilesError('the certificate file contains no complete PEM certificate');
  if (!leaf.checkPrivateKey(readKey(key)))
    throw new UnusableFilesError('the private key does not match the certificate');
  const notAfter = new Date(leaf.validTo);
  if (notAfter <= now) throw new UnusableFilesError('the certificate has expired');
  if (new Date(leaf.validFrom) > now) throw new UnusableFilesError('the certificate is not valid yet');
  try {
    createSecureContext({ cert, key });
  } catch {
    throw new UnusableFilesError('the certificate and the key cannot be used for TLS');
  }
  return { cert, key, notAfter };
}

function readLeaf(cert: string): X509Certificate | undefined {
  try {
    const chain = (cert.match(PEM) ?? []).map((text) => new X509Certificate(text));
    return chain[0];
  } catch {
    return undefined;
  }
}

function readKey(key: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(key);
  } catch {
    throw new UnusableFilesError('the key file contains no complete, unencrypted PEM private key');
  }
}
