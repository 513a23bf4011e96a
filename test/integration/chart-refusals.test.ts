import { describe, expect, it } from '@jest/globals';

import { hasHelm, renderChart } from '../../scripts/chart/golden.js';
import { parseObjects } from '../../scripts/manifests/rendering.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { deployment, OPERATOR, the, WEBHOOK } from '../unit/manifests/rendered.js';

const withHelm = hasHelm() ? describe : describe.skip;
type Values = Readonly<Record<string, unknown>>;
type Rendered = ReturnType<typeof renderChart>;

/** Each login, as values; `k8s` has two. */
const LOGINS: readonly [string, Values][] = [
  ...AUTH_METHODS.map(({ name }): [string, Values] => [name, { vaultAuthenticationMethod: name }]),
  ['k8s with an audience', { auth: { audience: 'vault' } }],
];

function rendered(values: Values): string {
  const { status, stdout, stderr } = renderChart({ values });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

function refusal(values: Values): string {
  const { status, stderr } = renderChart({ values });
  expect(status).toBe(1);
  return stderr;
}

function withAuth(values: Values, auth: Values): Rendered {
  return renderChart({ values: { ...values, auth: { ...(values['auth'] as object | undefined), ...auth } } });
}

function variablesOf(values: Values): string[] {
  const { pod } = deployment(parseObjects(rendered(values)).objects, OPERATOR);
  return (pod.containers[0]?.env ?? []).map(({ name }) => name);
}

withHelm('values of the login (skipped where helm is not on the PATH)', () => {
  it.each(LOGINS)('are used by the method %s, or refused', (_, values) => {
    const without = rendered(values);
    for (const key of ['secretName', 'role', 'endpoint', 'audience']) {
      const { status, stdout, stderr } = withAuth(values, { [key]: 'of-the-user' });
      if (status === 0) {
        expect(stdout).not.toBe(without);
        expect(stdout).toContain('of-the-user');
      } else expect(stderr).toMatch(new RegExp(`^auth\\.${key}: .* does not use it\\. Set `, 'm'));
    }
  });

  it.each(['secretName', 'role', 'endpoint', 'audience'])(
    'are refused beside variables that replace them: auth.%s',
    (key) => {
      const message = refusal({
        authMethodVariables: [{ name: 'VAULT_K8S_ROLE', value: 'a' }],
        auth: { [key]: 'b' },
      });
      expect(message).toContain(`auth.${key}: with authMethodVariables, the chart does not use it`);
      expect(message).toContain("--set-json 'authMethodVariables=[]'");
    },
  );

  it.each(LOGINS)('are not set twice for the method %s, nor beside their file', (_, values) => {
    const base = variablesOf({ authMethodVariables: [{ name: 'X', value: 'x' }] });
    const own = variablesOf(values).filter((name) => !base.includes(name));
    const variables = own
      .flatMap((name) => [...new Set([name, name.replace(/_FILE$/, '')])])
      .map((name) => ({ name, value: 'x' }));
    for (const [path, given] of [
      ['env', { env: variables }],
      ['aws.iamCredentialsSecrets', { aws: { iamCredentialsSecrets: variables } }],
    ] as const) {
      if (variables.length === 0) continue;
      const message = refusal({ ...values, ...given });
      for (const { name } of variables)
        expect(message).toContain(`\n${path}: ${name}: the chart sets this for the method `);
    }
  });

  it('leave further variables of the method to the user', () => {
    const env = [{ name: 'VAULT_IAM_SERVER_ID', value: 'vault.example.com' }];
    expect(variablesOf({ vaultAuthenticationMethod: 'iam', env })).toContain('VAULT_IAM_SERVER_ID');
  });
});

withHelm('values that no program and no API server accepts (skipped where helm is not on the PATH)', () => {
  it.each<[string, Values, string]>([
    ['an unknown log level', { flags: { 'log-level': 'loud' } }, '/flags/log-level'],
    ['an unknown mode', { flags: { 'required-context-mode': 'warn' } }, '/flags/required-context-mode'],
    [
      'a text as a number',
      { flags: { 'max-concurrent-reconciles': 'many' } },
      '/flags/max-concurrent-reconciles',
    ],
    ['a list as a number', { flags: { 'shutdown-grace-seconds': ['1'] } }, '/flags/shutdown-grace-seconds'],
    ['a word as a boolean', { flags: { provenance: 'yes' } }, '/flags/provenance'],
    ['no paths at all', { flags: { 'allowed-vault-paths': [] } }, '/flags/allowed-vault-paths'],
    ['an empty path', { flags: { 'allowed-vault-paths': '' } }, '/flags/allowed-vault-paths'],
    [
      'another answer',
      { validatingWebhook: { flags: { 'on-kms-error': 'ignore' } } },
      '/validatingWebhook/flags/on-kms-error',
    ],
    ['two namespaces in one', { watchNamespaces: ['a,b'] }, '/watchNamespaces/0'],
    ['a label that is no text', { nodeSelector: { ssd: true } }, '/nodeSelector/ssd'],
    ['an empty Secret', { metrics: { secure: true, secretName: '' } }, '/metrics/secretName'],
    [
      'an empty key',
      { validatingWebhook: { tls: { certFileName: '' } } },
      '/validatingWebhook/tls/certFileName',
    ],
    ['an empty folder', { tls: { mountPath: '' } }, '/tls/mountPath'],
    ['an empty repository', { image: { repository: '' } }, '/image/repository'],
    [
      'an expression without a key',
      { validatingWebhook: { namespaceSelectorExpressions: [{}] } },
      '/validatingWebhook/namespaceSelectorExpressions/0',
    ],
    ['a registry Secret without a name', { imagePullSecrets: [{}] }, '/imagePullSecrets/0'],
    ['a mount without a path', { volumeMounts: [{ name: 'a' }] }, '/volumeMounts/0'],
    [
      'a lifetime in words',
      { validatingWebhook: { certManager: { duration: '90 days' } } },
      '/validatingWebhook/certManager/duration',
    ],
  ])('refuses %s', (_, values, path) => {
    expect(refusal(values)).toContain(`at '${path}'`);
  });

  it('accepts every way to write a flag that the programs accept', () => {
    const flags = {
      provenance: 'T',
      'max-concurrent-reconciles': '5',
      'allowed-vault-paths': 'secret/**',
      'required-context': ['a=b'],
      'log-level': null,
    };
    const { pod } = deployment(parseObjects(rendered({ flags })).objects, OPERATOR);
    expect(pod.containers[0]?.args).toEqual(
      expect.arrayContaining([
        '--provenance=T',
        '--max-concurrent-reconciles=5',
        '--allowed-vault-paths=secret/**',
        '--required-context=a=b',
      ]),
    );
  });
});

withHelm('an empty value (skipped where helm is not on the PATH)', () => {
  it('of tls.enable verifies the certificate of Vault: `--reuse-values` loses a null', () => {
    expect(rendered({ tls: { enable: '' } })).toBe(rendered({}));
    expect(rendered({ tls: { enable: null } })).toBe(rendered({}));
  });

  it('of a flag counts as not set for the admission policy too', () => {
    const { objects } = parseObjects(
      rendered({
        admissionPolicy: { enabled: true },
        flags: { 'required-context': 'a=b', 'required-partial-context': null },
      }),
    );
    expect(the(objects, 'ConfigMap', `${OPERATOR}-required-context`)['data']).toEqual({
      'required-context': 'a=b',
      'required-partial-context': 'a=b',
    });
  });
});

withHelm('the authority of the webhook (skipped where helm is not on the PATH)', () => {
  it('may be wrapped, as base64 prints it', () => {
    const caBundle = 'QUJDREVG\nR0hJSktM\n';
    const values = { validatingWebhook: { enabled: true, certManager: { injectSecret: false }, caBundle } };
    const { objects } = parseObjects(rendered(values));
    const [hook] = the(objects, 'ValidatingWebhookConfiguration', WEBHOOK)['webhooks'] as Values[];
    expect(hook?.['clientConfig']).toMatchObject({ caBundle: 'QUJDREVGR0hJSktM' });
  });
});

withHelm('the network policy of the webhook (skipped where helm is not on the PATH)', () => {
  it('lets it through to the proxy that its variables name', () => {
    const proxy = { ports: [{ port: 3128, protocol: 'TCP' }] };
    const objectsOf = (networkPolicy: Values): ReturnType<typeof parseObjects>['objects'] =>
      parseObjects(
        rendered({ networkPolicy: { enabled: true }, validatingWebhook: { enabled: true, networkPolicy } }),
      ).objects;
    const egressOf = (networkPolicy: Values, name: string): unknown[] =>
      (the(objectsOf(networkPolicy), 'NetworkPolicy', name)['spec'] as { egress: unknown[] }).egress;
    expect(egressOf({ extraEgress: [proxy] }, WEBHOOK)).toEqual([...egressOf({}, WEBHOOK), proxy]);
    expect(egressOf({ extraEgress: [proxy] }, OPERATOR)).toEqual(egressOf({}, OPERATOR));
  });
});

withHelm('values of the pods of the webhook (skipped where helm is not on the PATH)', () => {
  it('are refused for a sidecar, which has none, with the name of those of the operator', () => {
    const ofPods = {
      podAnnotations: { a: 'b' },
      podLabels: { a: 'b' },
      nodeSelector: { a: 'b' },
      tolerations: [{ operator: 'Exists' }],
      affinity: { nodeAffinity: {} },
      priorityClassName: 'high',
      serviceAccount: { annotations: { a: 'b' } },
      networkPolicy: { extraEgress: [{ ports: [{ port: 3128 }] }] },
    };
    const message = refusal({ validatingWebhook: { enabled: true, sidecar: true, ...ofPods } });
    for (const path of [
      ...Object.keys(ofPods).filter((key) => key !== 'serviceAccount' && key !== 'networkPolicy'),
      'serviceAccount.annotations',
      'networkPolicy.extraEgress',
    ])
      expect(message).toContain(
        `validatingWebhook.${path}: the sidecar is in the pods of the operator. Set ${path} `,
      );
  });
});
