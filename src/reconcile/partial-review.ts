import { inject, injectable } from 'tsyringe';

import { listNames, printable } from '../api/printable.js';
import type { KMSVaultSecret, PartialKMSVaultSecret } from '../api/resources.js';
import { checkPartialSpec, checkSecretSpec, definesValue } from '../api/validation.js';
import { readCiphertext } from '../kms/ciphertext.js';
import { KmsError } from '../kms/kms-error.js';
import { TOKENS } from '../tokens.js';
import { inputsHash } from './inputs-hash.js';
import { isFinalCode } from './key-failure.js';
import { placeOf } from './place.js';
import type { Aggregate, SecretAggregator } from './secret-aggregator.js';
import type { SyncMemory } from './sync-memory.js';

const SHOWN = 5;

/**
 * Finds what is wrong with a partial without asking KMS: its fields, its ciphertexts, and what the resources that
 * include it have found when they decrypted it.
 */
@injectable()
export class PartialReview {
  constructor(
    @inject(TOKENS.aggregator) private readonly aggregator: SecretAggregator,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
  ) {}

  /**
   * @returns the first problems and the number of the others; undefined if there is none.
   * @throws KubeError when another partial of an includer cannot be read.
   */
  async problemOf(
    partial: PartialKMSVaultSecret,
    includers: readonly KMSVaultSecret[],
  ): Promise<string | undefined> {
    const checked = checkPartialSpec(partial.spec);
    if (!checked.ok) {
      const texts = checked.problems.slice(0, SHOWN).map(({ field, problem }) => `${field} ${problem}`);
      return listed(texts, checked.total);
    }
    const wrong = new Map<string, string>();
    for (const item of checked.spec.secrets ?? []) {
      if (!definesValue(item) || item.emptySecret === true) continue;
      const problem = problemOfCiphertext(item.encryptedSecret ?? '');
      if (problem !== undefined) wrong.set(item.key, problem);
    }
    for (const [key, { code, names }] of await this.foundBy(partial.metadata.name, includers)) {
      if (!wrong.has(key)) wrong.set(key, `${code} in ${listNames([...names].sort())}`);
    }
    const texts = [...wrong]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, SHOWN)
      .map(([key, problem]) => `key ${printable(key)}: ${problem}`);
    return wrong.size === 0 ? undefined : listed(texts, wrong.size);
  }

  /** The keys of the partial that fail at the resources that include it, whatever an administrator of KMS does. */
  private async foundBy(
    partial: string,
    includers: readonly KMSVaultSecret[],
  ): Promise<Map<string, { code: string; names: Set<string> }>> {
    const found = new Map<string, { code: string; names: Set<string> }>();
    for (const includer of includers) {
      const failed = (includer.status?.failedKeys ?? []).filter(({ reason }) => isFinalCode(reason));
      const aggregate = failed.length === 0 ? undefined : await this.currentAggregate(includer);
      if (aggregate === undefined) continue;
      for (const { key, reason } of failed) {
        if (aggregate.keys.get(key)?.partial !== partial) continue;
        const { code, names } = found.get(key) ?? { code: reason, names: new Set<string>() };
        found.set(key, { code, names: names.add(includer.metadata.name) });
      }
    }
    return found;
  }

  /** The inputs of the includer, if it is them that its failed keys are about. */
  private async currentAggregate(includer: KMSVaultSecret): Promise<Aggregate | undefined> {
    const checked = checkSecretSpec(includer.spec);
    const place = placeOf(includer);
    if (!checked.ok || place === undefined) return undefined;
    const aggregate = await this.aggregator.aggregate(includer);
    const current = inputsHash(place.path, checked.spec.kvSettings, aggregate);
    const reported = includer.status?.inputsHash;
    if (reported !== undefined) return reported === current ? aggregate : undefined;
    // A resource that has written nothing yet reports no hash. After a restart only its status is known.
    const last = this.memory.lastSync(includer.metadata.uid, place);
    const isOf = last === undefined || (last.state !== 'pending' && last.inputs.inputsHash === current);
    return isOf ? aggregate : undefined;
  }
}

function problemOfCiphertext(encryptedSecret: string): string | undefined {
  try {
    readCiphertext(encryptedSecret);
    return undefined;
  } catch (error) {
    if (error instanceof KmsError) return error.message;
    throw error;
  }
}

function listed(texts: readonly string[], total: number): string {
  const rest = total - texts.length;
  return (
    texts.map((text) => printable(text, 500)).join('; ') + (rest > 0 ? `; and ${String(rest)} more` : '')
  );
}
