import { inject, injectable } from 'tsyringe';

import type { KMSVaultSecret } from '../api/resources.js';
import { checkSecretSpec } from '../api/validation.js';
import { TOKENS } from '../tokens.js';
import type { KvReading } from '../vault/kv-store.js';
import { sameData } from '../vault/secret-data.js';
import type { KeyDecryption } from './key-decryption.js';
import type { SecretAggregator } from './secret-aggregator.js';
import { targetData } from './target-data.js';

/** Proves by its content that a value in Vault belongs to a resource. */
@injectable()
export class ContentProof {
  constructor(
    @inject(TOKENS.aggregator) private readonly aggregator: SecretAggregator,
    @inject(TOKENS.decryption) private readonly decryption: KeyDecryption,
  ) {}

  /**
   * Whether Vault holds what the resource would write now. Keys that can never be decrypted are not compared; without
   * at least one value there is no proof.
   *
   * @throws KmsError (class `transient`), KubeError: try again later.
   */
  async isOurs(secret: KMSVaultSecret, reading: KvReading, signal?: AbortSignal): Promise<boolean> {
    if (reading.state !== 'live' || !checkSecretSpec(secret.spec).ok) return false;
    const aggregate = await this.aggregator.aggregate(secret);
    const { values, failures } = await this.decryption.decrypt(
      { uid: secret.metadata.uid, priority: 'edit' },
      [...aggregate.keys.values()],
      signal,
    );
    return values.size > 0 && sameData(targetData(aggregate, values, failures, reading), reading.data);
  }
}
