// Renders the plain manifests the way `kubectl apply -f` reads them and, where kubectl is on the PATH,
// every kustomize overlay. Fails on YAML that does not parse, on duplicate objects and on warnings.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parseAllDocuments } from 'yaml';

const faults = [];
const files = readdirSync('manifests', { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.yaml'))
  .map((file) => join('manifests', file));
const seen = new Map();
for (const file of files) {
  for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
    for (const problem of [...document.errors, ...document.warnings])
      faults.push(`${file}: ${problem.message}`);
    const object = document.toJS();
    if (object === null) continue;
    const id = [object.apiVersion, object.kind, object.metadata?.namespace ?? '', object.metadata?.name].join(
      ' ',
    );
    if (!object.apiVersion || !object.kind || !object.metadata?.name)
      faults.push(`${file}: not a Kubernetes object`);
    if (seen.has(id)) faults.push(`${file}: ${id} stands in ${seen.get(id)} too`);
    seen.set(id, file);
  }
}
const overlays = existsSync('kustomize/overlays') ? readdirSync('kustomize/overlays') : [];
const kubectl = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' }).status === 0;
for (const overlay of kubectl ? overlays : []) {
  const { status, stderr } = spawnSync('kubectl', ['kustomize', join('kustomize/overlays', overlay)], {
    encoding: 'utf8',
  });
  if (status !== 0 || stderr !== '') faults.push(`kustomize/overlays/${overlay}: ${stderr.trim()}`);
}
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
const rendered = kubectl ? `${overlays.length} overlays` : 'no overlay (kubectl is not on the PATH)';
console.log(`${files.length} manifest files and ${rendered} are sound`);
