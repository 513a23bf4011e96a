import { describe, expect, it } from '@jest/globals';

import { PatchError } from './patch.js';
import { applyStrategicMergePatch } from './strategic-merge.js';

/** A pod template as in a Deployment. */
function deployment(pod: object): object {
  return { spec: { template: { spec: pod } } };
}

function patchPod(pod: object, patch: object): unknown {
  const patched = applyStrategicMergePatch(deployment(pod), deployment(patch), 'Deployment') as {
    spec: { template: { spec: unknown } };
  };
  return patched.spec.template.spec;
}

const A = { name: 'a', image: 'one' };
const B = { name: 'b', image: 'two' };
const C = { name: 'c', image: 'three' };

describe('applyStrategicMergePatch', () => {
  it.each<[string, object, object, object]>([
    [
      'merges containers by name',
      { containers: [A, B] },
      { containers: [{ name: 'b', image: 'new' }] },
      { containers: [A, { name: 'b', image: 'new' }] },
    ],
    ['appends a new container', { containers: [A] }, { containers: [B] }, { containers: [A, B] }],
    [
      'deletes a container',
      { containers: [A, B] },
      { containers: [{ name: 'a', $patch: 'delete' }] },
      { containers: [B] },
    ],
    [
      'deletes what is not there without a trace',
      { containers: [A] },
      { containers: [{ name: 'ghost', $patch: 'delete' }] },
      { containers: [A] },
    ],
    [
      'replaces the list',
      { containers: [A, B] },
      { containers: [{ $patch: 'replace' }, C] },
      { containers: [C] },
    ],
    [
      'replaces one container',
      { containers: [{ ...A, args: ['x'] }] },
      { containers: [{ name: 'a', $patch: 'replace', image: 'new' }] },
      { containers: [{ name: 'a', image: 'new' }] },
    ],
    [
      'merges env by name, and lists without a key not at all',
      { containers: [{ ...A, env: [{ name: 'X', value: '1' }], args: ['p', 'q'] }] },
      { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }], args: ['r'] }] },
      {
        containers: [
          {
            ...A,
            env: [
              { name: 'X', value: '1' },
              { name: 'Y', value: '2' },
            ],
            args: ['r'],
          },
        ],
      },
    ],
    [
      'merges the ports of a container by containerPort',
      { containers: [{ ...A, ports: [{ containerPort: 80, name: 'http' }] }] },
      { containers: [{ name: 'a', ports: [{ containerPort: 80, protocol: 'TCP' }, { containerPort: 81 }] }] },
      {
        containers: [
          { ...A, ports: [{ containerPort: 80, name: 'http', protocol: 'TCP' }, { containerPort: 81 }] },
        ],
      },
    ],
    [
      'merges volume mounts by path',
      { containers: [{ ...A, volumeMounts: [{ mountPath: '/x', name: 'x' }] }] },
      { containers: [{ name: 'a', volumeMounts: [{ mountPath: '/x', readOnly: true }] }] },
      { containers: [{ ...A, volumeMounts: [{ mountPath: '/x', name: 'x', readOnly: true }] }] },
    ],
    [
      'drops the old source of a volume with $retainKeys',
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ name: 'v', secret: { secretName: 's' }, $retainKeys: ['name', 'secret'] }] },
      { volumes: [{ name: 'v', secret: { secretName: 's' } }] },
    ],
    ['deletes a field with null', { hostNetwork: true, x: 1 }, { hostNetwork: null }, { x: 1 }],
    [
      'stores no null of a new object',
      {},
      { securityContext: { fsGroup: null, runAsUser: 1 } },
      { securityContext: { runAsUser: 1 } },
    ],
    [
      'deletes an object with $patch',
      { affinity: { a: 1 }, x: 1 },
      { affinity: { $patch: 'delete' } },
      { x: 1 },
    ],
    [
      'replaces an object with $patch',
      { affinity: { a: 1 } },
      { affinity: { $patch: 'replace', b: 2 } },
      { affinity: { b: 2 } },
    ],
    [
      'replaces tolerations, which have no key',
      { tolerations: [{ key: 'a' }] },
      { tolerations: [{ key: 'b' }] },
      { tolerations: [{ key: 'b' }] },
    ],
    [
      'brings a list into the order asked for',
      { containers: [A, B, C] },
      {
        containers: [{ name: 'c', image: 'new' }],
        '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }, { name: 'b' }],
      },
      { containers: [{ name: 'c', image: 'new' }, A, B] },
    ],
    [
      'orders a list of which nothing else is patched',
      { containers: [A, B] },
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
      { containers: [B, A] },
    ],
    [
      "keeps the places of what only the server's list has",
      { containers: [A, B, C] },
      {
        containers: [{ name: 'd' }],
        '$setElementOrder/containers': [{ name: 'a' }, { name: 'c' }, { name: 'd' }],
      },
      { containers: [A, B, C, { name: 'd' }] },
    ],
  ])('%s', (_what, pod, patch, result) => {
    expect(patchPod(pod, patch)).toStrictEqual(result);
  });

  it('merges finalizers as a set, and removes single ones', () => {
    const target = { metadata: { finalizers: ['a', 'b'] } };
    const patch = (metadata: object): unknown => applyStrategicMergePatch(target, { metadata }, 'ConfigMap');
    expect(patch({ finalizers: ['b', 'c'] })).toEqual({ metadata: { finalizers: ['a', 'b', 'c'] } });
    expect(patch({ '$deleteFromPrimitiveList/finalizers': ['a'] })).toEqual({
      metadata: { finalizers: ['b'] },
    });
    expect(
      patch({
        finalizers: ['c'],
        '$deleteFromPrimitiveList/finalizers': ['b'],
        '$setElementOrder/finalizers': ['c', 'a'],
      }),
    ).toEqual({ metadata: { finalizers: ['c', 'a'] } });
    expect(patch({ finalizers: null })).toEqual({ metadata: {} });
  });

  it('merges owners by uid', () => {
    const owner = { uid: '1', kind: 'A', name: 'a' };
    const patch = { metadata: { ownerReferences: [{ uid: '1', controller: true }, { uid: '2' }] } };
    expect(applyStrategicMergePatch({ metadata: { ownerReferences: [owner] } }, patch, 'ConfigMap')).toEqual({
      metadata: { ownerReferences: [{ ...owner, controller: true }, { uid: '2' }] },
    });
  });

  // The same field names mean different things in different kinds.
  it.each<[string, object, object, object]>([
    [
      'Service',
      { spec: { ports: [{ port: 80, name: 'http' }] } },
      { spec: { ports: [{ port: 80, targetPort: 8080 }, { port: 81 }] } },
      { spec: { ports: [{ port: 80, name: 'http', targetPort: 8080 }, { port: 81 }] } },
    ],
    [
      'NetworkPolicy',
      { spec: { ingress: [{ ports: [{ port: 80 }] }] } },
      { spec: { ingress: [{ ports: [{ port: 81 }] }] } },
      { spec: { ingress: [{ ports: [{ port: 81 }] }] } },
    ],
    [
      'ServiceAccount',
      { secrets: [{ name: 'a' }], imagePullSecrets: [{ name: 'x' }] },
      { secrets: [{ name: 'b' }], imagePullSecrets: [{ name: 'y' }] },
      { secrets: [{ name: 'a' }, { name: 'b' }], imagePullSecrets: [{ name: 'x' }, { name: 'y' }] },
    ],
    [
      'ValidatingWebhookConfiguration',
      { webhooks: [{ name: 'a', failurePolicy: 'Fail' }] },
      { webhooks: [{ name: 'a', clientConfig: { caBundle: 'x' } }] },
      { webhooks: [{ name: 'a', failurePolicy: 'Fail', clientConfig: { caBundle: 'x' } }] },
    ],
    [
      'Role',
      { rules: [{ verbs: ['get'] }, { verbs: ['list'] }] },
      { rules: [{ verbs: ['watch'] }] },
      { rules: [{ verbs: ['watch'] }] },
    ],
    [
      'Deployment',
      { status: { conditions: [{ type: 'A', status: 'True' }] } },
      { status: { conditions: [{ type: 'B', status: 'True' }] } },
      {
        status: {
          conditions: [
            { type: 'A', status: 'True' },
            { type: 'B', status: 'True' },
          ],
        },
      },
    ],
    [
      'CustomResourceDefinition',
      { status: { conditions: [{ type: 'A', status: 'True' }] } },
      { status: { conditions: [{ type: 'B', status: 'True' }] } },
      { status: { conditions: [{ type: 'B', status: 'True' }] } },
    ],
  ])('merges the lists of a %s by their keys', (kind, target, patch, result) => {
    expect(applyStrategicMergePatch(target, patch, kind)).toStrictEqual(result);
  });

  it.each<[number, string, object]>([
    [500, 'an item without its key', { containers: [{ image: 'x' }] }],
    [500, 'an unknown directive', { containers: [{ name: 'a', $patch: 'shuffle' }] }],
    [400, 'an order that is no list', { '$setElementOrder/containers': 'a' }],
    [
      400,
      'an order without a patched item',
      { containers: [B], '$setElementOrder/containers': [{ name: 'a' }] },
    ],
    [400, 'kept keys that are no list', { volumes: [{ name: 'v', $retainKeys: 'name' }] }],
    [
      400,
      'a field that is not among the kept ones',
      { volumes: [{ name: 'v', secret: {}, $retainKeys: ['name'] }] },
    ],
  ])('refuses with %i %s', (status, _what, patch) => {
    let refusal: unknown;
    try {
      patchPod({ containers: [A], volumes: [{ name: 'v' }] }, patch);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(PatchError);
    expect(refusal).toMatchObject({ status });
  });

  it('treats __proto__ as an ordinary key, and does not modify the target', () => {
    const target = { data: { a: '1' } };
    const patch: unknown = JSON.parse('{"data":{"__proto__":"x","constructor":"y"}}');
    const patched = applyStrategicMergePatch(target, patch, 'ConfigMap');
    expect(JSON.stringify(patched)).toBe('{"data":{"a":"1","__proto__":"x","constructor":"y"}}');
    expect(target).toEqual({ data: { a: '1' } });
  });
});
