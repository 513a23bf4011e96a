import { describe, expect, it } from '@jest/globals';

import { substitutionFaults } from '../../../scripts/manifests/flux-substitution.js';
import type { KubernetesObject } from '../../../scripts/manifests/kubernetes-object.js';

const KEY = 'kustomize.toolkit.fluxcd.io/substitute';

function configMap(text: string, metadata: Partial<KubernetesObject['metadata']> = {}): KubernetesObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', ...metadata }, data: { text } };
}

describe('substitutionFaults', () => {
  it('finds every variable that Flux would replace, once', () => {
    expect(substitutionFaults(configMap('${a} $b {{ $c }} ${a} ${d:=e} $${f}'))).toEqual(
      ['${a}', '${d:=e}', '${f}'].map((text) => `Flux would replace ${text}: ${KEY}: disabled is missing`),
    );
  });

  it('looks at metadata too', () => {
    expect(substitutionFaults(configMap('', { annotations: { note: '${a}' } }))).toHaveLength(1);
  });

  it.each<[string, Partial<KubernetesObject['metadata']>]>([
    ['an annotation', { annotations: { [KEY]: 'disabled' } }],
    ['a label', { labels: { [KEY]: 'disabled' } }],
  ])('accepts them with %s', (_, metadata) => {
    expect(substitutionFaults(configMap('${a}', metadata))).toEqual([]);
  });

  it('refuses another value of the annotation', () => {
    expect(substitutionFaults(configMap('${a}', { annotations: { [KEY]: 'false' } }))).toHaveLength(1);
  });

  it('accepts what holds no variable', () => {
    expect(substitutionFaults(configMap('$a {{ $b }} $(c) {d}'))).toEqual([]);
  });
});
