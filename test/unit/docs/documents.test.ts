import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';

import { plainManifests } from '../../../scripts/manifests/rendering.js';
import { ObjectSchemas } from '../../../scripts/manifests/object-schemas.js';
import { ENVIRONMENT_VARIABLES } from '../../../src/config/environment-variables.js';
import { fileVariables } from '../../../src/config/file-variables.js';
import { operatorFlags } from '../../../src/config/operator-config.js';
import { WEBHOOK_FLAGS } from '../../../src/config/webhook-config.js';
import { commandTree } from '../../../scripts/reference/command-tables.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';
import { labelsOfSeries } from '../monitoring/exported-series.js';
import { readQuery } from '../monitoring/promql.js';
import { brokenLinks, documentFiles, parseDocument, readDocument } from './markdown.js';

const documents = new Map(documentFiles().map((file) => [file, readDocument(file)]));
const blocks = [...documents.values()].flatMap(({ file, blocks: found }) =>
  found.map((block) => ({ ...block, where: `${file}:${String(block.line)}` })),
);
const ofLanguage = (language: string): typeof blocks => blocks.filter((block) => block.language === language);

/** What a shell block needs beyond this repository; without a mark it runs here unchanged, and `.ci/run` runs it. */
const MARKS: Readonly<Record<string, string>> = {
  '': 'a clone of the repository',
  program: 'a program and the servers that it talks to',
  cluster: 'a cluster',
  registry: 'a registry',
  aws: 'an AWS account',
  vault: 'a Vault',
  'vault-aws': 'a Vault that can reach AWS',
  'vault-github': 'a Vault that can reach GitHub',
  'vault-ldap': 'a Vault that can reach an LDAP server',
  'vault-outside': 'a Vault outside the cluster',
  github: 'a repository on GitHub',
};
const COMMANDS = [
  'aws',
  'bash',
  'cd',
  'chmod',
  'cosign',
  'curl',
  'docker',
  'export',
  'for',
  'git',
  'helm',
  'jq',
  'kubectl',
  'kubectl-kms_vault',
  'node',
  'npm',
  'openssl',
  'sh',
  'source',
  'terraform',
  'vault',
];
const LOCAL = ['npm', 'node', 'git', 'cd', 'bash', 'sh'];
const CAPABILITIES = ['create', 'read', 'update', 'delete', 'list', 'deny', 'sudo', 'patch'];
const VARIABLES = new Set(
  [
    ...ENVIRONMENT_VARIABLES,
    ...AUTH_METHODS.flatMap(({ variables }) => [...variables, ...fileVariables(variables)]),
  ].map(({ name }) => name),
);
const TREE = commandTree();
const OPTIONS = [TREE, ...TREE.commands].flatMap(({ options }) =>
  options.map(({ long }) => ({ name: (long ?? '').slice(2) })),
);
const FLAGS = new Set([...operatorFlags(AUTH_METHODS), ...WEBHOOK_FLAGS, ...OPTIONS].map(({ name }) => name));
/** Flags of other programs that the documents speak of. */
const FOREIGN_FLAGS = new Set([
  'flag',
  'once',
  'show-values',
  'json',
  'resources',
  'resource',
  'watch',
  'help',
  'version',
  'timeline',
  'create-namespace',
  'namespace',
  'reset-then-reuse-values',
  'reuse-values',
  'set-json',
  'take-ownership',
  'force-conflicts',
  'values',
  'service-account-issuer',
]);

/** Kinds of other tools, which have no schema here. */
const FOREIGN_KINDS = /^(?:kustomize\.config\.k8s\.io|kustomize\.toolkit\.fluxcd\.io|argoproj\.io)\//;

