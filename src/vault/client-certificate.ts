import { createSecureContext } from 'node:tls';

import type { Logger } from '../observability/logger.js';
import { type CertificatePair, LastGoodFiles } from '../runtime/last-good-files.js';
import { LogOnce } from '../runtime/log-once.js';
import { VaultError } from './vault-error.js';

/**
 * The client certificate from files. While they hold an incomplete pair or one that does not match, the last good pair
 * stays in use.
 */
export class ClientCertificate {
  private readonly pair: LastGoodFiles<CertificatePair>;
  private readonly said = new LogOnce();

  constructor(
    private readonly files: { readonly cert: string; readonly key: string },
    private readonly logger: Logger,
  ) {
    this.pair = new LastGoodFiles([files.cert, files.key], ([cert = '', key = '']) => {
      createSecureContext({ cert, key });
      return { cert, key };
    });
  }

  /**
   * The current pair; the same object as long as nothing changed.
   *
   * @throws VaultError `unavailable` when there never was a usable one.
   */
  current(): CertificatePair {
    const seen = this.pair.look();
    if (seen.outcome !== 'bad') this.said.clear('pair');
    else if (this.said.isNew('pair', seen.state)) {
      this.logger.warn('cannot load the client certificate for Vault; still using the previous one', {
        path: this.files.cert,
      });
    }
    if (this.pair.value !== undefined) return this.pair.value;
    throw new VaultError(
      'unavailable',
      'no usable client certificate: VAULT_CLIENT_CERT and VAULT_CLIENT_KEY must name PEM files that match',
    );
  }
}
