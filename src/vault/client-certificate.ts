import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

import type { Logger } from '../observability/logger.js';
import { VaultError } from './vault-error.js';

export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/**
 * The client certificate from files. While they hold an incomplete pair or one that does not match, the last good pair
 * stays in use.
 */
export class ClientCertificate {
  private fingerprint = '';
  private good: CertificatePair | undefined;

  constructor(
    private readonly files: { readonly cert: string; readonly key: string },
    private readonly logger: Logger,
  ) {}

  /**
   * The current pair; the same object as long as nothing changed.
   *
   * @throws VaultError `unavailable` when there never was a usable one.
   */
  current(): CertificatePair {
    const fingerprint = `${look(this.files.cert)} ${look(this.files.key)}`;
    if (fingerprint !== this.fingerprint) this.reload(fingerprint);
    if (this.good !== undefined) return this.good;
    throw new VaultError(
      'unavailable',
      'no usable client certificate: VAULT_CLIENT_CERT and VAULT_CLIENT_KEY must name PEM files that match',
    );
  }

  private reload(fingerprint: string): void {
    this.fingerprint = fingerprint;
    try {
      const pair = {
        cert: readFileSync(this.files.cert, 'utf8'),
        key: readFileSync(this.files.key, 'utf8'),
      };
      createSecureContext(pair);
      this.good = pair;
    } catch {
      this.logger.warn('the client certificate for Vault is not usable; the one before it still is', {
        path: this.files.cert,
      });
    }
  }
}

function look(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false });
  return stats === undefined ? 'none' : `${String(stats.ino)}:${String(stats.size)}:${String(stats.mtimeMs)}`;
}
