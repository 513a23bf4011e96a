import { describe, expect, it } from '@jest/globals';

import type { KubernetesObject } from '../../../scripts/manifests/kubernetes-object.js';
import { ObjectSchemas } from '../../../scripts/manifests/object-schemas.js';
import { parseObjects, plainManifests } from '../../../scripts/manifests/rendering.js';

const plain = plainManifests();
const schemas = new ObjectSchemas(
  plain.filter(({ name }) => name.startsWith('manifests/crds/')).flatMap(({ objects }) => objects),
);

function shipped(file: string, index = 0): KubernetesObject {
  const object = plain.find(({ name }) => name === `manifests/${file}`)?.objects[index];
  if (object === undefined) throw new Error(`no object ${String(index)} in manifests/${file}`);
  return object;
}

type Node = Record<string | number, unknown>;

/** A copy with the value at the path put in; `undefined` takes the field away, `as` renames it. */
function changed(
  object: KubernetesObject,
  path: readonly (string | number)[],
  value?: unknown,
): KubernetesObject {
  const copy = structuredClone(object);
  const last = path.at(-1) ?? '';
  const parent = path.slice(0, -1).reduce<Node>((node, key) => node[key] as Node, copy as unknown as Node);
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else parent[last] = value;
  return copy;
}

const CONTAINER = ['spec', 'template', 'spec', 'containers', 0] as const;
const CRD_SCHEMA = ['spec', 'versions', 0, 'schema', 'openAPIV3Schema'] as const;
const LISTED = [...CRD_SCHEMA, 'properties', 'spec', 'properties', 'secrets', 'items'] as const;

