import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

interface Step {
  readonly id?: string;
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, string | boolean | number>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly uses?: string;
  readonly needs?: string | string[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { matrix: Record<string, unknown> };
  readonly steps?: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const FOLDER = '.github/workflows';
const files = readdirSync(FOLDER);
const texts = new Map(files.map((file) => [file, readFileSync(join(FOLDER, file), 'utf8')]));
const { scripts, version } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>;
  version: string;
};

function workflow(file: string): Workflow {
  return parse(texts.get(file) ?? '') as Workflow;
}

function steps(file: string, job: string): readonly Step[] {
  return workflow(file).jobs[job]?.steps ?? [];
}

function shell(file: string): string {
  return Object.values(workflow(file).jobs)
    .flatMap((job) => job.steps ?? [])
    .map((step) => step.run ?? '')
    .join('\n');
}

/** What a shell makes of the words after `--tag` in the release's steps. */
function publishedTags(): string[] {
  const known: Record<string, string> = { IMAGE: 'image', VERSION: '1.2.3', GITHUB_SHA: 'c0ffee' };
  const script = steps('release.yml', 'publish')
    .map((step) => step.run ?? '')
    .join('\n');
  const words = [...script.matchAll(/--tag "([^"]+)"/g)].map(([, word = '']) => word);
  const architectures = [
    ...new Set([...script.matchAll(/for architecture in ([\w ]+);/g)].map(([, list]) => list)),
  ];
  expect(architectures).toHaveLength(1);
  return words
    .flatMap((word) =>
      word.includes('$architecture')
        ? (architectures[0] ?? '').split(' ').map((name) => word.replace('$architecture', name))
        : [word],
    )
    .map((word) => word.replace(/\$(\w+)/g, (_, name: string) => known[name] ?? `?${name}`));
}

describe.each(files)('%s', (file) => {
  it('pins every action by its commit and says which version that is', () => {
    const used = (texts.get(file) ?? '').split('\n').filter((line) => /^\s*(- )?uses:/.test(line));
    expect(used.length).toBeGreaterThan(0);
    for (const line of used.filter((line) => !line.includes('uses: ./'))) {
      expect(line).toMatch(/uses: [\w.-]+(\/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    }
  });

  it('pins every image by tag and digest', () => {
    for (const [image] of (texts.get(file) ?? '').matchAll(/docker\.io\/\S+/g)) {
      if (image === 'docker.io/patoarvizu/kms-vault-operator') continue;
      expect(image).toMatch(/^docker\.io\/[\w-]+\/[\w-]+:[\w.-]+@sha256:[0-9a-f]{64}$/);
    }
  });

  it('grants nothing by default, to each job what it names, and lets none run for ever', () => {
    const { permissions, jobs } = workflow(file);
    expect(permissions).toEqual({});
    for (const job of Object.values(jobs)) {
      expect(job.permissions).toBeDefined();
      if (job.uses === undefined) expect(job['timeout-minutes']).toBeLessThanOrEqual(60);
    }
  });

  it('leaves no credentials in the checkout', () => {
    const checkouts = Object.values(workflow(file).jobs)
      .flatMap((job) => job.steps ?? [])
      .filter((step) => step.uses?.startsWith('actions/checkout@') === true);
    for (const checkout of checkouts) expect(checkout.with?.['persist-credentials']).toBe(false);
  });

  it('puts nothing that others can choose into a shell', () => {
    expect(shell(file)).not.toContain('${{');
  });

  it('runs npm scripts that exist', () => {
    const named = [...shell(file).matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});

describe('the same action', () => {
  it('is the same version everywhere', () => {
    const versions = new Map<string, Set<string>>();
    for (const [, name = '', reference = ''] of [...texts.values()]
      .join('\n')
      .matchAll(/uses: ([\w./-]+)@(.+)$/gm)) {
      versions.set(name, (versions.get(name) ?? new Set()).add(reference));
    }
    expect([...versions].filter(([, references]) => references.size > 1)).toEqual([]);
  });
});

describe('permissions', () => {
  it('to write are held by the jobs that need them alone', () => {
    const writing = files.flatMap((file) =>
      Object.entries(workflow(file).jobs).flatMap(([name, job]) =>
        Object.entries(job.permissions ?? {})
          .filter(([, level]) => level !== 'read')
          .map(([scope]) => `${file} ${name}: ${scope}`),
      ),
    );
    expect(writing.sort()).toEqual([
      'codeql.yml analyze: security-events',
      'release.yml announce: contents',
      'release.yml chart: id-token',
      'release.yml chart: packages',
      'release.yml index: contents',
      'release.yml index: pages',
      'release.yml publish: id-token',
    ]);
  });
});

describe('ci.yml', () => {
  it('tests on every supported version of Node, the oldest by its minor version', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
    expect(workflow('ci.yml').jobs['test']?.strategy?.matrix['node']).toEqual([
      engines.node.replace('>=', ''),
      '22',
      '24',
    ]);
  });
});

describe('release.yml', () => {
  it('starts at a version tag and goes on only when that is the version of package.json', () => {
    const { on } = workflow('release.yml') as unknown as { on: { push: { tags: string[] } } };
    const [pattern = ''] = on.push.tags;
    const expression = new RegExp(`^${pattern.replaceAll('.', '\\.')}$`);
    expect(`v${version}`).toMatch(expression);
    expect('latest').not.toMatch(expression);
    expect(Object.keys(workflow('release.yml').on)).toEqual(['push']);
  });

  it('builds, tags and signs nothing before the tests and the audit have passed', () => {
    const { jobs } = workflow('release.yml');
    expect(jobs['test']?.uses).toBe('./.github/workflows/ci.yml');
    expect(jobs['build']?.needs).toContain('test');
    expect(jobs['publish']?.needs).toContain('build');
    expect(jobs['tool']?.needs).toContain('test');
    expect(workflow('ci.yml').on).toHaveProperty('workflow_call');
    expect(shell('ci.yml')).toContain('npm audit --omit=dev');
  });

  it('builds the three architectures', () => {
    const matrix = workflow('release.yml').jobs['build']?.strategy?.matrix as {
      include: { architecture: string; platform: string }[];
    };
    expect(matrix.include.map(({ architecture, platform }) => [architecture, platform])).toEqual([
      ['amd64', 'linux/amd64'],
      ['arm64', 'linux/arm64'],
      ['arm7', 'linux/arm/v7'],
    ]);
  });

  it('publishes version, commit and latest, each for all architectures and for each one', () => {
    const suffixes = ['', '-amd64', '-arm64', '-arm7'];
    const expected = ['1.2.3', 'v1.2.3', 'c0ffee', 'latest'].flatMap((tag) =>
      suffixes.map((suffix) => `image:${tag}${suffix}`),
    );
    expect(publishedTags().sort()).toEqual(expected.sort());
  });

  it('gives a value to every build argument, and every image an SBOM and full provenance', () => {
    const build = steps('release.yml', 'build').find(({ id }) => id === 'build');
    const given = String(build?.with?.['build-args'])
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    const declared = [...readFileSync('Dockerfile', 'utf8').matchAll(/^ARG (\w+)/gm)].map(([, name]) => name);
    // BuildKit hands SOURCE_DATE_EPOCH on from its own environment.
    expect(new Set([...given, ...Object.keys(build?.env ?? {})])).toEqual(new Set(declared));
    expect(build?.with?.['provenance']).toBe('mode=max');
    expect(build?.with?.['sbom']).toMatch(/^generator=.+@sha256:/);
    expect(build?.with?.['outputs']).toContain('push-by-digest=true');
    expect(build?.with).not.toHaveProperty('tags');
  });

  it("publishes the author's tool, its archive with a checksum, and the krew manifest", () => {
    const made = steps('release.yml', 'tool')
      .map((step) => step.run ?? '')
      .join('\n');
    expect(made).toContain('node scripts/krew.mjs tool');
    const published = steps('release.yml', 'announce')
      .map((step) => step.run ?? '')
      .join('\n');
    for (const file of ['tool/kubectl-kms_vault', 'tool/*.tar.gz', 'tool/*.sha256', 'tool/kms-vault.yaml'])
      expect(published).toContain(file);
    expect(workflow('release.yml').jobs['announce']?.needs).toEqual(['publish', 'tool', 'chart']);
  });

  it('pushes the chart beside the images, not over them, signs what it pushed, and adds it to the Helm repository', () => {
    const { env = {}, jobs } = workflow('release.yml');
    const scriptOf = (job: string): string =>
      steps('release.yml', job)
        .map((step) => step.run ?? '')
        .join('\n');
    expect(jobs['chart']?.needs).toContain('publish');
    expect(env['IMAGE']).not.toContain(env['CHARTS']);
    const order = ['helm package', 'helm push', 'cosign sign', 'cosign verify', 'helm template'].map(
      (command) => scriptOf('chart').indexOf(command),
    );
    expect(order).not.toContain(-1);
    expect(order).toEqual([...order].sort((one, other) => one - other));
    expect(scriptOf('chart')).toContain('cosign sign --yes "$CHARTS/kms-vault-operator@$digest"');
    expect(readFileSync('charts/kms-vault-operator/README.md', 'utf8')).toContain(
      `oci://${env['CHARTS'] ?? ''}/kms-vault-operator --version ${version}`,
    );
    expect(scriptOf('announce')).toContain('chart/*.tgz');
    // A package that is not there yet must not be in the index.
    expect(jobs['index']?.needs).toBe('announce');
    expect(scriptOf('index')).toMatch(/node scripts\/chart-index\.mjs chart\/\*\.tgz[^]*\/pages\/builds"/);
  });

  it('signs what it tags before the tag, and verifies it as SECURITY.md tells users to', () => {
    const script = steps('release.yml', 'publish')
      .map((step) => step.run ?? '')
      .join('\n');
    const order = [
      'cosign sign --yes --recursive "$IMAGE@$digest"',
      '--tag "$IMAGE:$VERSION-$architecture"',
      '--tag "$IMAGE:$GITHUB_SHA" $sources',
      'cosign sign --yes "$IMAGE@$digest"',
      '--tag "$IMAGE:$VERSION" --tag "$IMAGE:v$VERSION" --tag "$IMAGE:latest"',
      'cosign verify',
    ].map((command) => script.indexOf(command));
    expect(order).not.toContain(-1);
    expect(order).toEqual([...order].sort((one, other) => one - other));
    const identity = /--certificate-identity "([^"]+)"/
      .exec(script)?.[1]
      ?.replace('$GITHUB_REPOSITORY', 'patoarvizu/kms-vault-operator')
      .replace('$GITHUB_REF', `refs/tags/v${version}`);
    const security = readFileSync('SECURITY.md', 'utf8');
    expect(identity).toBeDefined();
    expect(security).toContain(`--certificate-identity ${identity ?? ''}`);
    expect(security).toContain('--certificate-oidc-issuer https://token.actions.githubusercontent.com');
  });
});

describe('e2e.yml', () => {
  it('sets variables that the suite reads, and all that it cannot do without', () => {
    const suite = readdirSync('test/e2e')
      .map((file) => readFileSync(join('test/e2e', file), 'utf8'))
      .join('\n');
    const set = new Set([...shell('e2e.yml').matchAll(/(E2E_\w+)=/g)].map(([, name = '']) => name));
    expect([...set].filter((name) => !suite.includes(name))).toEqual([]);
    const needed = [...suite.matchAll(/need\('(E2E_\w+)'\)/g)].map(([, name = '']) => name);
    expect(needed.length).toBeGreaterThan(0);
    expect(needed.filter((name) => !set.has(name))).toEqual([]);
    expect(shell('e2e.yml')).toContain('npm run test:e2e');
  });
});

describe('dependabot.yml', () => {
  it('watches npm, the actions and the base image, and minds what is held back on purpose', () => {
    const { updates } = parse(readFileSync('.github/dependabot.yml', 'utf8')) as {
      updates: { 'package-ecosystem': string; ignore?: { 'dependency-name': string }[] }[];
    };
    expect(updates.map((update) => update['package-ecosystem'])).toEqual(['npm', 'github-actions', 'docker']);
    const held = updates.flatMap(({ ignore = [] }) => ignore.map((entry) => entry['dependency-name']));
    expect(held).toEqual(expect.arrayContaining(['@kubernetes/client-node', '@types/node', 'node']));
  });
});
