// Writes charts/kms-vault-operator from manifests and kustomize; with --check, says what is not up to date instead.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { importTypescript } from './typescript.mjs';

const check = process.argv.includes('--check');
const { CHART, generateChart, hasHelm, hasKubectl, writeGolden } =
  await importTypescript('scripts/chart/generate.ts');
if (!hasKubectl()) {
  console.error(`skipped, because kubectl is not on the PATH: ${CHART}`);
  process.exit(check ? 0 : 1);
}

const files = await generateChart();
const present = existsSync(CHART)
  ? readdirSync(CHART, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(CHART.length + 1))
  : [];
const stale = present.filter((path) => !files.has(path));
const changed = [...files].filter(
  ([path, text]) => !present.includes(path) || readFileSync(join(CHART, path), 'utf8') !== text,
);
if (check) {
  for (const path of [...stale, ...changed.map(([name]) => name)]) {
    console.error(`${join(CHART, path)} is not what \`npm run chart\` makes`);
    process.exitCode = 1;
  }
} else {
  for (const path of stale) rmSync(join(CHART, path));
  for (const [path, text] of changed) {
    mkdirSync(dirname(join(CHART, path)), { recursive: true });
    writeFileSync(join(CHART, path), text);
  }
  if (hasHelm()) writeGolden();
  else
    console.error(
      'helm is not on the PATH: the outputs in test/golden/chart are not renewed, and their test fails',
    );
}
