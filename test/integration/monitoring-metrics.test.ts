import { readFileSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { HttpJson } from '../support/http-json.js';
import { manifestsIn } from '../support/kube-api.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';
import { allAlerts } from '../unit/monitoring/alert-rules.js';
import { labelsOfSeries, TARGET_LABELS } from '../unit/monitoring/exported-series.js';
import { readQuery } from '../unit/monitoring/promql.js';
import { WebhookFixture } from './webhook-fixture.js';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What a program answers a scrape with. */
class Scrape {
  readonly samples: readonly Sample[];
  /** Names after `# TYPE`, with those that histograms are made of. */
  readonly declared: ReadonlySet<string>;

  constructor(text: string) {
    this.samples = [...text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/gm)].map(
      ([, name = '', labels = '', value]) => ({
        name,
        labels: Object.fromEntries(
          [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label = '', of = '']) => [label, of]),
        ),
        value: Number(value),
      }),
    );
    this.declared = new Set(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`) : [name],
      ),
    );
  }

  values(name: string, labels: Readonly<Record<string, string>> = {}): number[] {
    return this.samples
      .filter((sample) => sample.name === name)
      .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
      .map(({ value }) => value);
  }
}

async function scrape(base: string, path: string): Promise<Scrape> {
  const { status, text } = await new HttpJson(base, {}).send('GET', path);
  expect(status).toBe(200);
  return new Scrape(text);
}

/** Names of the series that alerts and dashboard ask of the programs with this prefix. */
function askedFor(prefix: string): string[] {
  const { panels } = JSON.parse(readFileSync('kustomize/components/monitoring/dashboard.json', 'utf8')) as {
    panels: { targets?: { expr: string }[] }[];
  };
  const expressions = [
    ...allAlerts().map(({ expr }) => expr),
    ...panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr),
  ];
  const names = expressions
    .flatMap((expr) => readQuery(expr, labelsOfSeries()).selectors)
    .map(({ metric }) => metric)
    .filter((metric) => metric.startsWith(prefix) || /^(process|nodejs)_/.test(metric));
  return [...new Set(names)];
}

/** Every sample has the labels that its metric declares, and no others. */
function expectDeclaredLabels({ samples }: Scrape): void {
  const labelsOf = labelsOfSeries();
  for (const { name, labels } of samples) {
    const declared = labelsOf(name) ?? [];
    for (const label of Object.keys(labels))
      expect({ name, declared }).toMatchObject({ name, declared: expect.arrayContaining([label]) });
    for (const label of declared.filter((one) => !TARGET_LABELS.includes(one)))
      expect(Object.keys(labels)).toContain(label);
  }
}

describe('metrics of the running operator', () => {
  let fixture: OperatorFixture;

  beforeEach(async () => {
    fixture = await OperatorFixture.prepare();
  });

  afterEach(async () => {
    await fixture.close();
  });

  const scraped = async (): Promise<Scrape> => {
    const bound = fixture.logger.entries.find(({ message }) => message === 'serving metrics');
    return await scrape(`http://${String(bound?.facts?.['addr'])}`, '/metrics');
  };

  it('has everything that alerts and dashboard ask for, and says what they rely on', async () => {
    const spec = (path: string, encryptedSecret: string): object => ({
      path,
      kvSettings: { engineVersion: 'v2' },
      secrets: [{ key: 'a', encryptedSecret }],
    });
    await fixture.kube.apply(fixture.secret('good', spec('secret/data/good', fixture.encrypt('x'))));
    await fixture.kube.apply(
      fixture.secret('bad', spec('secret/data/bad', Buffer.from('no ciphertext').toString('base64'))),
    );
    await fixture.start(['--metrics-addr=127.0.0.1:0', '--sync-period-seconds=7']);
    await fixture.reason('good', 'Synced');
    await fixture.reason('bad', 'DecryptionFailed');
    const found = await eventually('both gauges', async () => {
      const now = await scraped();
      return now.values('kms_vault_operator_resource_ready').length === 2 && now;
    });
    for (const name of askedFor('kms_vault_operator_')) expect([...found.declared]).toContain(name);
    expectDeclaredLabels(found);
    const one = (name: string, labels = {}): number | undefined =>
      found.values(`kms_vault_operator_${name}`, labels)[0];
    expect(one('resource_ready', { namespace: 'default', name: 'good' })).toBe(1);
    expect(one('resource_ready', { namespace: 'default', name: 'bad' })).toBe(0);
    expect(one('resource_reason', { name: 'good', reason: 'Synced' })).toBe(1);
    expect(one('resource_reason', { name: 'bad', reason: 'DecryptionFailed' })).toBe(1);
    expect(found.values('kms_vault_operator_resource_reason')).toHaveLength(2);
    expect(one('resources', { kind: 'KMSVaultSecret' })).toBe(2);
    expect(one('reconcile_errors_total', { reason: 'DecryptionFailed' })).toBeGreaterThan(0);
    expect(one('kms_requests_total', { operation: 'Decrypt', code: 'OK' })).toBeGreaterThan(0);
    expect(one('vault_requests_total', { code: '200' })).toBeGreaterThan(0);
    expect(one('leader')).toBe(1);
    expect(one('vault_session')).toBe(1);
    expect(one('sync_period_seconds')).toBe(7);
    expect(one('last_reconcile_timestamp_seconds')).toBeGreaterThan(1_700_000_000);
    expect(one('vault_token_expiry_timestamp_seconds')).toBeGreaterThan(
      one('last_reconcile_timestamp_seconds') ?? 0,
    );
    await fixture.kube.delete('KMSVaultSecret', 'default', 'bad');
    await eventually('the gauges of what is gone go', async () => {
      const now = await scraped();
      return ['resource_ready', 'resource_reason'].every(
        (name) => now.values(`kms_vault_operator_${name}`).length === 1,
      );
    });
  }, 60_000);

  it('counts what waits for KMS even where no request can be sent, for lack of credentials', async () => {
    const before = { ...process.env };
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
    for (const name of ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE']) process.env[name] = '/dev/null';
    try {
      await fixture.kube.apply(
        fixture.secret('one', {
          path: 'kv/one',
          kvSettings: { engineVersion: 'v1' },
          secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('x') }],
        }),
      );
      await fixture.start(['--metrics-addr=127.0.0.1:0']);
      expect((await fixture.reason('one', 'KmsUnavailable')).message).toContain('CredentialsProviderError');
      const found = await scraped();
      expect(
        found.values('kms_vault_operator_reconcile_errors_total', { reason: 'KmsUnavailable' })[0],
      ).toBeGreaterThan(0);
      expect(found.values('kms_vault_operator_kms_requests_total')).toEqual([]);
    } finally {
      process.env = before;
    }
  }, 60_000);

  it('a standby reports that it is one, logs in, and exports no resource', async () => {
    await fixture.kube.applyAll(
      manifestsIn(
        'manifests/rbac/leader-election-role.yaml',
        'manifests/rbac/leader-election-role-binding.yaml',
      ),
    );
    const now = new Date().toISOString().replace('Z', '000Z');
    await fixture.kube.apply({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: '39a50047.patoarvizu.dev', namespace: 'vault' },
      spec: { holderIdentity: 'another', leaseDurationSeconds: 600, acquireTime: now, renewTime: now },
    });
    await fixture.kube.apply(
      fixture.secret('one', {
        path: 'secret/data/one',
        kvSettings: { engineVersion: 'v2' },
        secrets: [{ key: 'a', encryptedSecret: fixture.encrypt('x') }],
      }),
    );
    await fixture.start([
      '--metrics-addr=127.0.0.1:0',
      '--enable-leader-election',
      '--leader-election-namespace=vault',
    ]);
    const found = await eventually('a standby that knows everything', async () => {
      const seen = await scraped();
      const session = seen.values('kms_vault_operator_vault_session')[0];
      return seen.values('kms_vault_operator_resources', { kind: 'KMSVaultSecret' })[0] === 1 && session === 1
        ? seen
        : undefined;
    });
    expect(found.values('kms_vault_operator_leader')).toEqual([0]);
    expect(found.values('kms_vault_operator_last_reconcile_timestamp_seconds')).toEqual([0]);
    expect(found.values('kms_vault_operator_resource_ready')).toEqual([]);
    expect(found.values('kms_vault_operator_resource_reason')).toEqual([]);
  }, 60_000);
});

describe('metrics of the running webhook', () => {
  let fixture: WebhookFixture;

  beforeEach(async () => {
    fixture = await WebhookFixture.prepare();
    await fixture.start();
  });

  afterEach(async () => {
    await fixture.close();
  });

  it('has everything that alerts and dashboard ask for, at / and at /metrics', async () => {
    for (const path of ['/', '/metrics']) {
      const found = await scrape(fixture.metricsUrl, path);
      for (const name of askedFor('kms_vault_webhook_')) expect([...found.declared]).toContain(name);
      expectDeclaredLabels(found);
      const reloads = 'kms_vault_webhook_certificate_reloads_total';
      expect(found.values(reloads, { result: 'success' })).toEqual([1]);
      expect(found.values(reloads, { result: 'failure' })).toEqual([0]);
      expect(found.values('kms_vault_webhook_certificate_expiry_timestamp_seconds')[0]).toBeGreaterThan(0);
    }
  });
});
