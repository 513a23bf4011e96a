import { readFileSync } from 'node:fs';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { objectFaults } from '../../scripts/manifests/check.js';
import { type KubernetesObject, workloadOf } from '../../scripts/manifests/kubernetes-object.js';
import { ObjectSchemas } from '../../scripts/manifests/object-schemas.js';
import {
  COMBINATIONS,
  hasKubectl,
  overlayNames,
  parseObjects,
  plainManifests,
  renderCombination,
  renderEverything,
  type Rendering,
} from '../../scripts/manifests/rendering.js';
import { wiringFaults } from '../../scripts/manifests/wiring.js';
import { startOf } from '../unit/manifests/program-command.js';
import { deployment, OPERATOR, operatorOf, started, the, WEBHOOK } from '../unit/manifests/rendered.js';

const withKubectl = hasKubectl() ? describe : describe.skip;
const NAMES = [
  'manifests',
  'kustomize/base',
  ...COMBINATIONS.map((components) => `base with ${components.join(', ')}`),
  ...overlayNames().map((name) => `kustomize/overlays/${name}`),
];

let renderings: readonly Rendering[] = [];

function objectsOf(name: string): readonly KubernetesObject[] {
  const rendering = renderings.find((one) => one.name === name);
  if (rendering === undefined) throw new Error(`nothing is rendered as ${name}`);
  return rendering.objects;
}

