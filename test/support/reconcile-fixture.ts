import { Registry } from 'prom-client';
import { container as root } from 'tsyringe';

import { AllowedPaths } from '../../src/api/allowed-paths.js';
import { API_VERSION, DELETE_FINALIZER, type Kind, PARTIAL_KIND, SECRET_KIND } from '../../src/api/group.js';
import { RequiredContext } from '../../src/api/required-context.js';
import { keyOf, keyString, type ResourceKey, type ResourceRef } from '../../src/api/resource-key.js';
import type {
  KMSVaultSecret,
  KMSVaultSecretSpec,
  PartialKMSVaultSecret,
  PartialKMSVaultSecretSpec,
  Resource,
} from '../../src/api/resources.js';
import { registerReconcile } from '../../src/composition/reconcile.js';
import { registerValues } from '../../src/composition/registration.js';
import { KubeError } from '../../src/kube/kube-error.js';
import { IndexedResourceCache } from '../../src/kube/resource-cache.js';
import type { PatchOutcome, ResourceClient, StatusOf } from '../../src/kube/resource-store.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import type { Outcome } from '../../src/queue/outcome.js';
import type { Priority, Requeue, RightOfWay } from '../../src/queue/work-queue.js';
import type { Reconciler } from '../../src/reconcile/reconciler.js';
import { type FreshWork, openGate } from '../../src/runtime/write-gate.js';
import { TOKENS } from '../../src/tokens.js';
import { FakeKms } from './fake-kms.js';
import { FakeVault } from './fake-vault.js';
import { RecordingLogger } from './loggers.js';

/** The services of `reconcile/` with an API server, a Vault and a KMS in memory. */
export class ReconcileFixture implements ResourceClient {
  readonly vault = new FakeVault();
  readonly kms = new FakeKms();
  readonly cache = new IndexedResourceCache();
  readonly logger = new RecordingLogger();
  readonly events: { name: string; type: string; reason: string; message: string }[] = [];
  readonly requeued = new Map<string, { key: ResourceKey; priority: Priority }>();
  /** The cache is fresh, and shows every namespace. */
  readonly view = {
    unseenNamespaces: [] as string[],
    unseen: (): readonly string[] => this.view.unseenNamespaces,
    begin: (): FreshWork => this.view.work,
    work: {
      assertFresh: (): void => undefined,
      catchUp: (isUnchanged: () => Promise<boolean>, signal?: AbortSignal): Promise<boolean> => {
        void [isUnchanged, signal];
        return Promise.resolve(false);
      },
    },
  };
  /** The metrics of the process that runs now. */
  registry = new Registry();
  statusPatches = 0;
  apiDown = false;
  /** RBAC denies patches of statuses. */
  statusForbidden = false;
  /** `--provenance`; takes effect with a restart. */
  provenance = false;
  now = Date.parse('2026-01-01T00:00:00Z');
  private reconciler: Reconciler;
  private version = 0;

  /** Takes effect at the next {@link restart}. */
  requiredContext = RequiredContext.none;
  metrics!: OperatorMetrics;

  constructor(private readonly allowedPaths: AllowedPaths = AllowedPaths.any) {
    this.reconciler = this.build();
  }

  /** A new process: everything in memory is lost. */
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

  /** As `kubectl delete`: removed, or marked as deleted while it has finalizers. */
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

  /** As `kubectl annotate --overwrite`, or without a value as `kubectl annotate` with a minus: the spec does not change. */
  annotate(kind: Kind, name: string, annotation: string, value?: string): void {
    const resource = this.find(kind, name);
    if (resource === undefined) return;
    const { [annotation]: before, ...others } = resource.metadata.annotations ?? {};
    void before;
    const annotations = value === undefined ? others : { ...others, [annotation]: value };
    this.put({ ...resource, metadata: { ...resource.metadata, annotations } });
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

  /** Another client changes the reason of `Ready`. */
  rewriteReady(name: string, reason: string): void {
    const secret = this.cache.secret('default', name);
    const conditions = (secret?.status?.conditions ?? []).map((one) => ({ ...one, reason }));
    if (secret !== undefined) this.put({ ...secret, status: { ...secret.status, conditions } });
  }

  /** The reasons of all events, in their order. */
  reasons(): string[] {
    return this.events.map(({ reason }) => reason);
  }

  /** The messages of the events with this reason. */
  messages(reason: string): string[] {
    return this.events.filter((event) => event.reason === reason).map(({ message }) => message);
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
    if (this.statusForbidden) return Promise.resolve({ outcome: 'forbidden' });
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
        ...(before?.metadata.annotations === undefined ? {} : { annotations: before.metadata.annotations }),
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
    const requeue: Requeue & RightOfWay = {
      giveWay: () => Promise.resolve(),
      add: (key, priority) => {
        this.requeued.set(keyString(key), { key, priority });
      },
    };
    this.registry = new Registry();
    this.metrics = new OperatorMetrics(this.registry);
    const container = root.createChildContainer();
    registerReconcile(container);
    registerValues(container, [
      [TOKENS.cache, this.cache],
      [TOKENS.resources, this],
      [TOKENS.kvStore, this.vault],
      [TOKENS.decryptor, this.kms],
      [TOKENS.gate, openGate],
      [TOKENS.freshness, this.view],
      [TOKENS.allowedPaths, this.allowedPaths],
      [TOKENS.provenance, this.provenance],
      [TOKENS.requiredContext, this.requiredContext],
      [TOKENS.queue, requeue],
      [TOKENS.events, recorder],
      [TOKENS.metrics, this.metrics],
      [TOKENS.logger, this.logger],
      [TOKENS.clock, clock],
    ]);
    return container.resolve<Reconciler>(TOKENS.reconciler);
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
