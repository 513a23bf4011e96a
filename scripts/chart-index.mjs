// Adds the chart of a release to docs/index.yaml, which is served as the Helm repository at the URL of the Go operator's charts.
//
//   node scripts/chart-index.mjs PACKAGE.tgz [INDEX]
//
// The package is downloaded from the release of its version on GitHub. An entry of the same version is replaced.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

import { parse, stringify } from 'yaml';

const REPOSITORY = 'https://github.com/patoarvizu/kms-vault-operator';

const [file, index = 'docs/index.yaml'] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node scripts/chart-index.mjs PACKAGE.tgz [INDEX]');
  process.exit(2);
}
// That of the package: the workflow runs this on the default branch, which may be of another version than the release.
const { status, stdout, stderr } = spawnSync('tar', ['-xzOf', file, 'kms-vault-operator/Chart.yaml'], {
  encoding: 'utf8',
});
if (status !== 0) {
  console.error(`${file} is no package of a chart: ${stderr}`);
  process.exit(1);
}
const chart = parse(stdout);
const name = `${chart.name}-${chart.version}.tgz`;
if (basename(file) !== name) {
  console.error(`${file} is not the package of its chart, ${name}`);
  process.exit(1);
}
// The time of the commit, where the workflow gives it, so that the same release makes the same index.
const created = new Date(Number(process.env.COMMIT_TIMESTAMP ?? Date.now() / 1000) * 1000).toISOString();
const text = readFileSync(index, 'utf8');
const document = parse(text);
const entry = {
  ...chart,
  created,
  digest: createHash('sha256').update(readFileSync(file)).digest('hex'),
  urls: [`${REPOSITORY}/releases/download/v${chart.version}/${name}`],
};
const others = (document.entries[chart.name] ?? []).filter(({ version }) => version !== chart.version);
document.entries[chart.name] = [entry, ...others];
document.generated = created;
const [header = ''] = text.match(/^(?:#.*\n)*/) ?? [];
writeFileSync(index, header + stringify(document, { lineWidth: 0 }));
