import { inject, injectable } from 'tsyringe';

import type { KMSVaultSecret, PartialKMSVaultSecret, Resource } from '../api/resources.js';
import { reconcileRequestOf } from '../kube/reconcile-request.js';
import { includesOf } from '../kube/resource-cache.js';
import type { ResourceCache } from '../kube/resource-store.js';
import { TOKENS } from '../tokens.js';
import { isWithdrawn } from './secret-aggregator.js';
import type { SyncMemory } from './sync-memory.js';

/** The requests that one sync answers: from the uid of the resource with the annotation to its value. */
export type AskedSyncs = ReadonlyMap<string, string>;

/**
 * Requests for a full sync, made by an annotation: on a secret for itself, on a partial for every secret that includes
 * it. A request is answered when a sync has come to an end that Vault and KMS cannot change by being available again;
 * the status then reports its value, so that the same value asks no other process.
 */
@injectable()
export class SyncNow {
  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
  ) {}

  /** What the annotation of this resource asks for and nobody has answered yet. */
  pending({ metadata, status }: Resource): string | undefined {
    const wanted = reconcileRequestOf(metadata);
    // Memory is newer: a patch of the status can be forbidden, and an older CRD drops the field.
    const answered = this.lastAnswered(metadata.uid) ?? status?.lastHandledReconcileAt;
    return wanted === answered ? undefined : wanted;
  }

  /** The requests that the next sync of this secret has to answer. */
  asked(secret: KMSVaultSecret): AskedSyncs {
    const asked = new Map<string, string>();
    const own = this.pending(secret);
    if (own !== undefined) asked.set(secret.metadata.uid, own);
    for (const partial of this.includedBy(secret)) {
      const value = isWithdrawn(partial) ? undefined : this.pending(partial);
      if (value !== undefined && !this.hasAnswered(secret, partial, value)) {
        asked.set(partial.metadata.uid, value);
      }
    }
    return asked;
  }

  /** A full sync of the secret has answered these. */
  answer(secret: KMSVaultSecret, asked: AskedSyncs): void {
    if (asked.size === 0) return;
    const { uid } = secret.metadata;
    const partials = this.includedBy(secret).map(({ metadata }) => metadata.uid);
    this.memory.noteAnswered(uid, asked, [uid, ...partials]);
  }

  /** Every includer has answered. */
  answerPartial({ metadata: { uid } }: PartialKMSVaultSecret, value: string): void {
    this.memory.noteAnswered(uid, new Map([[uid, value]]), [uid]);
  }

  hasAnswered(secret: KMSVaultSecret, partial: PartialKMSVaultSecret, value: string): boolean {
    return this.memory.answered(secret.metadata.uid, partial.metadata.uid) === value;
  }

  /** What this process has answered and the status has to report. */
  lastAnswered(uid: string): string | undefined {
    return this.memory.answered(uid, uid);
  }

  private includedBy(secret: KMSVaultSecret): PartialKMSVaultSecret[] {
    const { namespace } = secret.metadata;
    return includesOf(secret).flatMap((name) => this.cache.partial(namespace, name) ?? []);
  }
}
