import { Registry } from 'prom-client';

import { AllowedPaths } from '../../src/api/allowed-paths.js';
import { API_VERSION, DELETE_FINALIZER, type Kind, PARTIAL_KIND, SECRET_KIND } from '../../src/api/group.js';
import { keyOf, keyString, type ResourceKey, type ResourceRef } from '../../src/api/resource-key.js';
import type {
  KMSVaultSecret,
  KMSVaultSecretSpec,
  PartialKMSVaultSecret,
  PartialKMSVaultSecretSpec,
  Resource,
} from '../../src/api/resources.js';
import { KubeError } from '../../src/kube/kube-error.js';
import { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import type { PatchOutcome, ResourceClient, StatusOf } from '../../src/kube/resource-store.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import type { Outcome } from '../../src/queue/outcome.js';
import type { Priority } from '../../src/queue/work-queue.js';
import { Announcer } from '../../src/reconcile/announcer.js';
import { BlindSync } from '../../src/reconcile/blind-sync.js';
import { ContentProof } from '../../src/reconcile/content-proof.js';
import { DeletionPlanner } from '../../src/reconcile/deletion-planner.js';
import { Entitlement } from '../../src/reconcile/entitlement.js';
import { FinalizerHandler } from '../../src/reconcile/finalizer-handler.js';
import { KeyDecryption } from '../../src/reconcile/key-decryption.js';
import { PartialReconciler } from '../../src/reconcile/partial-reconciler.js';
import { PathClaims } from '../../src/reconcile/path-claims.js';
import { PathOwnership } from '../../src/reconcile/path-ownership.js';
import { Reconciler } from '../../src/reconcile/reconciler.js';
import { SecretAggregator } from '../../src/reconcile/secret-aggregator.js';
import { SecretReconciler } from '../../src/reconcile/secret-reconciler.js';
import { SecretSync } from '../../src/reconcile/secret-sync.js';
import { SyncMemory } from '../../src/reconcile/sync-memory.js';
import { FakeKms } from './fake-kms.js';
import { FakeVault } from './fake-vault.js';
import { RecordingLogger } from './loggers.js';

/** The parts of step 3 on fakes: an API server that is a map, a Vault and a KMS in memory. */
export class ReconcileStand implements ResourceClient {
  readonly vault = new FakeVault();
  readonly kms = new FakeKms();
  readonly cache = new IndexedResourceCache();
  readonly logger = new RecordingLogger();
  readonly events: { name: string; type: string; reason: string; message: string }[] = [];
  readonly requeued = new Map<string, { key: ResourceKey; priority: Priority }>();
  statusPatches = 0;
  apiDown = false;
  now = Date.parse('2026-01-01T00:00:00Z');
  private reconciler: Reconciler;
  private version = 0;

  constructor(private readonly allowedPaths: AllowedPaths = AllowedPaths.any) {
    this.reconciler = this.build();
  }

  /** A new process: everything that is in memory only is gone. */
  restart(): void {
    this.reconciler = this.build();
  }

  /** The process that leads now. */
  replica(): Reconciler {
    return this.reconciler;
  }

  /** Another process takes the lease over. */
  lead(replica: Reconciler): void {
    this.reconciler.endTerm();
    this.reconciler = replica;
    replica.beginTerm();
  }

  secret(
    name: string,
    spec: Partial<KMSVaultSecretSpec>,
    metadata: Partial<KMSVaultSecret['metadata']> = {},
  ): KMSVaultSecret {
    const before = this.cache.secret('default', name);
    const full: KMSVaultSecretSpec = {
      path: `secret/data/${name}`,
      kvSettings: { engineVersion: 'v2' },
      ...spec,
    };
    return this.put({
      ...this.skeleton(before, name, metadata),
      kind: SECRET_KIND,
      spec: full,
    }) as KMSVaultSecret;
  }

  partial(
    name: string,
    spec: PartialKMSVaultSecretSpec,
    metadata: Partial<KMSVaultSecret['metadata']> = {},
  ): PartialKMSVaultSecret {
    const before = this.cache.partial('default', name);
    return this.put({
      ...this.skeleton(before, name, metadata),
      kind: PARTIAL_KIND,
      spec,
    }) as PartialKMSVaultSecret;
  }

  /** As `kubectl delete`: gone at once, or marked while it has finalizers. */
  delete(kind: Kind, name: string): void {
    const resource = this.find(kind, name);
    if (resource === undefined) return;
    if ((resource.metadata.finalizers ?? []).length === 0) this.remove(resource);
    else
      this.put({
        ...resource,
        metadata: {
          ...resource.metadata,
          deletionTimestamp: '2026-01-02T00:00:00Z',
          // As the API server does (apiserver, markAsDeleting).
          generation: (resource.metadata.generation ?? 0) + 1,
        },
      });
  }

  find(kind: Kind, name: string): Resource | undefined {
    return kind === SECRET_KIND ? this.cache.secret('default', name) : this.cache.partial('default', name);
  }

  async reconcile(name: string, priority: Priority = 'resync', kind: Kind = SECRET_KIND): Promise<Outcome> {
    return await this.reconciler.reconcile({ kind, namespace: 'default', name }, priority);
  }

  ready(name: string): { status: string; reason: string; message: string } | undefined {
    return this.cache
      .secret('default', name)
      ?.status?.conditions?.find((condition) => condition.type === 'Ready');
  }

  /** The values at a path, parsed. */
  values(path: string, engine: 'v1' | 'v2' = 'v2'): Record<string, unknown> | undefined {
    const data = this.vault.peek(path, engine);
    return data === undefined
      ? undefined
      : Object.fromEntries([...data].map(([key, raw]) => [key, JSON.parse(raw) as unknown]));
  }

  fetch(key: ResourceKey): Promise<Resource | undefined> {
    if (this.apiDown) return Promise.reject(new KubeError('GET failed', 500));
    return Promise.resolve(this.find(key.kind, key.name));
  }

  updateStatus<K extends Kind>(
    object: ResourceRef & { kind: K },
    desired: (current: StatusOf[K] | undefined, resource: Resource) => StatusOf[K],
  ): Promise<PatchOutcome> {
    if (this.apiDown) return Promise.reject(new KubeError('PATCH failed', 503));
    const resource = this.find(object.kind, object.name);
    if (resource?.metadata.uid !== object.uid) return Promise.resolve({ outcome: 'gone' });
    const status = desired(resource.status, resource);
    if (JSON.stringify(sorted(status)) === JSON.stringify(sorted(resource.status ?? {})))
      return Promise.resolve({ outcome: 'unchanged' });
    this.statusPatches += 1;
    this.put({ ...resource, status });
    return Promise.resolve({ outcome: 'patched' });
  }

  forget(): void {
    // Remembers nothing.
  }

  removeFinalizer(object: ResourceRef): Promise<PatchOutcome> {
    if (this.apiDown) return Promise.reject(new KubeError('PATCH failed', 503));
    const resource = this.find(object.kind, object.name);
    if (resource?.metadata.uid !== object.uid) return Promise.resolve({ outcome: 'gone' });
    const finalizers = (resource.metadata.finalizers ?? []).filter((name) => name !== DELETE_FINALIZER);
    const released = { ...resource, metadata: { ...resource.metadata, finalizers } };
    if (finalizers.length === 0 && resource.metadata.deletionTimestamp !== undefined) this.remove(resource);
    else this.put(released);
    return Promise.resolve({ outcome: 'patched' });
  }

  private remove(resource: Resource): void {
    this.cache.remove(keyOf(resource), resource.metadata.uid);
    this.reconciler.forget(keyOf(resource));
  }

  private put(resource: Resource): Resource {
    this.version += 1;
    const stored = {
      ...resource,
      metadata: { ...resource.metadata, resourceVersion: String(this.version) },
    } as Resource;
    this.cache.apply(stored);
    return stored;
  }

  private skeleton(
    before: Resource | undefined,
    name: string,
    metadata: Partial<KMSVaultSecret['metadata']>,
  ): Pick<KMSVaultSecret, 'apiVersion' | 'metadata' | 'status'> {
    this.version += 1;
    return {
      apiVersion: API_VERSION,
      metadata: {
        name,
        namespace: 'default',
        uid: before?.metadata.uid ?? `uid-${String(this.version)}`,
        resourceVersion: '0',
        generation: (before?.metadata.generation ?? 0) + 1,
        creationTimestamp:
          before?.metadata.creationTimestamp ?? new Date(this.now + this.version * 1_000).toISOString(),
        ...(before?.metadata.finalizers === undefined ? {} : { finalizers: before.metadata.finalizers }),
        ...metadata,
      },
      ...(before?.status === undefined ? {} : { status: before.status }),
    };
  }

  private build(): Reconciler {
    const clock = {
      now: () => new Date(this.now),
      monotonicMs: () => this.now,
      setTimer: () => () => undefined,
    };
    const record = (type: string) => (resource: Resource, reason: string, message: string) => {
      this.events.push({ name: resource.metadata.name, type, reason, message });
    };
    const recorder = { normal: record('Normal'), warning: record('Warning'), drain: () => Promise.resolve() };
    const memory = new SyncMemory();
    const metrics = new OperatorMetrics(new Registry());
    const announcer = new Announcer({ events: recorder, clock });
    const ownership = new PathOwnership({ cache: this.cache, allowedPaths: this.allowedPaths });
    const aggregator = new SecretAggregator({ cache: this.cache, client: this });
    const decryption = new KeyDecryption({ decryptor: this.kms, memory, metrics });
    const blind = new BlindSync({ decryption, memory, metrics });
    const sync = new SecretSync({ store: this.vault, decryption, blind, memory, clock, metrics });
    const requeue = (key: ResourceKey, priority: Priority): void => {
      this.requeued.set(keyString(key), { key, priority });
    };
    const { allowedPaths, cache } = this;
    const common = { cache, client: this, aggregator, memory, announcer, requeue };
    const entitlement = new Entitlement({ cache, ownership, allowedPaths, memory, requeue });
    const claims = new PathClaims(common);
    const proof = new ContentProof({ aggregator, decryption });
    return new Reconciler({
      ...common,
      secrets: new SecretReconciler({
        ...common,
        sync,
        ownership,
        entitlement,
        claims,
        allowedPaths,
        clock,
      }),
      partials: new PartialReconciler(common),
      finalizers: new FinalizerHandler({
        client: this,
        store: this.vault,
        planner: new DeletionPlanner({ store: this.vault, memory, proof, allowedPaths }),
        ownership,
        entitlement,
        memory,
        announcer,
        clock,
      }),
      metrics,
      logger: this.logger,
    });
  }
}

/** Equality of statuses does not depend on the order of their fields. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, sorted(inner)]),
  );
}
