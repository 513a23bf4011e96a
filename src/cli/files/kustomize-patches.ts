import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { record } from './manifest-resource.js';
import { parseYaml } from './yaml-source.js';

/** The names that kustomize looks for (`konfig.RecognizedKustomizationFileNames`). */
const NAMES = ['kustomization.yaml', 'kustomization.yml', 'Kustomization'];
/** No patch lies this deep below its kustomization. */
const MAX_PARENTS = 8;

/**
 * Which files kustomizations use as patches: those in the folders of the files and above them, and those among the
 * files. A kustomization that cannot be read is left out; kustomize itself reports that.
 *
 * @returns absolute paths.
 */
export async function patchFiles(files: readonly string[]): Promise<ReadonlySet<string>> {
  const candidates = new Set<string>();
  for (const file of files) {
    const path = resolve(file);
    if (NAMES.includes(basename(path))) candidates.add(path);
    let folder = dirname(path);
    for (let up = 0; up < MAX_PARENTS; up += 1) {
      for (const name of NAMES) candidates.add(join(folder, name));
      if (folder === dirname(folder)) break;
      folder = dirname(folder);
    }
  }
  const patches = new Set<string>();
  for (const kustomization of candidates) {
    for (const path of await patchesOf(kustomization)) patches.add(resolve(dirname(kustomization), path));
  }
  return patches;
}

async function patchesOf(kustomization: string): Promise<string[]> {
  let text: string;
  try {
    text = await readFile(kustomization, 'utf8');
  } catch {
    return [];
  }
  const { patches, patchesStrategicMerge: merged } = record(parseYaml(text).objects[0]);
  const paths = [
    ...(Array.isArray(patches) ? patches.map((patch: unknown) => record(patch).path) : []),
    // An entry of several lines is the patch itself.
    ...(Array.isArray(merged) ? (merged as unknown[]) : []),
  ];
  return paths.filter((path): path is string => typeof path === 'string' && !path.includes('\n'));
}
