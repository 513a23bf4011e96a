import type { DependencyContainer } from 'tsyringe';

import { ResourceGauges } from '../observability/resource-gauges.js';
import { Announcer } from '../reconcile/announcer.js';
import { BlindSync } from '../reconcile/blind-sync.js';
import { ContentProof } from '../reconcile/content-proof.js';
import { ContextViolations } from '../reconcile/context-violations.js';
import { DeletionPlanner } from '../reconcile/deletion-planner.js';
import { Entitlement } from '../reconcile/entitlement.js';
import { FinalizerHandler } from '../reconcile/finalizer-handler.js';
import { KeyDecryption } from '../reconcile/key-decryption.js';
import { KvWriter } from '../reconcile/kv-writer.js';
import { PartialReconciler } from '../reconcile/partial-reconciler.js';
import { PartialRequeue } from '../reconcile/partial-requeue.js';
import { PartialReview } from '../reconcile/partial-review.js';
import { MetadataSync } from '../reconcile/metadata-sync.js';
import { LostPaths } from '../reconcile/lost-paths.js';
import { PathClaims } from '../reconcile/path-claims.js';
import { PathOwnership } from '../reconcile/path-ownership.js';
import { Reconciler } from '../reconcile/reconciler.js';
import { RemovalCheck } from '../reconcile/removal-check.js';
import { SecretAggregator } from '../reconcile/secret-aggregator.js';
import { SecretReconciler } from '../reconcile/secret-reconciler.js';
import { SecretSync } from '../reconcile/secret-sync.js';
import { Suspension } from '../reconcile/suspension.js';
import { SyncMemory } from '../reconcile/sync-memory.js';
import { SyncNow } from '../reconcile/sync-now.js';
import { UnseenOwners } from '../reconcile/unseen-owners.js';
import { WriteReport } from '../reconcile/write-report.js';
import { TOKENS } from '../tokens.js';
import { registerServices, type Service } from './registration.js';

/** What reconciles one `KMSVaultSecret`, whatever the cluster and Vault are. */
const SECRET_SERVICES: readonly Service[] = [
  [TOKENS.secrets, SecretReconciler],
  [TOKENS.finalizers, FinalizerHandler],
  [TOKENS.planner, DeletionPlanner],
  [TOKENS.removalCheck, RemovalCheck],
  [TOKENS.proof, ContentProof],
  [TOKENS.aggregator, SecretAggregator],
  [TOKENS.secretSync, SecretSync],
  [TOKENS.blind, BlindSync],
  [TOKENS.metadataSync, MetadataSync],
  [TOKENS.writer, KvWriter],
  [TOKENS.decryption, KeyDecryption],
  [TOKENS.memory, SyncMemory],
  [TOKENS.ownership, PathOwnership],
  [TOKENS.entitlement, Entitlement],
  [TOKENS.claims, PathClaims],
  [TOKENS.lostPaths, LostPaths],
  [TOKENS.partialRequeue, PartialRequeue],
  [TOKENS.suspension, Suspension],
  [TOKENS.syncNow, SyncNow],
  [TOKENS.writeReport, WriteReport],
  [TOKENS.unseenOwners, UnseenOwners],
  [TOKENS.announcer, Announcer],
  [TOKENS.contextViolations, ContextViolations],
];

/** Registers the services of `reconcile/`. */
export function registerReconcile(container: DependencyContainer): void {
  registerSecretReconcile(container);
  registerServices(container, [
    [TOKENS.reconciler, Reconciler],
    [TOKENS.resourceGauges, ResourceGauges],
    [TOKENS.partials, PartialReconciler],
    [TOKENS.partialReview, PartialReview],
  ]);
}

/** Registers only those that reconcile `KMSVaultSecret`s. */
export function registerSecretReconcile(container: DependencyContainer): void {
  registerServices(container, SECRET_SERVICES);
}
