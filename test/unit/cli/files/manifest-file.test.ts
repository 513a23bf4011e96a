import { describe, expect, it } from '@jest/globals';

import { ManifestFile } from '../../../../src/cli/files/manifest-file.js';

const OLD = 'b2xkLWNpcGhlcnRleHQ=';
const NEW = 'bmV3LWNpcGhlcnRleHQgdGhhdCBpcyBsb25nZXIgdGhhbiB0aGUgb2xkIG9uZSBhbmQgd3JhcHM=';

const HEAD = `# A secret.
apiVersion: k8s.patoarvizu.dev/v1alpha1
kind: KMSVaultSecret
metadata: {name: web}
spec:
  path: secret/data/web
`;

function edited(text: string, edit: (file: ManifestFile) => void): string {
  const file = ManifestFile.parse('web.yaml', text);
  expect(file.problems).toEqual([]);
  edit(file);
  return file.text;
}

const set = (text: string, key = 'a', value: object = { encryptedSecret: NEW }): string =>
  edited(text, ({ resources }) => {
    resources[0]?.setItem(key, value as { encryptedSecret: string });
  });

const remove = (text: string, key: string): string =>
  edited(text, ({ resources }) => {
    resources[0]?.removeItem(key);
  });

describe('ManifestFile', () => {
  describe('replaces a ciphertext and nothing else', () => {
    it.each([
      ['plain', `encryptedSecret: ${OLD} # why`, `encryptedSecret: ${NEW} # why`],
      ['in single quotes', `encryptedSecret: '${OLD}'`, `encryptedSecret: '${NEW}'`],
      ['in double quotes', `encryptedSecret:   "${OLD}"`, `encryptedSecret:   "${NEW}"`],
      ['with an anchor nobody uses', `encryptedSecret: &x ${OLD}`, `encryptedSecret: &x ${NEW}`],
      ['that is missing', 'encryptedSecret: # todo', `encryptedSecret: ${NEW} # todo`],
      ['folded', `encryptedSecret: >-\n        ${OLD}\n`, `encryptedSecret: >-\n        ${NEW}\n`],
      [
        'in a literal block, wrapped as before',
        'encryptedSecret: |\n        b2xkLWNp\n        cGhlcnQ=\n',
        `encryptedSecret: |\n        ${(NEW.match(/.{1,8}/g) ?? []).join('\n        ')}\n`,
      ],
    ])('%s', (_name, before, after) => {
      const around = (line: string): string =>
        `${HEAD}  secrets:\n    # first\n    - key: a\n      ${line}\n\n    # second\n    - key: b\n      encryptedSecret: ${OLD}\n`;
      expect(set(around(before))).toBe(around(after));
    });

    it('in a file with Windows line ends, tabs in comments and no line break at its end', () => {
      const text =
        `${HEAD}  secrets:\t# a\ttab\n  - key: b\n    encryptedSecret: x\n  - key: a\n    encryptedSecret: ${OLD}`.replaceAll(
          '\n',
          '\r\n',
        );
      expect(set(text)).toBe(text.replace(OLD, NEW));
    });

    it('in the second document, behind a byte order mark', () => {
      const text = `\ufeffa: b\n---\n${HEAD}  secrets: [{key: a, encryptedSecret: ${OLD}}]\n---\n# nothing\n`;
      expect(set(text)).toBe(text.replace(OLD, NEW));
    });

    it('in a list of resources', () => {
      const text = `kind: List\nitems:\n- kind: PartialKMSVaultSecret\n  spec:\n    secrets:\n    - {key: a, encryptedSecret: ${OLD}}\n`;
      expect(set(text)).toBe(text.replace(OLD, NEW));
    });
  });

  it('gives a context to an item, in block and in flow style', () => {
    const value = { encryptedSecret: NEW, secretContext: { env: 'prod', 'cost center': '12' } };
    const block = `${HEAD}  secrets:\n  - key: a\n    encryptedSecret: ${OLD}\n`;
    expect(set(block, 'a', value)).toBe(
      `${block.replace(OLD, NEW)}    secretContext:\n      env: prod\n      "cost center": "12"\n`,
    );
    const flow = `${HEAD}  secrets: [{"key": "a", "encryptedSecret": "${OLD}", "secretContext": {"x": "y"}}]\n`;
    expect(set(flow, 'a', value)).toBe(
      flow.replace(OLD, NEW).replace('{"x": "y"}', '{"env": "prod", "cost center": "12"}'),
    );
  });

  it('turns an empty value into a ciphertext, and back', () => {
    const text = `${HEAD}  secrets:\n  - emptySecret: true # none yet\n    key: a\n`;
    const withValue = text.replace('emptySecret: true', `encryptedSecret: ${NEW}`);
    expect(set(text)).toBe(withValue);
    expect(set(withValue, 'a', { emptySecret: true })).toBe(text);
  });

  describe('appends an item in the style of the list', () => {
    it.each([
      [
        'block',
        '  secrets:\n  -  key: "b"\n     encryptedSecret: \'x\' # b\n  # the end\n  includeSecrets: [c]\n',
        `  secrets:\n  -  key: "b"\n     encryptedSecret: 'x' # b\n  -  key: "a"\n     encryptedSecret: '${NEW}'\n  # the end\n  includeSecrets: [c]\n`,
      ],
      [
        'flow, one line each',
        '  secrets: [\n    {"key": "b"},\n    {"key": "c"}\n  ]\n',
        `  secrets: [\n    {"key": "b"},\n    {"key": "c"},\n    {"key": "a", "encryptedSecret": "${NEW}"}\n  ]\n`,
      ],
      ['an empty list', '  secrets: []\n', `  secrets:\n    - key: a\n      encryptedSecret: ${NEW}\n`],
      [
        'an empty list with a comment',
        '  secrets: &s []  # none yet\n',
        `  secrets: &s  # none yet\n    - key: a\n      encryptedSecret: ${NEW}\n`,
      ],
      ['no list', '', `  secrets:\n    - key: a\n      encryptedSecret: ${NEW}\n`],
      [
        'a list without items',
        '  secrets: # below\n  includeSecrets:\n  - c\n',
        `  secrets: # below\n  - key: a\n    encryptedSecret: ${NEW}\n  includeSecrets:\n  - c\n`,
      ],
      [
        'no line break at the end',
        '  secrets:\n  - key: b\n    encryptedSecret: x',
        `  secrets:\n  - key: b\n    encryptedSecret: x\n  - key: a\n    encryptedSecret: ${NEW}`,
      ],
      [
        'behind a block scalar',
        '  secrets:\n  - key: b\n    encryptedSecret: |\n      x\n\n# end\n',
        `  secrets:\n  - key: b\n    encryptedSecret: |\n      x\n  - key: a\n    encryptedSecret: ${NEW}\n\n# end\n`,
      ],
    ])('%s', (_name, before, after) => {
      expect(set(HEAD + before)).toBe(HEAD + after);
    });

    it('to a patch that has no spec', () => {
      const text = 'kind: KMSVaultSecret\nmetadata:\n  name: web\n';
      expect(set(text)).toBe(`${text}spec:\n  secrets:\n    - key: a\n      encryptedSecret: ${NEW}\n`);
    });

    it('to JSON', () => {
      const text = '{"kind": "KMSVaultSecret", "spec": {"secrets": [{"key": "b"}]}}';
      expect(JSON.parse(set(text))).toEqual({
        kind: 'KMSVaultSecret',
        spec: { secrets: [{ key: 'b' }, { key: 'a', encryptedSecret: NEW }] },
      });
    });

    it.each(['yes', '1e3', 'a: b', '~', '#', '-', 'ünïcode', '__proto__', 'two\nlines', '\u2028', '😀'])(
      'with the key %j',
      (key) => {
        const file = ManifestFile.parse('', set(`${HEAD}  secrets:\n  - key: b\n`, key));
        expect((file.resources[0]?.object as { spec: unknown }).spec).toEqual({
          path: 'secret/data/web',
          secrets: [{ key: 'b' }, { key, encryptedSecret: NEW }],
        });
      },
    );
  });

  it('removes an item and leaves the comments beside it', () => {
    const text = `${HEAD}  secrets:\n  # a\n  - key: a\n    encryptedSecret: x # gone\n  # b\n  - key: b\n    encryptedSecret: y`;
    expect(remove(text, 'a')).toBe(`${HEAD}  secrets:\n  # a\n  # b\n  - key: b\n    encryptedSecret: y`);
    expect(remove(text, 'b')).toBe(
      `${HEAD}  secrets:\n  # a\n  - key: a\n    encryptedSecret: x # gone\n  # b`,
    );
  });

  it('leaves an empty list when the last item is removed', () => {
    expect(remove(`${HEAD}  secrets: # all\n  - key: a\n    encryptedSecret: x\n`, 'a')).toBe(
      `${HEAD}  secrets: [] # all\n`,
    );
    expect(remove(`${HEAD}  secrets: [{key: a}]\n`, 'a')).toBe(`${HEAD}  secrets: []\n`);
  });

  describe('refuses a change that would alter another value', () => {
    it.each([
      [
        'a used anchor',
        `  secrets:\n  - key: a\n    encryptedSecret: &x y\n  - key: b\n    encryptedSecret: *x\n`,
      ],
      [
        'an alias',
        `  secrets:\n  - key: b\n    encryptedSecret: &x y\n  - key: a\n    encryptedSecret: *x\n`,
      ],
      ['an item from an alias', `  secretContext: &i {key: a}\n  secrets:\n  - *i\n`],
      ['an item with a used anchor', `  secrets:\n  - &i {key: a, encryptedSecret: x}\nother: *i\n`],
      ['a merge key', `  secretContext: &i {key: a}\n  secrets:\n  - <<: *i\n    encryptedSecret: x\n`],
    ])('%s', (_name, text) => {
      expect(() => set(HEAD + text)).toThrow(/alias|anchor|altering/);
    });
  });

  it('tells where problems are, without quoting the file', () => {
    const file = ManifestFile.parse('web.yaml', `${HEAD}  secrets: [ hunter2\n`);
    expect(file.problems.length).toBeGreaterThan(0);
    expect(file.problems[0]?.at.line).toBeGreaterThanOrEqual(7);
    expect(JSON.stringify(file.problems)).not.toContain('hunter2');
  });

  it('tells where fields are', () => {
    const file = ManifestFile.parse('web.yaml', `${HEAD}  secrets:\n    - key: a\n      encryptedSecret:\n`);
    const [resource] = file.resources;
    expect(resource?.positionOf(['spec', 'path'])).toEqual({ line: 6, column: 9 });
    expect(resource?.positionOf(['spec', 'secrets', 0, 'encryptedSecret'])).toEqual({ line: 9, column: 7 });
    expect(resource?.positionOf(['spec', 'secrets', 0, 'secretContext'])).toEqual({ line: 8, column: 7 });
    expect(resource?.positionOf(['spec', 'kvSettings', 'engineVersion'])).toEqual({ line: 6, column: 3 });
  });

  it('reads values as kubectl does', () => {
    const file = ManifestFile.parse(
      '',
      'kind: KMSVaultSecret\nspec:\n  a: yes\n  b: 2001-01-01\n  c: 12:30\n  d: 0o7\n  e: e5\n  f: 1e3\n',
    );
    expect(file.resources[0]?.object).toMatchObject({
      spec: { a: true, b: '2001-01-01', c: '12:30', d: '0o7', e: 'e5', f: 1_000 },
    });
  });
});