describe('ObjectSchemas', () => {
  it.each(plain.map(({ name, objects }) => [name, objects] as const))(
    'finds no fault in %s',
    (_, objects) => {
      expect(objects.flatMap((object) => schemas.faults(object))).toEqual([]);
    },
  );

  it.each<[string, readonly (string | number)[], unknown, string]>([
    ['operator/deployment.yaml', ['spec', 'replcias'], 2, 'spec.replcias: unknown field'],
    ['operator/deployment.yaml', ['sepc'], {}, 'sepc: unknown field'],
    ['operator/deployment.yaml', ['metadata', 'lables'], {}, 'metadata.lables: unknown field'],
    ['operator/deployment.yaml', ['spec', 'replicas'], '2', 'spec.replicas: must be integer'],
    [
      'operator/deployment.yaml',
      ['spec', 'selector'],
      undefined,
      'spec: must have required property selector',
    ],
    [
      'operator/deployment.yaml',
      ['spec', 'strategy', 'type'],
      'Recreated',
      'spec.strategy.type: must be equal to one of the allowed values (Recreate, RollingUpdate)',
    ],
    [
      'operator/deployment.yaml',
      [...CONTAINER, 'name'],
      undefined,
      'spec.template.spec.containers[0]: must have required property name',
    ],
    [
      'operator/deployment.yaml',
      [...CONTAINER, 'securityContext', 'readonlyRootFilesystem'],
      true,
      'spec.template.spec.containers[0].securityContext.readonlyRootFilesystem: unknown field',
    ],
    [
      'operator/deployment.yaml',
      [...CONTAINER, 'env', 0, 'value'],
      1,
      'spec.template.spec.containers[0].env[0].value: must be string',
    ],
    [
      'operator/deployment.yaml',
      [...CONTAINER, 'livenessProbe', 'httpGet', 'port'],
      true,
      'spec.template.spec.containers[0].livenessProbe.httpGet.port: must be string',
    ],
    [
      'operator/deployment.yaml',
      ['spec', 'template', 'spec', 'securityContext', 'runAsUser'],
      '65532',
      'spec.template.spec.securityContext.runAsUser: must be integer',
    ],
    [
      'operator/deployment.yaml',
      ['spec', 'template', 'metadata', 'labels', 'app'],
      1,
      'spec.template.metadata.labels.app: must be string',
    ],
    [
      'operator/pod-disruption-budget.yaml',
      ['spec', 'maxUnavailble'],
      1,
      'spec.maxUnavailble: unknown field',
    ],
    [
      'webhook/service.yaml',
      ['spec', 'ports', 0, 'targetport'],
      'https',
      'spec.ports[0].targetport: unknown field',
    ],
    [
      'webhook/validating-webhook-configuration.yaml',
      ['webhooks', 0, 'failurePolicy'],
      'Warn',
      'webhooks[0].failurePolicy: must be equal to one of the allowed values (Fail, Ignore)',
    ],
    [
      'webhook/validating-webhook-configuration.yaml',
      ['webhooks', 0, 'sideEffects'],
      undefined,
      'webhooks[0]: must have required property sideEffects',
    ],
    ['rbac/cluster-role.yaml', ['rules', 0, 'verb'], ['get'], 'rules[0].verb: unknown field'],
    ['rbac/cluster-role.yaml', ['rules', 0, 'verbs'], 'get', 'rules[0].verbs: must be array'],
    ['rbac/cluster-role-binding.yaml', ['roleRef', 'namespace'], 'vault', 'roleRef.namespace: unknown field'],
    [
      'crds/kmsvaultsecrets.yaml',
      ['spec', 'versions', 0, 'additionalPrinterColumns', 0, 'jsonpath'],
      '.x',
      'spec.versions[0].additionalPrinterColumns[0].jsonpath: unknown field',
    ],
    [
      'crds/kmsvaultsecrets.yaml',
      [...CRD_SCHEMA, 'propertys'],
      {},
      'spec.versions[0].schema.openAPIV3Schema.propertys: unknown field',
    ],
    [
      'crds/kmsvaultsecrets.yaml',
      [...CRD_SCHEMA, 'properties', 'spec', 'requierd'],
      [],
      'spec.versions[0].schema.openAPIV3Schema.properties.spec.requierd: unknown field',
    ],
    [
      'crds/kmsvaultsecrets.yaml',
      [...CRD_SCHEMA, 'x-kubernetes-lst-type'],
      'map',
      'spec.versions[0].schema.openAPIV3Schema.x-kubernetes-lst-type: unknown field',
    ],
    [
      'crds/kmsvaultsecrets.yaml',
      [...LISTED, 'properties', 'key', 'desription'],
      'x',
      'version v1alpha1.spec.secrets.items.properties.key.desription: unknown field',
    ],
    [
      'crds/kmsvaultsecrets.yaml',
      [...LISTED, 'properties', 'key', 'type'],
      'text',
      'version v1alpha1.properties[spec].properties[secrets].items.properties[key].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"',
    ],
    ['samples/web.yaml', ['spec', 'kvSetings'], {}, 'spec.kvSetings: unknown field'],
    [
      'samples/web.yaml',
      ['spec', 'secrets', 0, 'encrypted'],
      'x',
      'spec.secrets[0].encrypted: unknown field',
    ],
    ['samples/web.yaml', ['spec', 'path'], undefined, 'spec.path: Required value'],
    [
      'samples/web.yaml',
      ['spec', 'kvSettings', 'engineVersion'],
      'v3',
      'spec.kvSettings.engineVersion: Unsupported value: "v3": supported values: "v1", "v2"',
    ],
    ['samples/web.yaml', ['metadata', 'label'], {}, 'metadata.label: unknown field'],
    ['samples/shared.yaml', ['spec', 'path'], 'kv/x', 'spec.path: unknown field'],
  ])('finds in %s at %j the value %j: %s', (file, path, value, fault) => {
    expect(schemas.faults(changed(shipped(file), path, value))).toContain(fault);
  });

  it.each<[string, string]>([
    [
      'apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: x}\nspec: {secretName: x, issuerRef: {name: x}, dnsName: [x]}',
      'spec.dnsName: unknown field',
    ],
    [
      'apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: x}\nspec: {issuerRef: {name: x}}',
      'spec: must have required property secretName',
    ],
    [
      'apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: x}\nspec: {selfSined: {}}',
      'spec.selfSined: unknown field',
    ],
    [
      'apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: x}\nspec: {selector: {}, endpoints: [{prot: x}]}',
      'spec.endpoints[0].prot: unknown field',
    ],
    [
      'apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata: {name: x}\nspec: {groups: [{name: x, rules: [{alert: x, exp: up}]}]}',
      'spec.groups[0].rules[0].exp: unknown field',
    ],
    [
      'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x}\nspec: {podSelector: {}, ingres: []}',
      'spec.ingres: unknown field',
    ],
    ['apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}', 'no schema for example.com/v1 Thing'],
    [
      'apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: x}',
      'no schema for apps/v1beta1 Deployment',
    ],
    [
      'apiVersion: k8s.patoarvizu.dev/v1\nkind: KMSVaultSecret\nmetadata: {name: x}',
      'no schema for k8s.patoarvizu.dev/v1 KMSVaultSecret',
    ],
  ])('finds a fault in %j: %s', (yaml, fault) => {
    expect(parseObjects(yaml).objects.flatMap((object) => schemas.faults(object))).toContain(fault);
  });
});

describe('parseObjects', () => {
  it.each([
    ['a: [', /Flow sequence/],
    ['a: 1\na: 2', /Map keys must be unique/],
    ['apiVersion: v1\nkind: Service', /not a Kubernetes object/],
    ['apiVersion: v1\nkind: Service\nmetadata: {}', /not a Kubernetes object/],
  ])('refuses %j', (yaml, fault) => {
    const { objects, faults } = parseObjects(yaml);
    expect(objects).toEqual([]);
    expect(faults.join('\n')).toMatch(fault);
  });

  it('reads several objects and leaves out empty documents', () => {
    const yaml =
      '---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\n';
    expect(parseObjects(yaml)).toMatchObject({
      faults: [],
      objects: [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }],
    });
  });
});
