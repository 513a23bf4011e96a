import { describe, expect, it } from '@jest/globals';

import { hasHelm, renderChart } from '../../scripts/chart/golden.js';
import type { KubernetesObject } from '../../scripts/manifests/kubernetes-object.js';
import { parseObjects } from '../../scripts/manifests/rendering.js';
import { GO_CHART_VALUES } from '../support/go-chart.js';
import type { Json } from '../support/http-json.js';
import { deployment, OPERATOR, operatorOf, the, WEBHOOK, webhookOf } from '../unit/manifests/rendered.js';

const withHelm = hasHelm() ? describe : describe.skip;
type Values = Readonly<Record<string, unknown>>;

function rendered(values: Values): readonly KubernetesObject[] {
  const { status, stdout, stderr } = renderChart({ values });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return parseObjects(stdout).objects;
}

/** The values of the Go operator's chart, some of them changed. */
function withGoValues(change: (values: Json) => void): Values {
  const values = structuredClone(GO_CHART_VALUES);
  change(values);
  return values;
}

withHelm('values of the Go operator’s chart (skipped where helm is not on the PATH)', () => {
  it('are accepted as they are, run this operator, and elect a leader as before', () => {
    const objects = rendered(GO_CHART_VALUES);
    const { image } = deployment(objects, OPERATOR).pod.containers[0] ?? {};
    expect(image).toMatch(/:1\.\d+\.\d+$/);
    const { auth, leaderElection, syncPeriodMs, vault } = operatorOf(objects);
    expect(auth).toMatchObject({
      method: 'k8s',
      values: { VAULT_K8S_ROLE: OPERATOR, VAULT_K8S_LOGIN_ENDPOINT: 'auth/kubernetes/login' },
    });
    expect([leaderElection.enabled, syncPeriodMs, vault.address]).toEqual([
      true,
      120_000,
      'https://vault:8200',
    ]);
    // What it said, however unwise; NOTES.txt warns.
    expect(vault.skipVerify).toBe(true);
    expect(objects.some(({ metadata }) => metadata.name === WEBHOOK)).toBe(false);
  });

  it('keep their meaning', () => {
    const objects = rendered(
      withGoValues((values) => {
        values.global.podAnnotations = { 'iam.amazonaws.com/role': 'both' };
        values.global.resources = { requests: { cpu: '10m' } };
        values.global.prometheusMonitoring = {
          enable: true,
          serviceMonitor: { customLabels: { release: 'prometheus' } },
        };
        values.imageVersion = 'latest';
        values.podAnnotations = { 'iam.amazonaws.com/role': 'operator' };
        values.syncPeriodSeconds = 0;
        values.tls = {
          enable: true,
          mountPath: '/vault-tls',
          certFileName: 'my.crt',
          secretName: 'vault-tls',
        };
        values.aws.region = 'eu-west-1';
        values.aws.iamCredentialsSecrets = [
          { name: 'AWS_ACCESS_KEY_ID', valueFrom: { secretKeyRef: { name: 'aws', key: 'id' } } },
        ];
        values.vaultAuthenticationMethod = 'userpass';
        values.authMethodVariables = [
          { name: 'VAULT_USERNAME', value: 'me' },
          { name: 'VAULT_PASSWORD', valueFrom: { secretKeyRef: { name: 'vault', key: 'password' } } },
        ];
        values.vault.address = 'https://vault.example.com';
        Object.assign(values.validatingWebhook, {
          enabled: true,
          replicas: 4,
          failurePolicy: 'Ignore',
          caBundle: 'QUJD',
          namespaceSelectorExpressions: [{ key: 'checked', operator: 'In', values: ['yes'] }],
          affinity: { nodeAffinity: {} },
          certManager: {
            injectSecret: false,
            apiVersion: 'cert-manager.io/v1alpha2',
            issuerRef: { name: 'x', kind: 'Issuer' },
          },
          tls: { mountPath: '/pair', certFileName: 'a.crt', privateKeyFileName: 'a.key', secretName: 'pair' },
        });
      }),
    );
    const operator = operatorOf(objects);
    expect(operator).toMatchObject({
      syncPeriodMs: 0,
      auth: { method: 'userpass', values: { VAULT_USERNAME: 'me', VAULT_PASSWORD: 'from-a-secret' } },
      vault: { address: 'https://vault.example.com', skipVerify: false, caCertFile: '/vault-tls/my.crt' },
    });
    const { pod, annotations } = deployment(objects, OPERATOR);
    expect(pod.volumes).toEqual([{ name: 'vault-ca', secret: { secretName: 'vault-tls' } }]);
    expect(pod.containers[0]?.image).toMatch(/:latest$/);
    expect(annotations['iam.amazonaws.com/role']).toBe('operator');
    const webhook = deployment(objects, WEBHOOK);
    expect(webhook.annotations['iam.amazonaws.com/role']).toBe('both');
    expect(webhook.pod.affinity).toEqual({ nodeAffinity: {} });
    expect(webhook.pod.volumes).toEqual([
      { name: 'tls', secret: { secretName: 'pair', defaultMode: 0o444 } },
    ]);
    for (const { containers } of [pod, webhook.pod]) {
      expect(containers[0]?.resources).toEqual({ requests: { cpu: '10m' } });
      expect(containers[0]?.env).toContainEqual({
        name: 'AWS_ACCESS_KEY_ID',
        valueFrom: { secretKeyRef: { name: 'aws', key: 'id' } },
      });
    }
    expect(webhookOf(objects)).toMatchObject({ tlsCertFile: '/pair/a.crt', tlsKeyFile: '/pair/a.key' });
    const [hook] = the(objects, 'ValidatingWebhookConfiguration', WEBHOOK)['webhooks'] as Values[];
    expect(hook).toMatchObject({
      failurePolicy: 'Ignore',
      clientConfig: { caBundle: 'QUJD' },
      namespaceSelector: { matchExpressions: [{ key: 'checked', operator: 'In', values: ['yes'] }] },
    });
    expect(the(objects, 'Deployment', WEBHOOK)['spec']).toMatchObject({ replicas: 4 });
    for (const name of [OPERATOR, `${OPERATOR}-webhook`])
      expect(the(objects, 'ServiceMonitor', name).metadata.labels).toMatchObject({ release: 'prometheus' });
    expect(objects.some(({ kind }) => kind === 'Certificate')).toBe(false);
  });

  it('keep an issuer of one’s own', () => {
    const objects = rendered(
      withGoValues((values) => {
        values.validatingWebhook.enabled = true;
        values.validatingWebhook.certManager.apiVersion = 'cert-manager.io/v1';
      }),
    );
    expect(objects.filter(({ apiVersion }) => apiVersion === 'cert-manager.io/v1')).toMatchObject([
      {
        kind: 'Certificate',
        spec: {
          issuerRef: { name: 'selfsigning-issuer', kind: 'ClusterIssuer', group: 'cert-manager.io' },
          renewBefore: '360h',
          secretName: WEBHOOK,
        },
      },
    ]);
    const [hook] = the(objects, 'ValidatingWebhookConfiguration', WEBHOOK)['webhooks'] as Values[];
    expect(hook?.['clientConfig']).not.toHaveProperty('caBundle');
  });
});
