import { describe, expect, it } from '@jest/globals';

import { ManifestFile } from '../../../../src/cli/files/manifest-file.js';
import { ContextGivers, type PossibleContexts } from '../../../../src/cli/rotation/context-givers.js';

/** The contexts that the key `a` of the first resource may have. */
function contexts(...documents: readonly string[]): PossibleContexts {
  const { resources } = ManifestFile.parse('all.yaml', documents.join('\n---\n'));
  const [first] = resources;
  if (first === undefined) throw new Error('there is no resource');
  return new ContextGivers(resources).contextsFor(first, 'a');
}

const partial = (spec: string, namespace = ''): string =>
  `kind: PartialKMSVaultSecret\nmetadata: {name: shared${namespace}}\nspec: {${spec}}`;
const secret = (spec: string, name = 'web', namespace = ''): string =>
  `kind: KMSVaultSecret\nmetadata: {name: ${name}${namespace}}\nspec: {${spec}}`;
const ITEM = 'secrets: [{key: a, encryptedSecret: x}]';

describe('the contexts that an item may have', () => {
  it('are its own first, then that of its resource, then none', () => {
    const own = 'secrets: [{key: a, encryptedSecret: x, secretContext: {i: "1"}}], secretContext: {r: "1"}';
    expect(contexts(secret(own))).toEqual({ contexts: [{ i: '1' }, { r: '1' }], giverIsMissing: false });
    expect(contexts(secret(`${ITEM}, secretContext: {r: "1"}`)).contexts).toEqual([{ r: '1' }]);
    expect(contexts(secret(ITEM)).contexts).toEqual([{}]);
  });

  it('are for a partial without one those of the resources that include it, each once', () => {
    const found = contexts(
      partial(ITEM),
      secret('includeSecrets: [shared], secretContext: {b: "2", a: "1"}'),
      secret('includeSecrets: [other, shared], secretContext: {a: "1", b: "2"}', 'api'),
      secret('includeSecrets: [shared], secretContext: {c: "3"}', 'third'),
      secret('includeSecrets: [other], secretContext: {d: "4"}', 'fourth'),
    );
    expect(found).toEqual({ contexts: [{ b: '2', a: '1' }, { c: '3' }, {}], giverIsMissing: false });
  });

  it('come after that of a partial, which the Go operator ignored', () => {
    const found = contexts(
      partial(`${ITEM}, secretContext: {p: "1"}`),
      secret('includeSecrets: [shared], secretContext: {c: "3"}'),
    );
    expect(found.contexts).toEqual([{ p: '1' }, { c: '3' }]);
  });

  it('come from the parts of a resource, such as patches', () => {
    expect(contexts(secret(ITEM), secret('secretContext: {env: prod}')).contexts).toEqual([
      { env: 'prod' },
      {},
    ]);
    const found = contexts(
      partial(ITEM),
      secret('includeSecrets: [shared]'),
      secret('secretContext: {env: prod}'),
    );
    expect(found.contexts).toEqual([{ env: 'prod' }, {}]);
  });

  it('come from the same namespace, or from a resource that is given one later', () => {
    const including = 'includeSecrets: [shared], secretContext: {c: "3"}';
    const there = ', namespace: there';
    expect(contexts(partial(ITEM, ', namespace: here'), secret(including, 'web', there))).toEqual({
      contexts: [{}],
      giverIsMissing: true,
    });
    expect(contexts(partial(ITEM), secret(including, 'web', there)).contexts).toHaveLength(2);
  });
});
