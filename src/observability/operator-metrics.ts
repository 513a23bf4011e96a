import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { inject, injectable } from 'tsyringe';

import type { BuildInfo } from '../config/config.js';
import { TOKENS } from '../tokens.js';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
import { RESULTS } from '../queue/outcome.js';

/**
 * Every metric of the operator. Labels never hold key names, paths or free text.
 */
@injectable()
export class OperatorMetrics {
  readonly reconciles;
  readonly reconcileDuration;
  readonly reconcileErrors;
  readonly lastReconcile;
  readonly syncPeriod;
  readonly queueDepth;
  readonly queueWait;
  readonly queueRetries;
  readonly resourceReady;
  readonly resourceReason;
  readonly resources;
  readonly kmsRequests;
  readonly kmsRequestDuration;
  readonly kmsRequestsAvoided;
  readonly kmsThrottled;
  readonly contextViolations;
  readonly vaultRequests;
  readonly vaultRequestDuration;
  readonly vaultWrites;
  readonly driftRepairs;
  readonly vaultLogins;
  readonly vaultSession;
  readonly vaultTokenExpiry;
  readonly watchRestarts;
  readonly watchMalformedLines;
  readonly watchSynced;
  readonly leader;
  readonly leaderTransitions;
  readonly leaderLastRenewal;
  readonly certificateExpiry;
  readonly certificateReloads;
  readonly buildInfo;

  constructor(
    @inject(TOKENS.registry) registry: Registry,
    @inject(TOKENS.build, { isOptional: true }) build?: BuildInfo,
    @inject(TOKENS.syncPeriodMs, { isOptional: true }) syncPeriodMs?: number,
    @inject(TOKENS.leaseNamespace, { isOptional: true }) leaseNamespace?: string,
  ) {
    const registers = [registry];
    const counter = <L extends string>(name: string, help: string, labelNames: L[] = []): Counter<L> =>
      new Counter({ name: `kms_vault_operator_${name}`, help, labelNames, registers });
    const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> =>
      new Gauge({ name: `kms_vault_operator_${name}`, help, labelNames, registers });
    const histogram = (name: string, help: string): Histogram =>
      new Histogram({ name: `kms_vault_operator_${name}`, help, buckets: SECONDS, registers });

    this.reconciles = counter(
      'reconcile_total',
      `Reconciles by result: ${Object.keys(RESULTS).join(', ')}.`,
      ['result'],
    );
    this.reconcileDuration = histogram('reconcile_duration_seconds', 'Duration of one reconcile.');
    this.reconcileErrors = counter(
      'reconcile_errors_total',
      'Failed reconciles by the reason of the Ready condition, KubernetesUnavailable or Internal.',
      ['reason'],
    );
    this.lastReconcile = gauge(
      'last_reconcile_timestamp_seconds',
      'Unix time of the last reconcile that this replica finished; 0 if there was none.',
    );
    this.syncPeriod = gauge('sync_period_seconds', 'The value of --sync-period-seconds.');
    this.queueDepth = gauge('queue_depth', 'Keys in the queue.');
    this.queueWait = histogram('queue_wait_seconds', 'How long a key waited in the queue.');
    this.queueRetries = counter('queue_retries_total', 'Keys that were requeued after a failure.');
    this.resourceReady = gauge('resource_ready', '1 if the resource is ready, else 0.', [
      'namespace',
      'name',
    ]);
    this.resourceReason = gauge(
      'resource_reason',
      'Always 1; one series per resource, whose label is the reason of its Ready condition.',
      ['namespace', 'name', 'reason'],
    );
    this.resources = gauge('resources', 'Known resources by kind.', ['kind']);
    this.kmsRequests = counter(
      'kms_requests_total',
      'Requests to KMS by result: OK, or the name of a KMS or network error.',
      ['operation', 'code'],
    );
    this.kmsRequestDuration = histogram('kms_request_duration_seconds', 'Duration of requests to KMS.');
    this.kmsRequestsAvoided = counter(
      'kms_requests_avoided_total',
      'Decryptions that needed no request to KMS: unchanged, vouched, coalesced or known_bad_input.',
      ['why'],
    );
    this.kmsThrottled = counter('kms_throttled_total', 'Requests that KMS throttled.');
    this.contextViolations = counter(
      'context_violations_total',
      'Ciphertexts without the required encryption context, by mode: audit or enforce. Each is counted when the ' +
        'operator first sees it at a resource.',
      ['mode'],
    );
    this.vaultRequests = counter(
      'vault_requests_total',
      'Requests to Vault by result: the HTTP status, or the code of a network error.',
      ['operation', 'code'],
    );
    this.vaultRequestDuration = histogram('vault_request_duration_seconds', 'Duration of requests to Vault.');
    this.vaultWrites = counter('vault_writes_total', 'Secrets written to Vault, by engine: v1 or v2.', [
      'engine',
    ]);
    this.driftRepairs = counter(
      'drift_repairs_total',
      'Writes that restored a value that another client had changed in Vault.',
    );
    this.vaultLogins = counter(
      'vault_logins_total',
      'Logins to Vault by result: success, refused or error.',
      ['method', 'result'],
    );
    this.vaultSession = gauge('vault_session', '1 while the operator has a valid Vault token, else 0.');
    this.vaultTokenExpiry = gauge(
      'vault_token_expiry_timestamp_seconds',
      'Unix time when the Vault token expires; 0 if it never does or there is none.',
    );
    this.watchRestarts = counter(
      'watch_restarts_total',
      'Watches that were restarted, by the reason why the previous one ended.',
      ['kind', 'why'],
    );
    this.watchMalformedLines = counter(
      'watch_malformed_lines_total',
      'Watch lines and list items that could not be parsed.',
      ['kind'],
    );
    this.watchSynced = gauge(
      'watch_synced',
      '1 while the cache is complete and current, by kind and watched namespace (empty: all), else 0.',
      ['kind', 'namespace'],
    );
    this.leader = gauge('leader', '1 on the leader, the only replica that writes, else 0.');
    this.leaderTransitions = counter('leader_transitions_total', 'Times this replica became the leader.');
    this.leaderLastRenewal = gauge(
      'leader_last_renewal_timestamp_seconds',
      'Unix time when this replica last acquired or renewed the lease; 0 if it never did.',
    );
    this.certificateExpiry = gauge(
      'certificate_expiry_timestamp_seconds',
      'Unix time when the certificate of --metrics-secure expires; 0 without one.',
    );
    this.certificateReloads = counter(
      'certificate_reloads_total',
      'Reloads of changed certificate files of --metrics-secure by result: success or failure.',
      ['result'],
    );
    this.buildInfo = gauge('build_info', 'Always 1; the labels name the build.', ['version', 'commit']);
    if (build !== undefined) this.buildInfo.set({ version: build.version, commit: build.commit }, 1);
    if (syncPeriodMs !== undefined) this.syncPeriod.set(syncPeriodMs / 1_000);
    // Without leader election every replica writes; with it, a replica writes only while it holds the lease.
    this.leader.set(leaseNamespace === undefined ? 1 : 0);
  }
}
