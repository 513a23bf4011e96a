import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

import { describe, expect, it } from '@jest/globals';

interface Import {
  readonly file: string;
  readonly target: string;
  /** What is imported by name. */
  readonly names?: readonly string[];
}

/** Third-party clients and the only folders that import them. */
const CLIENTS: Readonly<Record<string, readonly string[]>> = {
  '@dot-i/k8s-operator': ['watch'],
  '@kubernetes/client-node': ['watch', 'kube'],
  '@aws-sdk/client-kms': ['kms'],
  '@aws-sdk/client-sts': ['vault'],
  'hashi-vault-js': ['vault'],
  commander: ['cli'],
  yaml: ['cli'],
};

/** Folder to the other folders that it must not import; `api` and `config` import none. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  kms: ['reconcile', 'watch', 'queue', 'admission', 'vault', 'kube'],
  vault: ['reconcile', 'watch', 'queue', 'admission', 'kms', 'kube'],
  kube: ['reconcile', 'watch', 'queue', 'admission', 'kms', 'vault'],
  queue: ['reconcile', 'watch', 'admission', 'kms', 'vault', 'kube'],
  reconcile: ['watch', 'admission'],
  watch: ['reconcile', 'admission', 'kms', 'vault'],
  admission: ['reconcile', 'watch', 'queue', 'vault', 'kube'],
  cli: ['watch', 'queue'],
};

/** What a service needs of tsyringe; only `composition/` registers and makes containers. */
const DECORATORS = ['inject', 'injectAll', 'injectable'];

function importsOf(file: string, text: string): Import[] {
  return [...text.matchAll(/(?:\{([^{}]*)\}\s*)?(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => ({
    file,
    target: match[2] ?? '',
    names: (match[1] ?? '').split(',').flatMap((name) => name.trim().split(/\s+as\s+/)[0] || []),
  }));
}

/** The folder of `src` that a file, or what it imports, lies in; empty for entry points and packages. */
function folderOf(path: string): string {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? '';
}

/** Who may know of containers and of what is made by them. */
function wiringProblems({ target, names = [] }: Import, from: string, to: string): string[] {
  const found: string[] = [];
  const entry = from === '';
  if (target === 'tsyringe' && from !== 'composition' && names.some((name) => !DECORATORS.includes(name)))
    found.push('only composition registers and resolves');
  if (to === 'program' && !entry && from !== 'composition' && from !== 'program')
    found.push('only composition and the entry points know the programs');
  if (to === 'composition' && !entry && from !== 'composition')
    found.push('only entry points use composition');
  return found;
}

function violations(imports: readonly Import[]): string[] {
  return imports.flatMap(({ file, target, names = [] }) => {
    const from = folderOf(file);
    const relative = target.startsWith('.') ? normalize(join(dirname(file), target)) : undefined;
    const to = relative === undefined ? '' : folderOf(relative);
    const say = (rule: string): string => `${file} imports ${target}: ${rule}`;
    const found: string[] = [];
    const owners = CLIENTS[target];
    if (owners !== undefined && from !== '' && !owners.includes(from))
      found.push(say(`only ${owners.join(', ')} does`));
    if (relative?.startsWith('test/') === true) found.push(say('src never imports test'));
    if ((from === 'api' || from === 'config') && to !== '' && to !== from)
      found.push(say(`${from} imports no other folder`));
    if ((from === 'api' || from === 'config') && target.startsWith('node:'))
      found.push(say(`${from} does no I/O`));
    if (FORBIDDEN[from]?.includes(to) === true) found.push(say(`${from} does not import ${to}`));
    if (to === 'cli' && !['', 'cli', 'composition'].includes(from))
      found.push(say("nothing depends on the author's tool"));
    const isWebhook = ['src/webhook.ts', 'src/validating-webhook.ts'].includes(file);
    if (isWebhook && ['watch', 'queue', 'vault'].includes(to))
      found.push(say('the webhook has no watchers and no Vault'));
    return [...found, ...wiringProblems({ file, target, names }, from, to).map(say)];
  });
}

/** Files that import each other, directly or around others; the type of an import makes no difference. */
function circles(imports: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { file, target } of imports) {
    if (!target.startsWith('.')) continue;
    const path = normalize(join(dirname(file), target)).replace(/\.js$/, '.ts');
    targets.set(file, [...(targets.get(file) ?? []), path]);
  }
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(' -> '));
    if (done.has(file) || way.includes(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...way, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return found;
}

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => `src/${file}`);

const imports = files.flatMap((file) => importsOf(file, readFileSync(file, 'utf8')));

describe('imports', () => {
  it('make no circle', () => {
    expect(circles(imports)).toEqual([]);
  });

  it('are seen to make one, around a third file and by types, too', () => {
    const a = importsOf('src/x/a.ts', "import { b } from '../y/b.js';");
    const b = importsOf('src/y/b.ts', "import type { C } from './c.js';");
    const c = importsOf('src/y/c.ts', "export { a } from '../x/a.js';");
    expect(circles([...a, ...b])).toEqual([]);
    expect(circles([...a, ...b, ...c])).toEqual(['src/x/a.ts -> src/y/b.ts -> src/y/c.ts -> src/x/a.ts']);
  });
});

describe('the boundaries between the folders', () => {
  it('are kept by every file', () => {
    expect(imports.length).toBeGreaterThan(200);
    expect(violations(imports)).toEqual([]);
  });

  it.each([
    ['src/api/x.ts', '../vault/y.js'],
    ['src/config/x.ts', 'node:fs'],
    ['src/reconcile/x.ts', '@aws-sdk/client-kms'],
    ['src/vault/auth/x.ts', '../../reconcile/y.js'],
    ['src/queue/x.ts', '../program/y.js'],
    ['src/queue/x.ts', '../kms/y.js'],
    ['src/reconcile/x.ts', '../watch/y.js'],
    ['src/admission/x.ts', '../vault/y.js'],
    ['src/validating-webhook.ts', './queue/y.js'],
    ['src/kube/x.ts', '../composition/tokens.js'],
    ['src/cli/editing/x.ts', '../../queue/y.js'],
    ['src/cli/editing/x.ts', '../../composition/cli-container.js'],
    ['src/reconcile/x.ts', '../cli/console.js'],
    ['src/kms/x.ts', 'yaml'],
    ['src/main.ts', '../test/support/wait.js'],
  ])('are seen to be broken when %s imports %s', (file, target) => {
    expect(violations([{ file, target }])).toHaveLength(1);
  });

  it('are seen to be broken by a service that uses a container', () => {
    const of = (names: string): Import[] =>
      importsOf('src/queue/x.ts', `import { ${names} } from 'tsyringe';`);
    expect(violations(of('inject, injectable'))).toEqual([]);
    expect(violations(of('container, inject'))).toHaveLength(1);
    expect(violations(of('type DependencyContainer'))).toHaveLength(1);
  });

  it('have no folder and no file with a name that says nothing', () => {
    expect(files.filter((file) => /(^|[/-])(utils?|helpers?|common|types|misc)(\.ts|\/)/.test(file))).toEqual(
      [],
    );
  });
});
