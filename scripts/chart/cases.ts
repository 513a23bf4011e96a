/** What is set in kustomize and in the chart so that both make the same objects. */
export interface ChartCase {
  readonly name: string;
  readonly kustomize: { readonly components: readonly string[] } | { readonly overlay: string };
  readonly namespace?: string;
  readonly values: Readonly<Record<string, unknown>>;
  /** Objects that only kustomize makes, as `Kind name`, and why. */
  readonly onlyKustomize?: Readonly<Record<string, string>>;
}

const NO_WEBHOOK = 'kustomize does not know that there is no webhook, so it would select nothing';
/** The base: one replica, and the definitions applied by themselves. */
const BASE = { leaderElection: { enabled: false }, crds: { enabled: false } };
const MONITORING = { global: { prometheusMonitoring: { enable: true } } };
const VAULT_CA = { tls: { enable: true, configMapName: 'vault-ca' } };
const WEBHOOK = { validatingWebhook: { enabled: true, certManager: { injectSecret: false } } };
const CERT_MANAGER = { validatingWebhook: { enabled: true } };
const SIDECAR = { validatingWebhook: { enabled: true, sidecar: true } };

function login(method: string, values: object = {}, component = method): ChartCase {
  return {
    name: `auth-${component}`,
    kustomize: { components: [`auth-${component}`] },
    values: { ...BASE, vaultAuthenticationMethod: method, ...values },
  };
}

