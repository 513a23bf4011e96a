import { X509Certificate } from 'node:crypto';

import { BackendError } from '../protocol.js';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const ANY_USAGE = '2.5.29.37.0';

/** The certificates of a PEM text; whatever else it holds is skipped, as `parsePEM` of the cert method does. */
export function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

/** Whether a TLS client may use the certificate; it may if the certificate has no extended key usages. */
export function isForClients(certificate: X509Certificate): boolean {
  const usages = certificate.keyUsage as readonly string[] | undefined;
  return usages === undefined || usages.includes(CLIENT_AUTH) || usages.includes(ANY_USAGE);
}

/**
 * The chain from the certificate that a client shows to one of the roots, both included; undefined when none of
 * them has issued it.
 *
 * @throws BackendError 500 when the certificate is out of date or not for clients, as `validateConnState` does.
 */
export function chainTo(
  roots: readonly X509Certificate[],
  shown: readonly X509Certificate[],
  now: Date,
): readonly X509Certificate[] | undefined {
  const [leaf, ...intermediates] = shown;
  if (leaf === undefined) return undefined;
  const when = `current time ${now.toISOString().replace(/\.\d+/, '')} is`;
  const expired = "failed to verify client's certificate: x509: certificate has expired or is not yet valid";
  if (now < new Date(leaf.validFrom)) {
    throw new BackendError(500, `${expired}: ${when} before ${leaf.validFrom}`);
  }
  if (now > new Date(leaf.validTo)) throw new BackendError(500, `${expired}: ${when} after ${leaf.validTo}`);
  const chain = extend([leaf], roots, intermediates, now);
  if (chain !== undefined && !isForClients(leaf)) {
    throw new BackendError(
      500,
      "failed to verify client's certificate: x509: certificate specifies an incompatible key usage",
    );
  }
  return chain;
}

function extend(
  chain: readonly X509Certificate[],
  roots: readonly X509Certificate[],
  intermediates: readonly X509Certificate[],
  now: Date,
): readonly X509Certificate[] | undefined {
  const last = chain.at(-1);
  if (last === undefined || chain.length > 8) return undefined;
  const issuers = (candidates: readonly X509Certificate[]): X509Certificate[] =>
    candidates.filter(
      (one) =>
        one.ca &&
        now >= new Date(one.validFrom) &&
        now <= new Date(one.validTo) &&
        last.checkIssued(one) &&
        last.verify(one.publicKey),
    );
  const [root] = issuers(roots);
  if (root !== undefined) return [...chain, root];
  for (const issuer of issuers(intermediates)) {
    if (chain.some((one) => one.raw.equals(issuer.raw))) continue;
    const longer = extend([...chain, issuer], roots, intermediates, now);
    if (longer !== undefined) return longer;
  }
  return undefined;
}
