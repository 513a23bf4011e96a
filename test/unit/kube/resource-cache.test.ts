import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { API_VERSION, PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import type { Resource } from '../../../src/api/resources.js';
import { IndexedResourceCache } from '../../../src/kube/resource-cache.js';

function secret(
  name: string,
  resourceVersion: string,
  spec: unknown = { path: `secret/${name}` },
  metadata = {},
): Resource {
  return {
    apiVersion: API_VERSION,
    kind: SECRET_KIND,
    metadata: { name, namespace: 'team', uid: `uid-${name}`, resourceVersion, ...metadata },
    spec,
  } as unknown as Resource;
}

function partial(name: string): Resource {
  const metadata = { name, namespace: 'team', uid: `uid-${name}`, resourceVersion: '1' };
  return { apiVersion: API_VERSION, kind: PARTIAL_KIND, metadata, spec: {} };
}

const KEY = { kind: SECRET_KIND, namespace: 'team', name: 'a' } as const;
const names = (resources: Iterable<Resource>): string[] =>
  [...resources].map(({ metadata }) => metadata.name).sort();

describe('IndexedResourceCache', () => {
  it('keeps both kinds apart, also under one name', () => {
    const cache = new IndexedResourceCache();
    cache.apply(secret('a', '1'));
    cache.apply(partial('a'));
    expect(cache.secret('team', 'a')?.kind).toBe(SECRET_KIND);
    expect(cache.partial('team', 'a')?.kind).toBe(PARTIAL_KIND);
    expect(cache.secret('other', 'a')).toBeUndefined();
    expect([names(cache.secrets()), names(cache.partials())]).toEqual([['a'], ['a']]);
    cache.remove(KEY);
    expect([cache.size(SECRET_KIND), cache.size(PARTIAL_KIND)]).toEqual([0, 1]);
  });

  it.each([
    ['10', '9', false],
    ['9', '10', true],
    ['10', '10', true],
    ['9007199254740993', '9007199254740992', false],
    ['opaque-2', 'opaque-1', true],
    ['10', 'opaque', true],
  ])('after version %s, takes version %s: %s', (known, next, taken) => {
    const cache = new IndexedResourceCache();
    cache.apply(secret('a', known));
    expect(cache.apply(secret('a', next))).toBe(taken);
    expect(cache.secret('team', 'a')?.metadata.resourceVersion).toBe(taken ? next : known);
  });

  it('finds includers and paths as they are now', () => {
    const cache = new IndexedResourceCache();
    cache.apply(secret('a', '1', { path: '/secret//x/', includeSecrets: ['p', 'q', 'p'] }));
    cache.apply(secret('b', '1', { path: 'secret/x', includeSecrets: ['q'] }));
    expect(names(cache.secretsAtPath('secret/x'))).toEqual(['a', 'b']);
    expect(names(cache.includersOf('team', 'q'))).toEqual(['a', 'b']);
    expect(names(cache.includersOf('other', 'q'))).toEqual([]);
    cache.apply(secret('a', '2', { path: 'secret/y', includeSecrets: ['p'] }));
    expect(names(cache.secretsAtPath('secret/x'))).toEqual(['b']);
    expect(names(cache.secretsAtPath('secret/y'))).toEqual(['a']);
    expect(names(cache.includersOf('team', 'q'))).toEqual(['b']);
    cache.remove(KEY);
    expect(names(cache.includersOf('team', 'p'))).toEqual([]);
    expect(names(cache.secretsAtPath('secret/y'))).toEqual([]);
  });

  it('answers from its indexes what a search through all objects would find', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const spec = fc.record({
      path: fc.constantFrom('secret/x', '/secret//x', 'secret/y', '..', 7),
      includeSecrets: fc.oneof(fc.array(name), fc.constant(undefined), fc.constant('text')),
    });
    const step = fc.oneof(
      fc.record({ name, spec, version: fc.nat({ max: 20 }).map(String) }),
      fc.record({ gone: name }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const cache = new IndexedResourceCache();
        let incarnation = 0;
        for (const next of steps) {
          if ('gone' in next) {
            cache.remove({ ...KEY, name: next.gone });
            incarnation += 1;
          } else
            cache.apply(
              secret(next.name, next.version, next.spec, { uid: `${next.name}-${String(incarnation)}` }),
            );
        }
        const all = [...cache.secrets()];
        const at = (...paths: unknown[]) => all.filter((found) => paths.includes(found.spec.path));
        expect(names(cache.secretsAtPath('secret/x'))).toEqual(names(at('secret/x', '/secret//x')));
        expect(names(cache.secretsAtPath('secret/y'))).toEqual(names(at('secret/y')));
        for (const partialName of ['a', 'b', 'c']) {
          const including = all.filter(
            ({ spec: { includeSecrets } }) =>
              Array.isArray(includeSecrets) && includeSecrets.includes(partialName),
          );
          expect(names(cache.includersOf('team', partialName))).toEqual(names(including));
        }
      }),
    );
  });

  it('does not bring back what was removed when a late answer shows it, but takes a new incarnation', () => {
    const cache = new IndexedResourceCache();
    cache.apply(secret('a', '1'));
    cache.remove(KEY, 'uid-a');
    expect(cache.apply(secret('a', '5'))).toBe(false);
    expect(cache.secret('team', 'a')).toBeUndefined();
    expect(cache.apply(secret('a', '6', {}, { uid: 'new' }))).toBe(true);
    cache.remove(KEY, 'uid-a');
    expect(cache.secret('team', 'a')?.metadata.uid).toBe('new');
  });

  it('strips what only costs memory, and leaves the given object as it is', () => {
    const cache = new IndexedResourceCache();
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', kept: 'yes' };
    const given = secret('a', '1', {}, { annotations, managedFields: [{}], labels: { l: '1' } });
    cache.apply(given);
    const { metadata } = cache.secret('team', 'a') ?? {};
    expect(metadata).toEqual({
      ...secret('a', '1').metadata,
      annotations: { kept: 'yes' },
      labels: { l: '1' },
    });
    expect(given.metadata).toHaveProperty('managedFields');
    expect(given.metadata.annotations).toBe(annotations);
  });

  it('takes lower versions once after a rewind', () => {
    const cache = new IndexedResourceCache();
    cache.apply(secret('a', '100'));
    cache.apply(secret('b', '100'));
    cache.rewind(SECRET_KIND, 'other');
    expect(cache.apply(secret('a', '5'))).toBe(false);
    cache.rewind(SECRET_KIND, 'team');
    expect(cache.secret('team', 'a')?.metadata.resourceVersion).toBe('100');
    expect(cache.apply(secret('a', '5'))).toBe(true);
    expect(cache.apply(secret('a', '4'))).toBe(false);
    expect(cache.apply(secret('b', '6'))).toBe(true);
  });
});
