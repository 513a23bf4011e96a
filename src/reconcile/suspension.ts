import { inject, injectable } from 'tsyringe';

import { refOf } from '../api/resource-key.js';
import type { KMSVaultSecret } from '../api/resources.js';
import type { ResourceClient } from '../kube/resource-store.js';
import type { Outcome } from '../queue/outcome.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import type { Announcer } from './announcer.js';
import { inputsHash } from './inputs-hash.js';
import type { LostPaths } from './lost-paths.js';
import type { PartialRequeue } from './partial-requeue.js';
import { placeOf } from './place.js';
import type { SecretAggregator } from './secret-aggregator.js';
import { resumedStatus, saysSuspended, suspendedStatus } from './suspended-status.js';

const HELD =
  'spec.suspend is true: nothing is read from or written to Vault and KMS until it is false or absent';
const DELETION_HELD =
  'the resource is being deleted, and spec.suspend is true: its value stays in Vault, and the resource stays, until ' +
  'spec.suspend is false or absent';

/** Resources with `spec.suspend: true`: nothing is read or written for them, and their status says so. */
@injectable()
export class Suspension {
  constructor(
    @inject(TOKENS.resources) private readonly client: ResourceClient,
    @inject(TOKENS.aggregator) private readonly aggregator: SecretAggregator,
    @inject(TOKENS.lostPaths) private readonly lostPlaces: LostPaths,
    @inject(TOKENS.partialRequeue) private readonly partials: PartialRequeue,
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
    @inject(TOKENS.clock) private readonly clock: Clock,
  ) {}

  /** @throws KubeError when the API server cannot be reached. */
  async hold(secret: KMSVaultSecret): Promise<Outcome> {
    await this.report(secret, HELD);
    this.partials.waiting(secret);
    return { result: 'suspended' };
  }

  /**
   * The deletion of a resource with our finalizer waits.
   *
   * @throws KubeError when the API server cannot be reached.
   */
  async holdDeletion(secret: KMSVaultSecret): Promise<Outcome> {
    this.announcer.warnings(secret, [{ reason: 'DeletionFailed', message: DELETION_HELD }]);
    await this.report(secret, DELETION_HELD);
    return { result: 'suspended' };
  }

  /**
   * Removes what a suspension has reported from the status of a resource that is not suspended.
   *
   * @throws KubeError when the API server cannot be reached.
   */
  async end(secret: KMSVaultSecret): Promise<void> {
    const told = this.announcer.ends(secret.metadata.uid);
    if (!told && !saysSuspended(secret.status)) return;
    this.announcer.normal(
      secret,
      'Resumed',
      'spec.suspend is not true any more; the resource is synced again',
    );
    await this.client.updateStatus(refOf(secret), (current) =>
      saysSuspended(current) ? resumedStatus(current ?? {}) : (current ?? {}),
    );
  }

  private async report(secret: KMSVaultSecret, message: string): Promise<void> {
    const { generation } = secret.metadata;
    // Also while a deletion waits: after it is resumed, the finalizer must not delete what another resource has written.
    this.lostPlaces.release(secret);
    const hash = await this.hashOf(secret);
    // The condition says that an earlier process has recorded the event.
    if (!saysSuspended(secret.status)) this.announcer.begins(secret, 'Suspended', HELD);
    await this.client.updateStatus(refOf(secret), (current) => {
      const kept = this.lostPlaces.withoutLost(secret, current) ?? {};
      const isWritten = kept.created === true && hash !== undefined && kept.inputsHash === hash;
      return suspendedStatus(kept, { message, isWritten, generation }, this.clock.now());
    });
  }

  /** Of what the resource describes now; undefined if that is not valid. */
  private async hashOf(secret: KMSVaultSecret): Promise<string | undefined> {
    const place = placeOf(secret);
    if (place === undefined) return undefined;
    return inputsHash(place.path, secret.spec.kvSettings, await this.aggregator.aggregate(secret));
  }
}
