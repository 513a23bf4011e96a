import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { type ChartCase, CHART_CASES } from './cases.js';

const CHART = 'charts/kms-vault-operator';
const GOLDEN = 'test/golden/chart';
/** Helm's own default depends on how it was built. */
const KUBE_VERSION = '1.34.0';
const DIGEST = /^# chart and values: (sha256:[0-9a-f]{64})$/m;

/** Is `helm` on the PATH? */
export function hasHelm(): boolean {
  return spawnSync('helm', ['version'], { stdio: 'ignore' }).status === 0;
}

/** What `helm template` makes of the chart. */
export function renderChart(
  { namespace = 'vault', values }: Pick<ChartCase, 'namespace' | 'values'>,
  chart = CHART,
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const options = ['--namespace', namespace, '--kube-version', KUBE_VERSION, '--values', '-'];
  return spawnSync('helm', ['template', 'kms-vault-operator', chart, ...options], {
    encoding: 'utf8',
    input: JSON.stringify(values),
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Of everything that the output of a case depends on but Helm. */
export function goldenDigest({ name, namespace, values }: ChartCase): string {
  const hash = createHash('sha256');
  const files = readdirSync(CHART, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) hash.update(JSON.stringify([file, readFileSync(file, 'utf8')]));
  return `sha256:${hash.update(JSON.stringify([name, namespace, values, KUBE_VERSION])).digest('hex')}`;
}

/** The committed output of a case, and the digest of what it was made from; undefined when it is not there. */
export function readGolden({
  name,
}: ChartCase): { readonly text: string; readonly digest: string } | undefined {
  const file = join(GOLDEN, `${name}.yaml`);
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  return { text, digest: DIGEST.exec(text)?.[1] ?? '' };
}

/** Names of outputs that no case makes. */
export function staleGolden(): string[] {
  const names = new Set(CHART_CASES.map(({ name }) => `${name}.yaml`));
  return existsSync(GOLDEN) ? readdirSync(GOLDEN).filter((file) => !names.has(file)) : [];
}

/**
 * Writes the outputs of all cases. Needs helm.
 *
 * @throws Error with what Helm says.
 */
export function writeGolden(): void {
  mkdirSync(GOLDEN, { recursive: true });
  for (const file of staleGolden()) rmSync(join(GOLDEN, file));
  for (const one of CHART_CASES) {
    const { status, stdout, stderr } = renderChart(one);
    if (status !== 0) throw new Error(`${one.name}: ${stderr}`);
    const head = `# What Helm makes of the chart in the case ${one.name}; written by \`npm run chart\`.`;
    writeFileSync(
      join(GOLDEN, `${one.name}.yaml`),
      `${head}\n# chart and values: ${goldenDigest(one)}\n${stdout}`,
    );
  }
}
