import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import { PARTIAL_REASONS } from '../../../src/api/partial-reasons.js';
import { isReady, READY_REASONS } from '../../../src/api/reasons.js';
import { KubeError } from '../../../src/kube/kube-error.js';
import { KmsError } from '../../../src/kms/kms-error.js';
import { classifyKmsFailure } from '../../../src/kms/kms-failures.js';
import { WebhookMetrics } from '../../../src/observability/webhook-metrics.js';
import { createRegistry } from '../../../src/observability/metrics-routes.js';
import { stepAfter } from '../../../src/watch/watch-failure.js';
import { WatchCutError, WatchInactiveError } from '../../../src/watch/watch-stream.js';
import { allAlerts } from './alert-rules.js';
import { labelsOfSeries } from './exported-series.js';
import { readQuery, type Selector } from './promql.js';

const RUNBOOKS = 'docs/runbooks.md';
const ADDRESS = `https://github.com/patoarvizu/kms-vault-operator/blob/master/${RUNBOOKS}`;
const alerts = allAlerts();
const labelsOf = labelsOfSeries();

/** Every error that KMS declares for Decrypt, and those of all AWS services that concern the caller. */
const KMS_ERRORS = [
  'AccessDeniedException',
  'DependencyTimeoutException',
  'DisabledException',
  'DryRunOperationException',
  'ExpiredTokenException',
  'IncorrectKeyException',
  'InvalidCiphertextException',
  'InvalidGrantTokenException',
  'InvalidKeyUsageException',
  'KMSInternalException',
  'KMSInvalidStateException',
  'KeyUnavailableException',
  'NotFoundException',
  'ThrottlingException',
  'UnrecognizedClientException',
  'ValidationException',
];
const kmsCodes = KMS_ERRORS.map((name) => classifyKmsFailure({ name }));
/** About one ciphertext or one key: the resource reports it. */
const CODES_OF_RESOURCES = kmsCodes.filter(({ failure }) => failure !== 'transient').map(({ code }) => code);

/** Everything that ends a watch. */
const WATCH_ENDS = [
  new WatchInactiveError(),
  new WatchCutError('cut'),
  new TypeError('unforeseen'),
  new KubeError('unreachable', undefined),
  ...[401, 403, 404, 410, 429, 500].map((status) => new KubeError('refused', status)),
].map((error) => stepAfter(error));

async function reloadResults(): Promise<string[]> {
  const registry = createRegistry();
  new WebhookMetrics(registry);
  const metric = await registry.getSingleMetric('kms_vault_webhook_certificate_reloads_total')?.get();
  return (metric?.values ?? []).map(({ labels }) => String(labels['result']));
}

function alternatives(selectors: readonly Selector[], metric: string, label: string): string[] {
  const values = selectors
    .filter((selector) => selector.metric === metric)
    .flatMap(({ matchers }) => matchers.filter((matcher) => matcher.label === label))
    .flatMap(({ value }) => value.split('|'));
  return [...new Set(values)].sort();
}

const selectorsOf = (name: string): readonly Selector[] =>
  readQuery(alerts.find(({ alert }) => alert === name)?.expr ?? '', labelsOf).selectors;

describe('every alert', () => {
  it.each(alerts)('$alert queries exported metrics only', ({ expr }) => {
    expect(readQuery(expr, labelsOf).selectors.length).toBeGreaterThan(0);
  });

  it.each(alerts)('$alert has a summary, a description, a severity, a duration and a runbook', (alert) => {
    expect(alert.alert).toMatch(/^KMSVault[A-Za-z]+$/);
    expect(['warning', 'critical']).toContain(alert.labels.severity);
    expect(alert.for).toMatch(/^[1-9][0-9]*[mh]$/);
    const { summary, description, runbook_url: runbook } = alert.annotations;
    expect(summary).toMatch(/\.namespace/);
    expect(description).toMatch(/\.namespace/);
    expect(description).toMatch(/\.$/);
    expect(runbook).toBe(`${ADDRESS}#${alert.alert.toLowerCase()}`);
  });

  it.each(alerts)('$alert uses only labels of its result', ({ expr, annotations }) => {
    const { labels, possibleLabels } = readQuery(expr, labelsOf);
    const text = `${annotations.summary} ${annotations.description}`;
    const optional = [...text.matchAll(/\{\{ with \$labels\.(\w+) \}\}/g)].map(([, label]) => label);
    const certain = [...text.replace(/\{\{ with [^}]*\}\}/g, '').matchAll(/\$labels\.(\w+)/g)].map(
      ([, label]) => label,
    );
    expect([...possibleLabels]).toEqual(expect.arrayContaining(optional));
    expect([...labels]).toEqual(expect.arrayContaining(certain));
    expect(certain.length + optional.length).toBeGreaterThan(0);
  });

  it('has a unique name and one runbook, and every runbook has an alert', () => {
    const names = alerts.map(({ alert }) => alert);
    expect(new Set(names).size).toBe(names.length);
    const headings = [...readFileSync(RUNBOOKS, 'utf8').matchAll(/^#+ (KMSVault\w+)$/gm)];
    expect(headings.map(([, heading]) => heading).sort()).toEqual([...names].sort());
  });
});

describe('runbooks', () => {
  const text = readFileSync(RUNBOOKS, 'utf8');
  const sections = new Map(
    text
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.split('\n', 1)[0] ?? '', section]),
  );

  it.each(READY_REASONS.filter((reason) => reason !== 'Synced'))('%s has a section', (reason) => {
    expect(sections.get(reason)?.length).toBeGreaterThan(100);
  });

  it.each(Object.entries(PARTIAL_REASONS).filter(([, { ready }]) => !ready))(
    '%s of a partial has a section',
    (reason) => {
      expect(sections.get(reason)?.length).toBeGreaterThan(100);
    },
  );

  it.each(alerts)('$alert says what to do and how to verify the recovery', ({ alert }) => {
    const section = sections.get(alert) ?? '';
    expect(section.length).toBeGreaterThan(200);
    // The webhook's KMS errors are those of the operator.
    if (alert !== 'KMSVaultWebhookKmsErrors') expect(section).toMatch(/Check: /);
  });

  it('explain every code that a failed key can have', () => {
    const section = sections.get('DecryptionFailed') ?? '';
    for (const code of [...CODES_OF_RESOURCES, 'NotBase64', 'InvalidLength', 'NotUtf8'])
      expect(section).toContain(`\`${code}\``);
  });

  it('cover every reason that is not a success', () => {
    expect(READY_REASONS.filter((reason) => isReady(reason))).toEqual(['KeyConflict', 'Synced']);
  });
});

