import type { DependencyContainer } from 'tsyringe';

import type { AllowedPaths } from '../api/allowed-paths.js';
import type { ResourceKey } from '../api/resource-key.js';
import type { ResourceCache, ResourceClient } from '../kube/resource-store.js';
import type { OperatorMetrics } from '../observability/operator-metrics.js';
import type { Priority, Requeue } from '../queue/work-queue.js';
import { Announcer } from '../reconcile/announcer.js';
import { BlindSync } from '../reconcile/blind-sync.js';
import { ContentProof } from '../reconcile/content-proof.js';
import { DeletionPlanner } from '../reconcile/deletion-planner.js';
import { Entitlement } from '../reconcile/entitlement.js';
import { FinalizerHandler } from '../reconcile/finalizer-handler.js';
import { KeyDecryption } from '../reconcile/key-decryption.js';
import { PartialReconciler } from '../reconcile/partial-reconciler.js';
import { PathClaims } from '../reconcile/path-claims.js';
import { PathOwnership } from '../reconcile/path-ownership.js';
import { Reconciler } from '../reconcile/reconciler.js';
import { SecretAggregator } from '../reconcile/secret-aggregator.js';
import { SecretReconciler } from '../reconcile/secret-reconciler.js';
import { SecretSync } from '../reconcile/secret-sync.js';
import { SyncMemory } from '../reconcile/sync-memory.js';
import type { Clock } from '../runtime/clock.js';
import { TOKENS } from '../tokens.js';
import type { KvStore } from '../vault/kv-store.js';
import { registerFactory } from './registration.js';

/** The parts of step 3, which share memory, announcer and ownership. */
export function registerReconcile(container: DependencyContainer): void {
  const register = (token: symbol, make: (c: DependencyContainer) => unknown): void => {
    registerFactory(container, token, make);
  };
  const shared = new WeakMap<DependencyContainer, ReturnType<typeof makeShared>>();
  const sharedOf = (c: DependencyContainer): ReturnType<typeof makeShared> => {
    const parts = shared.get(c) ?? makeShared(c);
    shared.set(c, parts);
    return parts;
  };
  register(
    TOKENS.aggregator,
    (c) => new SecretAggregator({ cache: c.resolve(TOKENS.cache), client: c.resolve(TOKENS.resources) }),
  );
  register(TOKENS.secretSync, (c) => {
    const metrics = c.resolve<OperatorMetrics>(TOKENS.metrics);
    const { memory, decryption } = sharedOf(c);
    const blind = new BlindSync({ decryption, memory, metrics });
    const clock = c.resolve<Clock>(TOKENS.clock);
    return new SecretSync({ store: c.resolve(TOKENS.kvStore), decryption, blind, memory, clock, metrics });
  });
  register(TOKENS.finalizers, (c) => {
    const shared = sharedOf(c);
    const store = c.resolve<KvStore>(TOKENS.kvStore);
    const proof = new ContentProof({ aggregator: c.resolve(TOKENS.aggregator), ...shared });
    return new FinalizerHandler({
      client: c.resolve(TOKENS.resources),
      store,
      planner: new DeletionPlanner({
        store,
        proof,
        allowedPaths: c.resolve(TOKENS.allowedPaths),
        memory: shared.memory,
      }),
      clock: c.resolve(TOKENS.clock),
      ...shared,
    });
  });
  register(TOKENS.reconciler, (c) => {
    const { memory, announcer, ownership, entitlement, requeue } = sharedOf(c);
    const common = {
      cache: c.resolve<ResourceCache>(TOKENS.cache),
      client: c.resolve<ResourceClient>(TOKENS.resources),
      aggregator: c.resolve<SecretAggregator>(TOKENS.aggregator),
      memory,
      announcer,
      requeue,
    };
    return new Reconciler({
      ...common,
      secrets: new SecretReconciler({
        ...common,
        sync: c.resolve(TOKENS.secretSync),
        ownership,
        entitlement,
        claims: new PathClaims(common),
        allowedPaths: c.resolve(TOKENS.allowedPaths),
        clock: c.resolve(TOKENS.clock),
      }),
      partials: new PartialReconciler(common),
      finalizers: c.resolve(TOKENS.finalizers),
      metrics: c.resolve(TOKENS.metrics),
      logger: c.resolve(TOKENS.logger),
    });
  });
}

interface Shared {
  readonly memory: SyncMemory;
  readonly announcer: Announcer;
  readonly ownership: PathOwnership;
  readonly entitlement: Entitlement;
  readonly decryption: KeyDecryption;
  readonly requeue: (key: ResourceKey, priority: Priority) => void;
}

function makeShared(c: DependencyContainer): Shared {
  const cache = c.resolve<ResourceCache>(TOKENS.cache);
  const allowedPaths = c.resolve<AllowedPaths>(TOKENS.allowedPaths);
  const memory = new SyncMemory();
  const ownership = new PathOwnership({ cache, allowedPaths });
  const queue = c.resolve<Requeue>(TOKENS.queue);
  const requeue = (key: ResourceKey, priority: Priority): void => {
    queue.add(key, priority);
  };
  return {
    memory,
    announcer: new Announcer({ events: c.resolve(TOKENS.events), clock: c.resolve(TOKENS.clock) }),
    ownership,
    entitlement: new Entitlement({ cache, ownership, allowedPaths, memory, requeue }),
    decryption: new KeyDecryption({
      decryptor: c.resolve(TOKENS.decryptor),
      gate: c.resolve(TOKENS.gate),
      memory,
      metrics: c.resolve(TOKENS.metrics),
    }),
    requeue,
  };
}
