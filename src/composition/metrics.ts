import type { DependencyContainer } from 'tsyringe';

import { CertificateStore } from '../admission/certificate-store.js';
import type { MetricsTlsConfig } from '../config/config.js';
import { AccessReviewer } from '../kube/access-reviewer.js';
import { UngatedKubeClient } from '../kube/kube-client.js';
import { MetricsEndpoint } from '../observability/endpoints.js';
import { SecureMetricsEndpoint } from '../observability/metrics-access.js';
import { TOKENS } from '../tokens.js';
import { registerServices, registerValues } from './registration.js';

/** Registers the endpoint of the operator's metrics. */
export function registerMetrics(container: DependencyContainer, tls: MetricsTlsConfig | undefined): void {
  registerServices(container, [
    [TOKENS.accessReviewer, AccessReviewer],
    [TOKENS.reviewClient, UngatedKubeClient],
    [TOKENS.metricsEndpoint, tls === undefined ? MetricsEndpoint : SecureMetricsEndpoint],
  ]);
  if (tls === undefined) return;
  registerServices(container, [[TOKENS.certificates, CertificateStore]]);
  registerValues(container, [
    [TOKENS.tlsCertFile, tls.certFile],
    [TOKENS.tlsKeyFile, tls.keyFile],
  ]);
}
