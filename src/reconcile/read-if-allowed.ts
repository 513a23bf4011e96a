import type { KvReading, KvSecret } from '../vault/kv-store.js';
import { VaultError } from '../vault/vault-error.js';

/**
 * Reads a secret, or finds that the token may not. A 403 that may pass soon is thrown: acting without reading could
 * replace or remove an unknown value.
 *
 * @throws VaultError
 */
export async function readIfAllowed(kv: KvSecret, signal?: AbortSignal): Promise<KvReading | 'forbidden'> {
  try {
    return await kv.read(signal);
  } catch (error) {
    if (error instanceof VaultError && error.isDenied) return 'forbidden';
    throw error;
  }
}
