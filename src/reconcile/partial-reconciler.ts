import { inject, injectable } from 'tsyringe';

import { SECRET_KIND } from '../api/group.js';
import { listNames } from '../api/printable.js';
import { keyOf, refOf } from '../api/resource-key.js';
import type { KMSVaultSecret, PartialKMSVaultSecret } from '../api/resources.js';
import { checkPartialSpec, checkSecretSpec } from '../api/validation.js';
import type { ResourceCache, ResourceClient } from '../kube/resource-store.js';
import type { Outcome } from '../queue/outcome.js';
import type { Requeue } from '../queue/work-queue.js';
import { TOKENS } from '../tokens.js';
import type { Announcer } from './announcer.js';
import { inputsHash } from './inputs-hash.js';
import { qualifiedName } from './path-ownership.js';
import { placeOf } from './place.js';
import { isWithdrawn, type SecretAggregator } from './secret-aggregator.js';
import type { SyncState } from './place-record.js';
import type { SyncMemory } from './sync-memory.js';

/**
 * Reconciles a `PartialKMSVaultSecret`: its status and its deletion. A partial is never written on its own; with
 * our finalizer it stays until every includer has removed its keys from Vault.
 */
@injectable()
export class PartialReconciler {
  constructor(
    @inject(TOKENS.cache) private readonly cache: ResourceCache,
    @inject(TOKENS.resources) private readonly client: ResourceClient,
    @inject(TOKENS.aggregator) private readonly aggregator: SecretAggregator,
    @inject(TOKENS.memory) private readonly memory: SyncMemory,
    @inject(TOKENS.announcer) private readonly announcer: Announcer,
    @inject(TOKENS.queue) private readonly requeue: Requeue,
  ) {}

  /** @throws KubeError when the API server cannot be reached, WriteGateClosedError on a standby. */
  async reconcile(partial: PartialKMSVaultSecret): Promise<Outcome> {
    const { namespace, name } = partial.metadata;
    const includers = this.cache.includersOf(namespace, name);
    if (isWithdrawn(partial)) return await this.withdraw(partial, includers);
    const checked = checkPartialSpec(partial.spec);
    const problems = checked.ok ? [] : checked.problems.map(({ field, problem }) => `${field} ${problem}`);
    this.announcer.warnings(
      partial,
      problems.length === 0
        ? []
        : [{ reason: 'InvalidSpec', message: listNames(problems, 5, checked.ok ? 0 : checked.total) }],
    );
    const { generation } = partial.metadata;
    await this.client.updateStatus(refOf(partial), (current) => ({
      ...current,
      includedBy: includers.length,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    }));
    return { result: 'synced' };
  }

  private async withdraw(
    partial: PartialKMSVaultSecret,
    includers: readonly KMSVaultSecret[],
  ): Promise<Outcome> {
    const blocked: KMSVaultSecret[] = [];
    let waiting = false;
    for (const includer of includers) {
      const state = await this.stateOf(includer);
      if (state === 'blocked') blocked.push(includer);
      if (state === 'unseen') this.requeue.add({ ...keyOf(includer), kind: SECRET_KIND }, 'edit');
      if (state === 'unseen' || state === 'pending') waiting = true;
    }
    if (waiting) return { result: 'waiting' };
    if (blocked.length > 0) {
      const names = listNames(blocked.map(qualifiedName));
      const message = `Its keys stay in Vault at the paths of ${names}, which cannot be written now`;
      this.announcer.normal(partial, 'SecretKept', message);
    }
    const { outcome } = await this.client.removeFinalizer(refOf(partial));
    if (outcome !== 'forbidden') return { result: 'synced' };
    const message =
      'the operator is not allowed to remove its finalizer: grant it patch on partialkmsvaultsecrets';
    this.announcer.warnings(partial, [{ reason: 'DeletionFailed', message }]);
    return { result: 'waiting' };
  }

  /** The state of an includer with its current inputs, without the keys of this partial. */
  private async stateOf(includer: KMSVaultSecret): Promise<SyncState | 'unseen'> {
    const { uid, generation, deletionTimestamp } = includer.metadata;
    if (deletionTimestamp !== undefined) return 'blocked';
    const checked = checkSecretSpec(includer.spec);
    const place = placeOf(includer);
    if (!checked.ok || place === undefined) return 'blocked';
    const last = this.memory.lastSync(uid, place);
    if (last === undefined || last.inputs.generation !== generation) return 'unseen';
    if (last.inputs.inputsHash === undefined) return last.state;
    const aggregate = await this.aggregator.aggregate(includer);
    const current = inputsHash(place.path, checked.spec.kvSettings, aggregate);
    return last.inputs.inputsHash === current ? last.state : 'unseen';
  }
}
