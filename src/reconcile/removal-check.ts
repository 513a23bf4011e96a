import { inject, injectable } from 'tsyringe';

import { refOf } from '../api/resource-key.js';
import type { KMSVaultSecret } from '../api/resources.js';
import type { ResourceClient } from '../kube/resource-store.js';
import { TOKENS } from '../tokens.js';
import type { KvReading, KvSecret } from '../vault/kv-store.js';
import { VaultError } from '../vault/vault-error.js';
import type { ContentProof } from './content-proof.js';
import { knownState } from './known-state.js';
import { isVersion } from './kv2-decision.js';
import { claimedPlace, readClaim } from './path-claims.js';
import { type Place, samePlace } from './place.js';
import type { SyncMemory } from './sync-memory.js';

/** What is to be done at a place that a resource is known to have written. */
export type RemovalVerdict =
  { readonly do: 'remove' } | { readonly do: 'nothing' } | { readonly do: 'keep'; readonly why: string };

/**
 * Looks at a place right before a finalizer removes it. A process may have ended between the removal and the
 * release of the finalizer, and what stands there by now may be somebody else's.
 */
@injectable()
export class RemovalCheck {
  constructor(
    @inject(TOKENS.resources) private readonly client: ResourceClient,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.proof) private readonly proof: ContentProof,
  ) {}

  /**
   * On v2 the versions tell whether the secret is still the one that was written. v1 has none: a claim beside `created`
   * marks in the status that the removal has begun, and what another process finds there afterwards is
   * removed only if it is what the resource describes. A token that may not read cannot tell: what the
   * status names is removed.
   *
   * @throws VaultError, KmsError, KubeError when it cannot be told now.
   */
  async look(
    secret: KMSVaultSecret,
    place: Place,
    kv: KvSecret,
    signal?: AbortSignal,
  ): Promise<RemovalVerdict> {
    const reading = await readIfAllowed(kv, signal);
    if (reading === 'forbidden') return { do: 'remove' };
    if (reading.state === 'absent') return { do: 'nothing' };
    const changed =
      place.engine === 'v2'
        ? await this.mayBeCreatedAnew(secret, place, kv, reading, signal)
        : this.wasRemoved(secret, place);
    if (changed && !(await this.proof.isOurs(secret, reading, signal))) {
      const why = `what stands at ${place.path} may have been put there after this resource's value was removed`;
      return { do: 'keep', why };
    }
    if (place.engine === 'v1') await this.mark(secret, place);
    return { do: 'remove' };
  }

  /** Metadata that were removed count from 1 again; by hand only further versions come. */
  private async mayBeCreatedAnew(
    secret: KMSVaultSecret,
    place: Place,
    kv: KvSecret,
    reading: Exclude<KvReading, { state: 'absent' }>,
    signal?: AbortSignal,
  ): Promise<boolean> {
    const { memory } = this;
    const known = memory.version(secret.metadata.uid, place) ?? knownState(secret, place, memory).version;
    const current = reading.version;
    if (known === undefined || current === undefined) return false;
    if (current.version <= known.version) return !isVersion(reading, known);
    // Vault drops old versions, those of a secret that was created anew as well: a missing one proves nothing.
    return (await kv.createdTimeOf?.(known.version, signal)) !== known.createdTime;
  }

  /** By another process, perhaps. */
  private wasRemoved(secret: KMSVaultSecret, place: Place): boolean {
    const marked = samePlace(claimedPlace(readClaim(secret.status?.claim)), place);
    const { created } = knownState(secret, place, this.memory);
    return marked && created && !samePlace(this.memory.held(secret.metadata.uid)?.place, place);
  }

  private async mark(secret: KMSVaultSecret, place: Place): Promise<void> {
    const { uid } = secret.metadata;
    await this.client.updateStatus(refOf(secret), (current) =>
      current?.created === true
        ? {
            ...current,
            claim: {
              path: place.path,
              engineVersion: place.engine,
              held: 'something',
              inputsHash: current.inputsHash ?? '',
            },
          }
        : (current ?? {}),
    );
    this.memory.hold(uid, { place });
  }
}

async function readIfAllowed(kv: KvSecret, signal?: AbortSignal): Promise<KvReading | 'forbidden'> {
  try {
    return await kv.read(signal);
  } catch (error) {
    if (error instanceof VaultError && error.isDenied) return 'forbidden';
    throw error;
  }
}
