import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** A certificate chain and the key that matches it. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
  /** Expiry of the serving certificate. */
  readonly notAfter: Date;
}

export type PairCheck =
  | { readonly ok: true; readonly pair: CertificatePair }
  /** What is wrong; quotes nothing of the files. */
  | { readonly ok: false; readonly problem: string };

/** Checks whether two PEM texts can serve TLS at this time. Never throws. */
export function checkPair(cert: string, key: string, now: Date): PairCheck {
  const leaf = readLeaf(cert);
  if (leaf === undefined) return bad('the certificate file holds no whole PEM certificate');
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(key)))
      return bad('the key does not belong to the certificate');
  } catch {
    return bad('the key file holds no whole PEM private key without a passphrase');
  }
  const notAfter = new Date(leaf.validTo);
  if (notAfter <= now) return bad('the certificate has expired');
  if (new Date(leaf.validFrom) > now) return bad('the certificate is not valid yet');
  try {
    createSecureContext({ cert, key });
  } catch {
    return bad('TLS cannot use the pair');
  }
  return { ok: true, pair: { cert, key, notAfter } };
}

/** Equal if and only if both texts are equal. */
export function fingerprint(cert: string, key: string): string {
  return createHash('sha256')
    .update(`${String(cert.length)}:${cert}${key}`)
    .digest('hex');
}

function readLeaf(cert: string): X509Certificate | undefined {
  try {
    const chain = (cert.match(PEM) ?? []).map((text) => new X509Certificate(text));
    return chain[0];
  } catch {
    return undefined;
  }
}

function bad(problem: string): PairCheck {
  return { ok: false, problem };
}
