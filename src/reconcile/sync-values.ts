import { LinkedAbort } from '../runtime/linked-abort.js';
import type { DecryptedKeys, KeyDecryption } from './key-decryption.js';
import type { ResolvedKey } from './resolved-key.js';
import type { SyncRequest } from './sync-request.js';

/** The values of one sync. Each key is decrypted once, however many races a write loses. */
export class SyncValues {
  private readonly decrypted = new Map<string, string>();
  private readonly giveUp: LinkedAbort;
  /** A decryption of all keys that nobody has waited for yet. */
  private begun: Promise<DecryptedKeys> | undefined;

  constructor(
    private readonly decryption: KeyDecryption,
    private readonly request: SyncRequest,
    signal?: AbortSignal,
  ) {
    this.giveUp = new LinkedAbort([signal]);
  }

  /** Begins to decrypt all keys before {@link of} asks for them. */
  begin(): void {
    this.begun = this.decrypt([...this.request.aggregate.keys.values()]);
    // The sync may fail before it asks.
    this.begun.catch(() => undefined);
  }

  /** @throws what {@link KeyDecryption.decrypt} throws. */
  async of(keys: readonly ResolvedKey[]): Promise<DecryptedKeys> {
    const { begun, decrypted } = this;
    this.begun = undefined;
    const missing = keys.filter(({ key }) => !decrypted.has(key));
    const { values, failures, waited } = await (begun ?? this.decrypt(missing));
    for (const [key, value] of values) decrypted.set(key, value);
    return { values: pick(decrypted, keys), failures, waited };
  }

  /** Gives up what nobody waits for. */
  dispose(): void {
    if (this.begun !== undefined) this.giveUp.abort();
    this.giveUp.dispose();
  }

  private async decrypt(keys: readonly ResolvedKey[]): Promise<DecryptedKeys> {
    const { secret, priority, guard, catchUp } = this.request;
    return await this.decryption.decrypt(
      { uid: secret.metadata.uid, priority, assertWanted: guard.assert, catchUp },
      keys,
      this.giveUp.signal,
    );
  }
}

function pick(values: ReadonlyMap<string, string>, keys: readonly ResolvedKey[]): Map<string, string> {
  return new Map(
    keys.flatMap(({ key }) => {
      const value = values.get(key);
      return value === undefined ? [] : [[key, value] as const];
    }),
  );
}
