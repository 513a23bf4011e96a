import { describe, expect, it } from '@jest/globals';

import type { KubernetesObject } from '../../../scripts/manifests/kubernetes-object.js';
import { plainManifests } from '../../../scripts/manifests/rendering.js';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const objects = plainManifests().flatMap((file) => file.objects);
const roles = objects.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');

/** `verb group/resource`, with the one name behind it where the rule has one. */
function grants(role: KubernetesObject): string[] {
  return (role['rules'] as readonly Rule[])
    .flatMap(({ apiGroups, resources, verbs, resourceNames = [''] }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.flatMap((verb) => resourceNames.map((name) => `${verb} ${group}/${resource} ${name}`.trim())),
        ),
      ),
    )
    .sort();
}

function granted(kind: string, name: string): string[] {
  const role = roles.find((object) => object.kind === kind && object.metadata.name === name);
  if (role === undefined) throw new Error(`no ${kind} ${name}`);
  return grants(role);
}

const OURS = ['kmsvaultsecrets', 'partialkmsvaultsecrets'].map((plural) => `k8s.patoarvizu.dev/${plural}`);

function onBoth(...verbs: readonly string[]): string[] {
  return OURS.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`));
}

const OPERATOR = [
  ...onBoth('get', 'list', 'watch', 'patch'),
  ...OURS.map((resource) => `patch ${resource}/status`),
  'create /events',
  'patch /events',
].sort();

describe('the shipped roles', () => {
  it('are these and no others', () => {
    expect(roles.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()).toEqual([
      'ClusterRole kms-vault-operator',
      'ClusterRole kms-vault-operator-editor',
      'ClusterRole kms-vault-operator-viewer',
      'Role kms-vault-operator',
      'Role kms-vault-operator-leader-election',
    ]);
  });

  it.each(roles.map((role) => [`${role.kind} ${role.metadata.name}`, role] as const))(
    '%s has no wildcard, no Secrets and no way to more rights',
    (_, role) => {
      const text = grants(role).join('\n');
      expect(text).not.toMatch(
        /\*|\/secrets\b|impersonate|escalate|^bind |rolebindings|serviceaccounts|token/m,
      );
      expect(JSON.stringify(role)).not.toContain('nonResourceURLs');
    },
  );

  it('give the operator what it uses, in the cluster or in one namespace alike', () => {
    expect(granted('ClusterRole', 'kms-vault-operator')).toEqual(OPERATOR);
    expect(granted('Role', 'kms-vault-operator')).toEqual(OPERATOR);
  });

  it('give a replica its one lease', () => {
    expect(granted('Role', 'kms-vault-operator-leader-election')).toEqual(
      [
        'create coordination.k8s.io/leases',
        'get coordination.k8s.io/leases 39a50047.patoarvizu.dev',
        'update coordination.k8s.io/leases 39a50047.patoarvizu.dev',
        'create /events',
        'patch /events',
      ].sort(),
    );
  });

  it('let editors write specs and viewers read; the status is the operator’s', () => {
    const status = OURS.map((resource) => `get ${resource}/status`);
    const reading = [...onBoth('get', 'list', 'watch'), ...status];
    const writing = onBoth('create', 'update', 'patch', 'delete', 'deletecollection');
    expect(granted('ClusterRole', 'kms-vault-operator-viewer')).toEqual([...reading].sort());
    expect(granted('ClusterRole', 'kms-vault-operator-editor')).toEqual([...reading, ...writing].sort());
  });

  it.each([
    ['kms-vault-operator-editor', ['admin', 'edit']],
    ['kms-vault-operator-viewer', ['view']],
    ['kms-vault-operator', []],
  ])('%s becomes part of %j', (name, into) => {
    const { labels = {} } = roles.find(({ metadata }) => metadata.name === name)?.metadata ?? {};
    const aggregated = Object.entries(labels).filter(([key]) =>
      key.startsWith('rbac.authorization.k8s.io/aggregate-to-'),
    );
    expect(aggregated).toEqual(
      into.map((role) => [`rbac.authorization.k8s.io/aggregate-to-${role}`, 'true']),
    );
  });

  it('are bound to the operator only', () => {
    const subjects = objects
      .filter(({ kind }) => kind.endsWith('RoleBinding'))
      .map((binding) => binding['subjects']);
    expect(subjects).toHaveLength(3);
    for (const one of subjects) {
      expect(one).toEqual([{ kind: 'ServiceAccount', name: 'kms-vault-operator', namespace: 'vault' }]);
    }
  });
});