describe('values that alerts look for', () => {
  it.each([
    ['KMSVaultOperatorKmsErrors', 'kms_vault_operator_kms_requests_total'],
    ['KMSVaultWebhookKmsErrors', 'kms_vault_webhook_kms_requests_total'],
  ])('%s excludes exactly the errors of single resources', (alert, metric) => {
    expect(CODES_OF_RESOURCES.length).toBeGreaterThan(5);
    expect(alternatives(selectorsOf(alert), metric, 'code')).toEqual(['OK', ...CODES_OF_RESOURCES].sort());
  });

  it('KMSVaultOperatorWatchRestarts counts exactly the restarts after a failure', () => {
    const faults = WATCH_ENDS.filter(({ why, problem }) => problem !== undefined || why === 'silent');
    expect(
      alternatives(
        selectorsOf('KMSVaultOperatorWatchRestarts'),
        'kms_vault_operator_watch_restarts_total',
        'why',
      ),
    ).toEqual([...new Set(faults.map(({ why }) => why))].sort());
  });

  it('KMSVaultWebhookCertificateRejected knows both results', async () => {
    expect(
      alternatives(
        selectorsOf('KMSVaultWebhookCertificateRejected'),
        'kms_vault_webhook_certificate_reloads_total',
        'result',
      ),
    ).toEqual((await reloadResults()).sort());
  });

  it('KMSVaultOperatorNotReconciling counts the resources that the resync queues', () => {
    const kinds = alternatives(
      selectorsOf('KMSVaultOperatorNotReconciling'),
      'kms_vault_operator_resources',
      'kind',
    );
    expect(kinds).toEqual([SECRET_KIND]);
    expect(kinds).not.toContain(PARTIAL_KIND);
  });

  it('KMSVaultOperatorVaultErrors excludes HTTP statuses that are not failures', () => {
    const codes = alternatives(
      selectorsOf('KMSVaultOperatorVaultErrors'),
      'kms_vault_operator_vault_requests_total',
      'code',
    );
    expect(codes.length).toBeGreaterThan(0);
    for (const code of codes) expect(code).toMatch(/^[1-5]([0-9]{2}|\.\.)$/);
    expect(codes.filter((code) => /^(5|429|412)/.test(code))).toEqual([]);
  });

  it('KMSVaultOperatorKmsUnavailable uses an existing reason and the code of a success', () => {
    const selectors = selectorsOf('KMSVaultOperatorKmsUnavailable');
    const [reason, ...others] = alternatives(
      selectors,
      'kms_vault_operator_reconcile_errors_total',
      'reason',
    );
    expect(READY_REASONS).toContain(reason);
    expect(others).toEqual([]);
    expect(new KmsError('transient', 'RegionMissing', '').reason).toBe(reason);
    // The metrics of the running operator have it: test/integration/monitoring-metrics.test.ts.
    expect(alternatives(selectors, 'kms_vault_operator_kms_requests_total', 'code')).toEqual(['OK']);
  });

  it('are all checked here', () => {
    const matched = alerts
      .flatMap(({ expr }) => readQuery(expr, labelsOf).selectors)
      .flatMap(({ metric, matchers }) => matchers.map(({ label }) => `${metric} ${label}`));
    expect([...new Set(matched)].sort()).toEqual([
      'kms_vault_operator_kms_requests_total code',
      'kms_vault_operator_reconcile_errors_total reason',
      'kms_vault_operator_resources kind',
      'kms_vault_operator_vault_requests_total code',
      'kms_vault_operator_watch_restarts_total why',
      'kms_vault_webhook_certificate_reloads_total result',
      'kms_vault_webhook_kms_requests_total code',
      'up job',
    ]);
  });

  it('KMSVaultWebhookDown names the job that the Service makes', () => {
    const service = parse(readFileSync('manifests/webhook/metrics-service.yaml', 'utf8')) as {
      metadata: { name: string };
    };
    const [job, ...others] = alternatives(selectorsOf('KMSVaultWebhookDown'), 'up', 'job');
    expect(others).toEqual([]);
    const matcher = new RegExp(`^(?:${job ?? ''})$`);
    // A prefix and a suffix of kustomize do not silence the alert.
    for (const name of [service.metadata.name, `x-${service.metadata.name}-y`]) expect(name).toMatch(matcher);
    expect('kms-vault-operator-metrics').not.toMatch(matcher);
  });
});
