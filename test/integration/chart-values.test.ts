import { describe, expect, it } from '@jest/globals';

import { hasHelm, renderChart } from '../../scripts/chart/golden.js';
import { type KubernetesObject } from '../../scripts/manifests/kubernetes-object.js';
import { parseObjects } from '../../scripts/manifests/rendering.js';
import { deployment, OPERATOR, operatorOf, the, WEBHOOK, webhookOf } from '../unit/manifests/rendered.js';

const withHelm = hasHelm() ? describe : describe.skip;
type Values = Readonly<Record<string, unknown>>;

function rendered(values: Values): readonly KubernetesObject[] {
  const { status, stdout, stderr } = renderChart({ values });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return parseObjects(stdout).objects;
}

function refusal(values: Values): string {
  const { status, stderr } = renderChart({ values });
  expect(status).toBe(1);
  return stderr;
}

withHelm('values of the chart (skipped where helm is not on the PATH)', () => {
  it.each<[string, Values, RegExp]>([
    ['an unknown value', { replica: 3 }, /additional properties 'replica' not allowed/],
    [
      'an unknown value below another',
      { tls: { secret: 'x' } },
      /'\/tls'.* additional properties 'secret' not allowed/,
    ],
    ['a wrong type', { replicas: 'two' }, /'\/replicas'.* got string, want (null or )?integer/],
    [
      'an unknown login',
      { vaultAuthenticationMethod: 'kubernetes' },
      /'\/vaultAuthenticationMethod'.*'token'.*'k8s'/,
    ],
    [
      'an unknown flag',
      { flags: { 'log-levle': 'debug' } },
      /'\/flags'.* additional properties 'log-levle' not allowed/,
    ],
    [
      'a flag that another value sets',
      { flags: { 'watch-namespace': 'a' } },
      /'\/flags'.* additional properties 'watch-namespace' not allowed/,
    ],
    [
      'a flag of the operator for the webhook',
      { validatingWebhook: { flags: { 'max-concurrent-reconciles': 1 } } },
      /additional properties 'max-concurrent-reconciles' not allowed/,
    ],
    ['a variable without a name', { env: [{ value: 'x' }] }, /'\/env\/0'.* missing property 'name'/],
    [
      'a namespace that the Go operator ignored',
      { watchNamespace: 'a,b' },
      /watchNamespace: the Go operator ignored this value.* set watchNamespaces to \["a","b"\]/,
    ],
    [
      'an authority without a source',
      { tls: { enable: true } },
      /tls\.secretName: with tls\.enable, set this or tls\.configMapName/,
    ],
    [
      'an authority with two sources',
      { tls: { enable: true, secretName: 'a', configMapName: 'b' } },
      /tls\.configMapName: set either this or tls\.secretName/,
    ],
    [
      'an authority that nothing would use',
      { tls: { configMapName: 'a' } },
      /tls\.enable: set it to true, or tls\.configMapName means nothing/,
    ],
    [
      'a role and an endpoint that nothing would use',
      { auth: { role: 'a', endpoint: 'auth/b/login' } },
      /auth\.endpoint: .* VAULT_K8S_LOGIN_ENDPOINT in authMethodVariables[^]*auth\.role: .* VAULT_K8S_ROLE in authMethodVariables/,
    ],
    [
      'a namespace without a name',
      { watchNamespaces: [''] },
      /'\/watchNamespaces\/0'.* does not match pattern/,
    ],
    [
      'a namespace twice',
      { watchNamespaces: ['a', 'a'] },
      /'\/watchNamespaces'.* items at 0 and 1 are equal/,
    ],
    [
      'a timeout that the API server refuses',
      { validatingWebhook: { timeoutSeconds: 31 } },
      /'\/validatingWebhook\/timeoutSeconds'.* maximum/,
    ],
    [
      'one service account made twice',
      { validatingWebhook: { enabled: true, serviceAccount: { name: 'kms-vault-operator' } } },
      /validatingWebhook\.serviceAccount\.name: .* Set validatingWebhook\.serviceAccount\.create to false/,
    ],
    [
      'two writers',
      { leaderElection: { enabled: false }, replicas: 2 },
      /replicas: without leaderElection\.enabled, 2 replicas would all write to Vault/,
    ],
    [
      'a sidecar without a webhook',
      { validatingWebhook: { sidecar: true } },
      /validatingWebhook\.sidecar: set validatingWebhook\.enabled too/,
    ],
    [
      'an API version that is gone',
      { validatingWebhook: { enabled: true, certManager: { apiVersion: 'cert-manager.io/v1alpha2' } } },
      /certManager\.apiVersion: no cert-manager since 1\.6 serves cert-manager\.io\/v1alpha2\. Set it to cert-manager\.io\/v1/,
    ],
    [
      'a variable with a value of its own',
      { env: [{ name: 'VAULT_ADDR', value: 'x' }] },
      /env: VAULT_ADDR has a value of its own: vault\.address/,
    ],
    [
      'a variable twice',
      { env: [{ name: 'A', value: 'x' }], aws: { iamCredentialsSecrets: [{ name: 'A', value: 'y' }] } },
      /authMethodVariables, aws\.iamCredentialsSecrets and env: A is there twice/,
    ],
    ['a fraction for a flag', { flags: { 'max-concurrent-reconciles': 2.5 } }, /max-concurrent-reconciles'/],
    [
      'labels that the chart sets',
      {
        podLabels: { app: 'other' },
        prometheusMonitoring: { serviceMonitor: { customLabels: { 'app.kubernetes.io/name': 'x' } } },
      },
      /podLabels: the chart sets the label app itself[^]*customLabels: the chart sets the label app\.kubernetes\.io\/name/,
    ],
    [
      'a Secret for two certificates',
      { metrics: { secure: true, certManager: true, secretName: 'kms-vault-operator-metrics-ca' } },
      /metrics\.secretName: the Secret kms-vault-operator-metrics-ca is that of the authority/,
    ],
    [
      'a mode for contexts that nobody requires',
      { flags: { 'required-context-mode': 'audit' } },
      /flags: required-context-mode needs required-context or required-partial-context/,
    ],
    [
      'a certificate of metrics that nothing would use',
      { metrics: { certManager: true } },
      /metrics\.certManager: set metrics\.secure too/,
    ],
  ])('refuses %s and says what to do', (_, values, message) => {
    expect(refusal(values)).toMatch(message);
  });

  it('puts the default of a value in its place where it is absent or null', () => {
    const nulls = {
      env: null,
      flags: null,
      aws: { iamCredentialsSecrets: null },
      crds: null,
      validatingWebhook: null,
    };
    expect(rendered(nulls)).toEqual(rendered({}));
  });

  it('gives the admission policy the contexts, the mode and the exemptions of the flags', () => {
    const objects = rendered({
      admissionPolicy: { enabled: true },
      flags: {
        'required-context': ['namespace={{namespace}}', 'name={{name}}', 'team=a'],
        'required-context-mode': 'audit',
        'required-context-exempt': 'infra,other',
      },
    });
    const name = 'kms-vault-operator-required-context';
    expect(the(objects, 'ConfigMap', name)['data']).toEqual({
      'required-context': 'namespace={{namespace}},name={{name}},team=a',
      'required-partial-context': 'namespace={{namespace}},team=a',
    });
    expect(the(objects, 'ValidatingAdmissionPolicyBinding', name)['spec']).toMatchObject({
      validationActions: ['Warn', 'Audit'],
      matchResources: {
        namespaceSelector: { matchExpressions: [{ values: ['kube-system', 'infra', 'other'] }] },
      },
    });
  });

  it('names every problem at once', () => {
    const message = refusal({
      watchNamespace: 'a',
      tls: { enable: true },
      validatingWebhook: { sidecar: true },
    });
    for (const path of ['watchNamespace:', 'tls.secretName:', 'validatingWebhook.sidecar:'])
      expect(message).toContain(path);
  });

  it('accepts global values of a chart that depends on it', () => {
    expect(rendered({ global: { storageClass: 'fast' }, enabled: true }).length).toBeGreaterThan(5);
  });

  it('gives flags that both programs have to both, and those of the webhook take precedence', () => {
    const objects = rendered({
      flags: { 'log-level': 'debug', 'max-concurrent-reconciles': 10_000, 'shutdown-grace-seconds': 90 },
      validatingWebhook: { enabled: true, flags: { 'log-level': 'warn' } },
    });
    const operator = operatorOf(objects);
    expect([operator.log.level, operator.maxConcurrentReconciles, operator.shutdownGraceMs]).toEqual([
      'debug',
      10_000,
      90_000,
    ]);
    const webhook = webhookOf(objects);
    expect([webhook.log.level, webhook.shutdownGraceMs]).toEqual(['warn', 90_000]);
    for (const name of [OPERATOR, WEBHOOK])
      expect(deployment(objects, name).pod.terminationGracePeriodSeconds).toBe(105);
  });

  it('adds what users of clusters need to the pods', () => {
    const objects = rendered({
      image: { repository: 'registry.example.com/kms', digest: `sha256:${'a'.repeat(64)}` },
      imagePullSecrets: [{ name: 'registry' }],
      podLabels: { team: 'platform' },
      podAnnotations: { 'iam.amazonaws.com/role': 'operator' },
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'high',
      env: [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }],
      volumes: [{ name: 'extra', emptyDir: {} }],
      volumeMounts: [{ name: 'extra', mountPath: '/extra' }],
      serviceAccount: { name: 'other', annotations: { a: 'b' } },
    });
    const { pod, labels, annotations } = deployment(objects, OPERATOR);
    expect(pod).toMatchObject({
      serviceAccountName: 'other',
      imagePullSecrets: [{ name: 'registry' }],
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'high',
      volumes: [{ name: 'extra', emptyDir: {} }],
    });
    expect(pod.affinity).not.toHaveProperty('podAntiAffinity');
    expect(pod.containers[0]).toMatchObject({
      image: expect.stringMatching(/^registry\.example\.com\/kms:\d+\.\d+\.\d+@sha256:a{64}$/) as unknown,
      volumeMounts: [{ name: 'extra', mountPath: '/extra' }],
    });
    expect(labels).toMatchObject({ app: OPERATOR, team: 'platform' });
    expect(annotations).toMatchObject({ 'iam.amazonaws.com/role': 'operator' });
    expect(the(objects, 'ServiceAccount', 'other').metadata.annotations).toEqual({ a: 'b' });
    const { subjects } = the(objects, 'ClusterRoleBinding', OPERATOR) as unknown as {
      subjects: { name: string }[];
    };
    expect(subjects.map(({ name }) => name)).toEqual(['other']);
  });

  it('lets the user replace an annotation of the pods, and the label by which Prometheus selects', () => {
    const objects = rendered({
      podAnnotations: { 'kubectl.kubernetes.io/default-container': 'other' },
      prometheusMonitoring: { enable: true, serviceMonitor: { customLabels: { app: 'prometheus' } } },
    });
    const { annotations } = deployment(objects, OPERATOR);
    expect(annotations).toEqual({ 'kubectl.kubernetes.io/default-container': 'other' });
    expect(the(objects, 'ServiceMonitor', OPERATOR).metadata.labels).toMatchObject({ app: 'prometheus' });
  });
});