/** The first words of a block's commands. */
function commandsOf(text: string): string[] {
  const joined = text
    .replace(/\\\n\s*/g, ' ')
    .replace(/<<'?(\w+)'?\n[\s\S]*?\n\1\n/g, '\n')
    .replace(/'[^']*'|"[^"]*"/g, 'X');
  return joined
    .split(/\n|&&|\|\|?|;/)
    .map((line) => line.replace(/^\s*(?:[A-Z_]+=\S*\s+)*/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !/^(done|do|fi|then|else)\b/.test(line))
    .map((line) => line.split(/\s+/)[0] ?? '')
    .filter((word) => !/^[A-Z_]+=/.test(word));
}

/** Flags of our programs, and what looks like one, among pieces of code. */
function flagsIn(code: string): string[] {
  const found = /^(?:`)?--?([a-z][a-z-]+)(?:[= ].*)?$/.exec(code);
  return found?.[1] === undefined ? [] : [found[1]];
}

describe('documents', () => {
  it.each([...documents.keys()])('%s: links and anchors lead somewhere', (file) => {
    const document = documents.get(file);
    if (document === undefined) throw new Error(file);
    expect(brokenLinks(document, documents, existsSync)).toEqual([]);
  });

  it.each([...documents.keys()])('%s: files, flags and metrics that it names are there', (file) => {
    const { code = [] } = documents.get(file) ?? {};
    const labels = labelsOfSeries();
    const wrong = code.filter((piece) => {
      const path = /^(?:src|test|scripts|docs|manifests|kustomize|bench|\.github)\/[\w./-]*$/.exec(
        piece,
      )?.[0];
      if (path !== undefined) return !existsSync(path);
      const [flag] = flagsIn(piece);
      if (flag !== undefined) return !FLAGS.has(flag) && !FOREIGN_FLAGS.has(flag);
      const metric = /^(kms_vault_(?:operator|webhook)_[a-z_]+[a-z])(?:\{([^}]*)\})?$/.exec(piece);
      if (metric?.[1] === undefined) return false;
      const known = labels(metric[1]) ?? labels(`${metric[1]}_bucket`);
      const named = (metric[2] ?? '').split(',').flatMap((one) => /^\w+/.exec(one.trim())?.[0] ?? []);
      return known === undefined || named.some((label) => !known.includes(label));
    });
    expect(wrong).toEqual([]);
  });

  it.each([...documents.keys()])('%s: variables that it names are read', (file) => {
    const { code = [] } = documents.get(file) ?? {};
    const named = code.flatMap(
      (piece) => /^(?:VAULT|AWS|SSL|HTTPS?|NO)_[A-Z0-9_]+(?==|$)/.exec(piece)?.[0] ?? [],
    );
    expect(named.filter((name) => !VARIABLES.has(name))).toEqual([]);
  });
});

describe('blocks', () => {
  const schemas = new ObjectSchemas(
    plainManifests()
      .flatMap(({ objects }) => objects)
      .filter(({ kind }) => kind === 'CustomResourceDefinition'),
  );

  it('have a language, and shell blocks say what they need', () => {
    const languages = ['terraform', 'sh', 'yaml', 'json', 'hcl', 'promql', 'text', 'ts', 'mermaid'];
    const unknown = blocks.filter(
      ({ language, mark }) => !languages.includes(language) || (language === 'sh' && !(mark in MARKS)),
    );
    expect(unknown.map(({ where, language, mark }) => `${where}: ${language} ${mark}`)).toEqual([]);
    // Without a mark a block needs nothing but Node and a clone.
    for (const { where, text } of ofLanguage('sh').filter(({ mark }) => mark === ''))
      expect({ where, others: commandsOf(text).filter((one) => !LOCAL.includes(one)) }).toEqual({
        where,
        others: [],
      });
  });

  it.each(ofLanguage('sh'))('$where: is shell, of known commands', ({ text }) => {
    const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(commandsOf(text).filter((command) => !COMMANDS.includes(command))).toEqual([]);
    for (const [, script] of text.matchAll(/npm (?:run )?(?:-s )?([a-z][a-z:0-9-]*)/g)) {
      if (!['ci', 'test', 'run', 'pack'].includes(script ?? '')) {
        const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
        expect(Object.keys(scripts)).toContain(script);
      }
    }
    for (const [, path = ''] of text.matchAll(/(?:^| )(?:-f|-k|apply -k) ((?:manifests|kustomize)\/\S+)/gm))
      expect({ path, exists: existsSync(path) }).toEqual({ path, exists: true });
  });

  it.each(ofLanguage('yaml'))('$where: is YAML, and what it describes has its schema', ({ text }) => {
    for (const document of parseAllDocuments(text)) {
      expect([...document.errors, ...document.warnings]).toEqual([]);
      const object = document.toJS();
      if (typeof object?.apiVersion !== 'string' || FOREIGN_KINDS.test(object.apiVersion)) continue;
      expect(schemas.faults(object)).toEqual([]);
    }
  });

  it.each(ofLanguage('json'))('$where: is JSON', ({ text }) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow();
  });

  it.each(ofLanguage('hcl'))('$where: is a policy', ({ text }) => {
    const rest = text
      .replace(/#.*$/gm, '')
      .replace(/path\s+"[^"]+"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]\s*\}/g, (_rule, list: string) => {
        for (const one of list.split(',')) expect(CAPABILITIES).toContain(one.trim().replace(/"/g, ''));
        return '';
      });
    expect(rest.trim()).toBe('');
  });

  // A language that no document uses at the moment has no blocks.
  const promql = ofLanguage('promql');
  (promql.length === 0 ? it.skip : it).each(promql)('$where: asks for what is exported', ({ text }) => {
    for (const query of text.trim().split('\n\n'))
      expect(() => readQuery(query, labelsOfSeries())).not.toThrow();
  });
});

describe('the checks of documents', () => {
  const text = [
    '# A heading, with `code`',
    '',
    'See [here](#a-heading-with-code), [there](#nowhere), [a file](no/such.md), [web](https://x.y).',
    '',
    '  ```sh cluster',
    '  kubectl get x | jq . && frobnicate <<EOF',
    '  not a command',
    '  EOF',
    '  ```',
    '',
    '`--no-such-flag` `--log-level=debug` `-on-kms-error=allow`',
  ].join('\n');

  it('find what is wrong', () => {
    const document = parseDocument('x.md', text);
    expect(brokenLinks(document, new Map([['x.md', document]]), (path) => path === 'x.md')).toEqual([
      '#nowhere',
      'no/such.md',
    ]);
    const [block] = document.blocks;
    expect(block).toMatchObject({ language: 'sh', mark: 'cluster', line: 5 });
    expect(commandsOf(block?.text ?? '')).toEqual(['kubectl', 'jq', 'frobnicate']);
    expect(document.code.flatMap(flagsIn)).toEqual(['no-such-flag', 'log-level', 'on-kms-error']);
    expect(() => parseDocument('y.md', '```sh\nx')).toThrow(/has no end/);
  });
});