withKubectl('kustomize (skipped where kubectl is not on the PATH)', () => {
  beforeAll(async () => {
    renderings = await renderEverything();
  }, 120_000);

  describe.each(NAMES)('%s', (name) => {
    it('renders without a warning, as every schema and the Pod Security Standard demand', () => {
      const plain = plainManifests().flatMap(({ objects }) => objects);
      const schemas = new ObjectSchemas(plain.filter(({ kind }) => kind === 'CustomResourceDefinition'));
      const rendering = renderings.find((one) => one.name === name);
      expect(rendering?.objects.length).toBeGreaterThan(5);
      expect(rendering && objectFaults(rendering, schemas)).toEqual([]);
    });

    it('refers to nothing that is not there', () => {
      expect(wiringFaults(objectsOf(name))).toEqual([]);
    });

    it('starts its programs, whether optional Secrets are there or not', () => {
      const workloads = objectsOf(name).flatMap((object) => workloadOf(object) ?? []);
      for (const { pod } of workloads) {
        for (const container of pod.containers) {
          for (const withOptional of [false, true]) {
            const { shutdownGraceMs } = startOf(container, withOptional).config;
            const pauseMs = (container.lifecycle?.preStop?.sleep?.seconds ?? 0) * 1_000;
            expect((pod.terminationGracePeriodSeconds ?? 0) * 1_000).toBeGreaterThan(
              shutdownGraceMs + pauseMs + 5_000,
            );
          }
        }
      }
      expect(workloads.length).toBeGreaterThan(0);
    });

    it('grants nothing beyond the shipped roles', () => {
      const reviews = name.includes('metrics-secure')
        ? parseObjects(readFileSync('kustomize/components/metrics-secure/access.yaml', 'utf8')).objects
        : [];
      const shipped = [...plainManifests().flatMap(({ objects }) => objects), ...reviews];
      for (const role of objectsOf(name).filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')) {
        expect(role['rules']).toEqual(the(shipped, role.kind, role.metadata.name)['rules']);
      }
    });

    it('has no two writers', () => {
      const objects = objectsOf(name);
      const { replicas, strategy } = the(objects, 'Deployment', OPERATOR)['spec'] as {
        replicas: number;
        strategy: { type: string };
      };
      const lease = operatorOf(objects).leaderElection.enabled;
      expect({ one: replicas === 1, strategy: strategy.type }).toEqual(
        lease ? { one: false, strategy: 'RollingUpdate' } : { one: true, strategy: 'Recreate' },
      );
      const roles = objects.filter(({ metadata }) => metadata.name === `${OPERATOR}-leader-election`);
      // The whole of manifests/rbac is applied at once.
      expect(roles.length).toBe(lease || name === 'manifests' ? 2 : 0);
    });
  });

  it.each([
    ['auth-kubernetes', 'k8s', { VAULT_K8S_ROLE: OPERATOR }, []],
    ['auth-token', 'token', {}, []],
    ['auth-userpass', 'userpass', { VAULT_USERNAME: 'from-a-secret' }, [`${OPERATOR}-userpass/username`]],
    [
      'auth-approle, vault-ca',
      'approle',
      { VAULT_APPROLE_ROLE_ID: 'from-a-secret' },
      [`${OPERATOR}-approle/role-id`],
    ],
    ['auth-github', 'github', {}, []],
    ['auth-iam', 'iam', { VAULT_IAM_ROLE: OPERATOR }, []],
    ['auth-ldap', 'ldap', { VAULT_LDAP_USERNAME: 'from-a-secret' }, [`${OPERATOR}-ldap/username`]],
    ['auth-jwt', 'jwt', { VAULT_JWT_ROLE: OPERATOR }, []],
    ['auth-cert', 'cert', { VAULT_CERT_ROLE: OPERATOR }, []],
  ])('logs in with %s by %s', (components, method, values, secrets) => {
    const objects = objectsOf(`base with ${components}`);
    expect(operatorOf(objects).auth).toMatchObject({ method, values });
    const references = (deployment(objects, OPERATOR).pod.containers[0]?.env ?? []).flatMap(
      ({ valueFrom }) => (valueFrom?.secretKeyRef === undefined ? [] : [valueFrom.secretKeyRef]),
    );
    expect(
      references.map(
        ({ name, key, optional }) => `${String(name)}/${key}${optional === true ? ' optional' : ''}`,
      ),
    ).toEqual(secrets);
  });

  it.each([
    ['auth-token', { VAULT_TOKEN: 'token' }, false],
    ['auth-userpass', { VAULT_PASSWORD: 'password' }, false],
    ['auth-approle', { VAULT_APPROLE_SECRET_ID: 'secret-id' }, false],
    ['auth-github', { VAULT_GITHUB_TOKEN: 'token' }, false],
    [
      'auth-iam',
      {
        VAULT_IAM_AWS_ACCESS_KEY_ID: 'access-key-id',
        VAULT_IAM_AWS_SECRET_ACCESS_KEY: 'secret-access-key',
      },
      true,
    ],
    ['auth-ldap', { VAULT_LDAP_PASSWORD: 'password' }, false],
  ])('reads the secrets of %s from its Secret, mounted as a folder', (component, keys, optional) => {
    const objects = objectsOf(`base with ${component}`);
    const { pod } = deployment(objects, OPERATOR);
    const [mount] = pod.containers[0]?.volumeMounts ?? [];
    expect(mount?.subPath).toBeUndefined();
    expect(operatorOf(objects).auth.files).toEqual(
      Object.fromEntries(
        Object.entries(keys).map(([name, key]) => [name, `${String(mount?.mountPath)}/${key}`]),
      ),
    );
    const secretName = component.replace('auth', OPERATOR);
    const secret = optional ? { secretName, optional } : { secretName };
    expect(pod.volumes).toEqual([{ name: mount?.name, secret }]);
  });

  it.each([
    ['auth-kubernetes', 'VAULT_K8S_TOKEN_PATH'],
    ['auth-jwt', 'VAULT_JWT_TOKEN_PATH'],
  ])(
    'logs in with %s by a token that is made for Vault, at the path where it is mounted',
    (component, file) => {
      const objects = objectsOf(`base with ${component}`);
      const { pod } = deployment(objects, OPERATOR);
      const { auth } = operatorOf(objects);
      const token = auth.values[file] ?? '';
      const mount = pod.containers[0]?.volumeMounts?.find(({ mountPath }) =>
        token.startsWith(`${mountPath}/`),
      );
      const volume = pod.volumes?.find(({ name }) => name === mount?.name);
      expect(volume?.projected?.sources).toEqual([
        {
          serviceAccountToken: {
            path: token.slice((mount?.mountPath ?? '').length + 1),
            audience: 'vault',
            expirationSeconds: 3600,
          },
        },
      ]);
      // The general token serves for the API server.
      expect(pod.automountServiceAccountToken).toBe(true);
    },
  );

  it('logs in with a client certificate that is mounted as a folder, so that a renewed one is seen', () => {
    const objects = objectsOf('base with auth-cert');
    const { pod } = deployment(objects, OPERATOR);
    const { clientCertFile, clientKeyFile } = operatorOf(objects).vault;
    const [mount] = pod.containers[0]?.volumeMounts ?? [];
    expect(mount?.subPath).toBeUndefined();
    expect([clientCertFile, clientKeyFile]).toEqual(
      ['tls.crt', 'tls.key'].map((key) => `${String(mount?.mountPath)}/${key}`),
    );
    expect(pod.volumes).toEqual([{ name: mount?.name, secret: { secretName: 'kms-vault-operator-cert' } }]);
  });

  it('protects the metrics with a certificate that is mounted as a folder, and lets Prometheus in', () => {
    const objects = objectsOf('base with monitoring, metrics-secure, network-policy, leader-election');
    const { pod } = deployment(objects, OPERATOR);
    const [mount] = pod.containers[0]?.volumeMounts ?? [];
    expect(mount?.subPath).toBeUndefined();
    expect(operatorOf(objects).metricsTls).toEqual({
      certFile: `${String(mount?.mountPath)}/tls.crt`,
      keyFile: `${String(mount?.mountPath)}/tls.key`,
    });
    const secret = { secretName: `${OPERATOR}-metrics-tls` };
    expect(pod.volumes).toEqual([{ name: mount?.name, secret }]);
    expect(the(objects, 'ServiceMonitor', OPERATOR)['spec']).toMatchObject({
      endpoints: [
        {
          port: 'http-metrics',
          scheme: 'https',
          bearerTokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
          tlsConfig: {
            ca: { secret: { name: secret.secretName, key: 'ca.crt' } },
            serverName: `${OPERATOR}-metrics`,
          },
        },
      ],
    });
    const ofWebhook = the(objects, 'ServiceMonitor', `${OPERATOR}-webhook`)['spec'];
    expect(JSON.stringify(ofWebhook)).not.toContain('scheme');
    expect(the(objects, 'ClusterRole', `${OPERATOR}-metrics-auth`)['rules']).toEqual([
      { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
      { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    ]);
    expect(the(objects, 'ClusterRole', `${OPERATOR}-metrics-reader`)['rules']).toEqual([
      { nonResourceURLs: ['/metrics'], verbs: ['get'] },
    ]);
    expect(JSON.stringify(objectsOf('kustomize/base'))).not.toContain('tokenreviews');
  });

  it('has the certificate of the metrics from cert-manager, for the name that Prometheus verifies', () => {
    const objects = objectsOf('base with monitoring, metrics-secure, metrics-secure/cert-manager');
    const { secretName, dnsNames } = the(objects, 'Certificate', `${OPERATOR}-metrics-tls`)['spec'] as {
      secretName: string;
      dnsNames: string[];
    };
    const { pod } = deployment(objects, OPERATOR);
    expect(pod.volumes).toEqual([{ name: 'metrics-tls', secret: { secretName } }]);
    const { tlsConfig } = (
      the(objects, 'ServiceMonitor', OPERATOR)['spec'] as {
        endpoints: [{ tlsConfig: { ca: { secret: { name: string } }; serverName: string } }];
      }
    ).endpoints[0];
    expect(tlsConfig.ca.secret.name).toBe(secretName);
    expect(dnsNames).toContain(tlsConfig.serverName);
  });

  it('refuses two methods of login', async () => {
    const { objects, faults } = await renderCombination(['auth-token', 'auth-approle']);
    expect(objects).toEqual([]);
    expect(faults.join('\n')).toMatch(/test(ing)? .*failed/i);
  });

  it('refuses cert-manager without a webhook', async () => {
    const { faults } = await renderCombination(['cert-manager']);
    expect(faults.join('\n')).toContain('nothing selected by Service');
  });

  it('watches one namespace with the rights of that namespace', () => {
    const objects = objectsOf('base with leader-election, namespaced');
    expect(operatorOf(objects)).toMatchObject({
      watchNamespaces: ['default'],
      leaderElection: { enabled: true },
    });
    const named = (kind: string): string[] =>
      objects
        .filter((object) => object.kind === kind)
        .map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`);
    expect(named('ClusterRoleBinding')).toEqual([]);
    expect(named('ClusterRole')).toEqual([`/${OPERATOR}-editor`, `/${OPERATOR}-viewer`]);
    const roles = [`default/${OPERATOR}`, `vault/${OPERATOR}-leader-election`];
    expect(named('Role')).toEqual(roles);
    expect(named('RoleBinding')).toEqual(roles);
  });

  it('finds the operator from a watched namespace, wherever the operator is', async () => {
    const moved = ['webhook', '../overlays/dev/namespace', 'namespaced', 'cert-manager'];
    const { objects, faults } = await renderCombination(moved);
    expect(faults).toEqual([]);
    expect(wiringFaults(objects)).toEqual([]);
    expect(the(objects, 'Deployment', OPERATOR).metadata.namespace).toBe('vault-dev');
    expect(the(objects, 'Role', OPERATOR).metadata.namespace).toBe('default');
    expect(the(objects, 'RoleBinding', OPERATOR)).toMatchObject({
      metadata: { namespace: 'default' },
      subjects: [{ kind: 'ServiceAccount', name: OPERATOR, namespace: 'vault-dev' }],
    });
  });

  it('runs the webhook beside the operator as it runs alone, without the operator’s token', () => {
    const objects = objectsOf('base with webhook-sidecar, cert-manager');
    const alone = objectsOf('base with webhook');
    const { pod } = deployment(objects, OPERATOR);
    expect(pod.containers.map(({ name }) => name)).toEqual([OPERATOR, WEBHOOK]);
    expect(pod.containers[1]).toEqual(deployment(alone, WEBHOOK).pod.containers[0]);
    expect(started(objects, OPERATOR, WEBHOOK).program).toBe('webhook');
    expect(objects.filter(({ kind }) => kind === 'Deployment')).toHaveLength(1);
    for (const name of [WEBHOOK, `${WEBHOOK}-metrics`]) {
      expect(the(objects, 'Service', name)['spec']).toMatchObject({ selector: { app: OPERATOR } });
    }
    expect(pod.automountServiceAccountToken).toBe(false);
    const token = '/var/run/secrets/kubernetes.io/serviceaccount';
    const mounts = pod.containers.map(({ volumeMounts = [] }) =>
      volumeMounts.map(({ mountPath }) => mountPath),
    );
    expect(mounts).toEqual([[token], ['/tls']]);
  });

  it('mounts the authority of Vault as a folder, so that a new one is seen', () => {
    const { pod } = deployment(objectsOf('base with auth-approle, vault-ca'), OPERATOR);
    expect(pod.volumes).toContainEqual({ name: 'vault-ca', configMap: { name: 'vault-ca' } });
    expect(pod.containers[0]?.volumeMounts).toContainEqual({
      name: 'vault-ca',
      mountPath: '/etc/vault-ca',
      readOnly: true,
    });
  });
});
