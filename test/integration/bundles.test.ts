import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { build } from 'esbuild';

/** What a start has to read. More of it is paid for by every start and in every process. */
const BUDGETS = [
  { program: 'main', bundle: 'operator', modules: 1_030, bytes: 1_810_000 },
  { program: 'webhook', bundle: 'validating-webhook', modules: 690, bytes: 940_000 },
  { program: 'cli', bundle: 'cli', modules: 1_080, bytes: 1_900_000 },
];

/** Node loads its whole implementation of fetch as soon as one of these is looked at. */
const LOADS_FETCH = ['FormData', 'Headers', 'Request', 'Response', 'MessageEvent', 'WebSocket'];

/** Prints the names of {@link LOADS_FETCH} that are looked at. */
const WATCH_GLOBALS = `data:text/javascript,
  for (const name of ${JSON.stringify(LOADS_FETCH)})
    Object.defineProperty(globalThis, name, { configurable: true, get: () => console.log('looked at', name) });`;

/** Prints the modules of Node that a start has loaded. */
const LIST_LOADED =
  'data:text/javascript,process.on("exit", () => console.log(process.moduleLoadList.join("\\n")))';

describe.each(BUDGETS)('the bundle $bundle', ({ program, bundle, modules, bytes }) => {
  const { sources } = JSON.parse(readFileSync(`dist/${bundle}.js.map`, 'utf8')) as { sources: string[] };

  it('stays within its budget of modules and bytes', () => {
    expect(sources.length).toBeLessThanOrEqual(modules);
    expect(statSync(`dist/${bundle}.js`).size).toBeLessThanOrEqual(bytes);
  });

  it('holds no models of the Kubernetes API', () => {
    expect(sources.filter((source) => source.includes('client-node/dist/gen'))).toEqual([]);
  });

  it('starts without loading the fetch of Node', () => {
    const printed = execFileSync(
      process.execPath,
      ['--import', WATCH_GLOBALS.replaceAll('\n', ' '), `dist/${program}.js`, '--version'],
      { encoding: 'utf8' },
    );
    expect(printed).not.toContain('looked at');
    expect(printed).toContain('1.');
  });

  it("starts without loading Node's HTTP/2", () => {
    const run = ['--import', LIST_LOADED, `dist/${program}.js`, '--version'];
    const printed = execFileSync(process.execPath, run, { encoding: 'utf8' });
    expect(printed).toContain('NativeModule fs');
    expect(printed).not.toContain('NativeModule http2');
  });
});

describe('OpenID Connect of a kubeconfig', () => {
  it('finds every name of openid-client that it uses', async () => {
    const source = readFileSync('node_modules/@kubernetes/client-node/dist/oidc_auth.js', 'utf8');
    const used = new Set([...source.matchAll(/\boidc\.(\w+)/g)].map(([, property]) => property));
    expect(used.size).toBeGreaterThan(0);
    expect(await exportsOf('scripts/slim/openid-client.mjs')).toEqual(expect.arrayContaining([...used]));
  });
});

describe('the framework in the bundle', () => {
  const source = readFileSync('node_modules/@dot-i/k8s-operator/dist/operator.js', 'utf8');

  it.each([
    ['@kubernetes/client-node', 'client-node', /\b(?<![\w.])(?:k8s|client_node_1)\.(\w+)/g],
    ['gaxios', 'gaxios', /\bgaxios_1\.(\w+)/g],
  ])('finds every name of %s that it uses', async (name, replacement, use) => {
    expect(source).toContain(`require("${name}")`);
    const used = new Set([...source.matchAll(use)].map(([, property]) => property));
    expect(used.size).toBeGreaterThan(0);
    expect(await exportsOf(`scripts/slim/${replacement}.mjs`)).toEqual(expect.arrayContaining([...used]));
  });
});

/** The modules of packages that a run evaluates, and those that it does not; each is a function in the bundle. */
function modulesOf(
  program: string,
  bundle: string,
  ...args: string[]
): Record<'evaluated' | 'left', string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'coverage-'));
  try {
    spawnSync(process.execPath, [`dist/${program}.js`, ...args], { env: { NODE_V8_COVERAGE: folder } });
    const [file = ''] = readdirSync(folder);
    const { result } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Coverage;
    const script = result.find(({ url }) => url.endsWith(`dist/${bundle}.js`));
    const modules = (script?.functions ?? []).filter(({ functionName }) => /node_modules/.test(functionName));
    const named = (wasRun: boolean): string[] =>
      modules
        .filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0 === wasRun)
        .map(({ functionName }) => functionName);
    return { evaluated: named(true), left: named(false) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('a start', () => {
  it.each(['@aws-sdk/client-sts', '@aws-sdk/nested-clients', 'openid-client', 'oauth4webapi', 'socks'])(
    'evaluates nothing of %s',
    (name) => {
      const { evaluated, left } = modulesOf('main', 'operator', '--version');
      const of = (modules: string[]): string[] =>
        modules.filter((module) => module.includes(`node_modules/${name}/`));
      expect(of(evaluated)).toEqual([]);
      // In the bundle as a function that has not been called, not as a part of the start.
      expect(of(left)).not.toEqual([]);
    },
  );

  it.each(BUDGETS)('of $program has no part of OpenTelemetry', ({ bundle }) => {
    const { sources } = JSON.parse(readFileSync(`dist/${bundle}.js.map`, 'utf8')) as { sources: string[] };
    expect(sources.filter((source) => source.includes('@opentelemetry'))).toEqual([]);
  });
});

describe("the author's tool", () => {
  const evaluated = (...args: string[]): string[] => modulesOf('cli', 'cli', ...args).evaluated;
  const heavy = /node_modules\/(?:@aws-sdk|@smithy|yaml|tsyringe|axios|@kubernetes)\//;

  it.each([
    [['--help']],
    [['--version']],
    [['set', '--help']],
    [['plan', '--help']],
    [['set', '--nonsense']],
  ])('runs %j without the AWS SDK, the YAML parser and the container', (args) => {
    const modules = evaluated(...args);
    expect(modules).toContain('node_modules/commander/index.js');
    expect(modules.filter((name) => heavy.test(name))).toEqual([]);
  });

  it('loads them when a command runs, and no client that it does not need', () => {
    const modules = evaluated('set', 'missing.yaml', 'key', '--empty');
    expect(modules.filter((name) => heavy.test(name)).length).toBeGreaterThan(100);
    expect(
      modules.filter((name) => /node_modules\/(?:@kubernetes|hashi-vault-js|axios)\//.test(name)),
    ).toEqual([]);
  });
});

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly count: number }[];
    }[];
  }[];
}

async function exportsOf(module: string): Promise<readonly string[]> {
  const { metafile } = await build({
    entryPoints: [module],
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    metafile: true,
    write: false,
    outfile: 'names.mjs',
  });
  return metafile.outputs['names.mjs']?.exports ?? [];
}
