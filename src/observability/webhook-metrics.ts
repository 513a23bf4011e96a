import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { inject, injectable } from 'tsyringe';

import type { BuildInfo } from '../config/config.js';
import { TOKENS } from '../tokens.js';

/** Up to the longest timeout of the API server. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Every metric of the webhook. Labels never hold names of resources or keys. */
@injectable()
export class WebhookMetrics {
  readonly admissions;
  readonly admissionDuration;
  readonly rejectedRequests;
  readonly kmsRequests;
  readonly kmsRequestDuration;
  readonly kmsRequestsAvoided;
  readonly kmsThrottled;
  readonly contextViolations;
  readonly certificateExpiry;
  readonly certificateReloads;
  readonly buildInfo;

  constructor(
    @inject(TOKENS.registry) registry: Registry,
    @inject(TOKENS.build, { isOptional: true }) build?: BuildInfo,
  ) {
    const registers = [registry];
    const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
      new Counter({ name: `kms_vault_webhook_${name}`, help, labelNames, registers });
    const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []): Gauge<L> =>
      new Gauge({ name: `kms_vault_webhook_${name}`, help, labelNames, registers });
    const histogram = (name: string, help: string): Histogram =>
      new Histogram({ name: `kms_vault_webhook_${name}`, help, buckets: SECONDS, registers });

    this.admissions = counter('admission_total', 'Admission reviews by kind, operation and decision.', [
      'kind',
      'operation',
      'allowed',
    ]);
    this.admissionDuration = histogram('admission_duration_seconds', 'Duration of one admission review.');
    this.rejectedRequests = counter('rejected_requests_total', 'Requests answered with 4xx or 5xx.', [
      'status',
    ]);
    this.kmsRequests = counter(
      'kms_requests_total',
      'Requests to KMS by result: OK, or the name of a KMS or network error.',
      ['operation', 'code'],
    );
    this.kmsRequestDuration = histogram('kms_request_duration_seconds', 'Duration of requests to KMS.');
    this.kmsRequestsAvoided = counter(
      'kms_requests_avoided_total',
      'Decryptions that needed no request to KMS, because an equal one was in flight.',
      ['why'],
    );
    this.kmsThrottled = counter('kms_throttled_total', 'Requests that KMS throttled.', []);
    this.contextViolations = counter(
      'context_violations_total',
      'Ciphertexts without the required encryption context in admission reviews, by mode: audit or enforce.',
      ['mode'],
    );
    this.certificateExpiry = gauge(
      'certificate_expiry_timestamp_seconds',
      'Unix time when the serving certificate expires; 0 before one is loaded.',
    );
    this.certificateReloads = counter(
      'certificate_reloads_total',
      'Reloads of changed certificate files by result: success or failure.',
      ['result'],
    );
    for (const result of ['success', 'failure']) this.certificateReloads.inc({ result }, 0);
    this.buildInfo = gauge('build_info', 'Always 1; the labels name the build.', ['version', 'commit']);
    if (build !== undefined) this.buildInfo.set({ version: build.version, commit: build.commit }, 1);
  }
}