/** Every feature alone and in combinations, and the overlays. */
export const CHART_CASES: readonly ChartCase[] = [
  { name: 'default', kustomize: { components: ['crds', 'leader-election'] }, values: {} },
  { name: 'base', kustomize: { components: [] }, values: BASE },
  {
    name: 'another-namespace',
    kustomize: { components: ['webhook', '../overlays/dev/namespace', 'cert-manager', 'namespaced'] },
    namespace: 'vault-dev',
    values: { ...BASE, ...CERT_MANAGER, watchNamespaces: ['default'] },
  },
  login('k8s', { auth: { audience: 'vault' } }, 'kubernetes'),
  ...['token', 'userpass', 'approle', 'github', 'iam', 'ldap', 'jwt', 'cert'].map((method) => login(method)),
  { name: 'vault-ca', kustomize: { components: ['vault-ca'] }, values: { ...BASE, ...VAULT_CA } },
  {
    name: 'leader-election',
    kustomize: { components: ['leader-election'] },
    values: { crds: { enabled: false } },
  },
  {
    name: 'namespaced',
    kustomize: { components: ['namespaced'] },
    values: { ...BASE, watchNamespaces: ['default'] },
  },
  {
    name: 'network-policy',
    kustomize: { components: ['network-policy'] },
    values: { ...BASE, networkPolicy: { enabled: true } },
    onlyKustomize: { 'NetworkPolicy kms-vault-validating-webhook': NO_WEBHOOK },
  },
  {
    name: 'monitoring',
    kustomize: { components: ['monitoring'] },
    values: { ...BASE, ...MONITORING },
    onlyKustomize: { 'ServiceMonitor kms-vault-operator-webhook': NO_WEBHOOK },
  },
  {
    name: 'metrics-secure',
    kustomize: { components: ['monitoring', 'metrics-secure'] },
    values: { ...BASE, ...MONITORING, metrics: { secure: true } },
    onlyKustomize: { 'ServiceMonitor kms-vault-operator-webhook': NO_WEBHOOK },
  },
  {
    name: 'metrics-secure-cert-manager',
    kustomize: { components: ['monitoring', 'metrics-secure', 'metrics-secure/cert-manager'] },
    values: { ...BASE, ...MONITORING, metrics: { secure: true, certManager: true } },
    onlyKustomize: { 'ServiceMonitor kms-vault-operator-webhook': NO_WEBHOOK },
  },
  {
    name: 'required-context',
    kustomize: { components: ['webhook', 'required-context'] },
    values: { ...BASE, ...WEBHOOK, flags: { 'required-context': 'namespace={{namespace}}' } },
  },
  {
    name: 'admission-policy',
    kustomize: { components: ['admission-policy'] },
    values: { ...BASE, admissionPolicy: { enabled: true } },
  },
  { name: 'webhook', kustomize: { components: ['webhook'] }, values: { ...BASE, ...WEBHOOK } },
  {
    name: 'cert-manager',
    kustomize: { components: ['webhook', 'cert-manager'] },
    values: { ...BASE, ...CERT_MANAGER },
  },
  {
    name: 'webhook-sidecar',
    kustomize: { components: ['webhook-sidecar', 'cert-manager'] },
    values: { ...BASE, ...SIDECAR },
  },
  {
    name: 'everything-sidecar',
    kustomize: {
      components: [
        'auth-jwt',
        'vault-ca',
        'webhook-sidecar',
        'leader-election',
        'network-policy',
        'cert-manager',
        'monitoring',
      ],
    },
    values: {
      ...VAULT_CA,
      ...SIDECAR,
      ...MONITORING,
      crds: { enabled: false },
      vaultAuthenticationMethod: 'jwt',
      networkPolicy: { enabled: true },
    },
  },
  {
    name: 'dev',
    kustomize: { overlay: 'dev' },
    namespace: 'vault-dev',
    values: {
      ...BASE,
      global: { imageVersion: 'latest', imagePullPolicy: 'Always' },
      vaultAuthenticationMethod: 'token',
      vault: { address: 'http://vault:8200' },
      aws: { region: 'eu-west-1' },
      syncPeriodSeconds: 30,
      flags: { 'log-level': 'debug', 'log-format': 'text' },
      serviceAccount: { annotations: role('arn:aws:iam::111122223333:role/kms-vault-operator-dev') },
      validatingWebhook: {
        enabled: true,
        replicas: 1,
        failurePolicy: 'Ignore',
        flags: { 'on-kms-error': 'allow' },
        serviceAccount: { annotations: role('arn:aws:iam::111122223333:role/kms-vault-operator-dev') },
      },
    },
  },
  {
    name: 'staging',
    kustomize: { overlay: 'staging' },
    namespace: 'vault-staging',
    values: {
      ...VAULT_CA,
      ...MONITORING,
      crds: { enabled: false },
      vaultAuthenticationMethod: 'approle',
      vault: { address: 'https://vault.staging.example.com:8200' },
      aws: { region: 'eu-west-1' },
      syncPeriodSeconds: 60,
      networkPolicy: { enabled: true },
      serviceAccount: { annotations: role('arn:aws:iam::111122223333:role/kms-vault-operator-staging') },
      validatingWebhook: {
        enabled: true,
        serviceAccount: { annotations: role('arn:aws:iam::111122223333:role/kms-vault-operator-staging') },
      },
    },
  },
  {
    name: 'production',
    kustomize: { overlay: 'production' },
    values: {
      ...VAULT_CA,
      ...MONITORING,
      crds: { enabled: false },
      auth: { audience: 'vault' },
      vault: { address: 'https://vault.example.com:8200' },
      aws: { region: 'eu-west-1' },
      syncPeriodSeconds: 300,
      flags: { 'allowed-vault-paths': ['secret/data/{{namespace}}/**', 'kv/{{namespace}}/**'] },
      resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } },
      networkPolicy: { enabled: true },
      serviceAccount: { annotations: role('arn:aws:iam::444455556666:role/kms-vault-operator') },
      validatingWebhook: {
        enabled: true,
        replicas: 3,
        serviceAccount: { annotations: role('arn:aws:iam::444455556666:role/kms-vault-operator') },
      },
    },
  },
];

function role(arn: string): Readonly<Record<string, string>> {
  return { 'eks.amazonaws.com/role-arn': arn };
}
