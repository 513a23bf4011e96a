import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import pLimit from 'p-limit';
import { parseAllDocuments } from 'yaml';

import type { KubernetesObject } from './kubernetes-object.js';

/** Objects that are applied together, and what went wrong on the way to them. */
export interface Rendering {
  /** The file, or the folders of kustomize that were put together. */
  readonly name: string;
  readonly objects: readonly KubernetesObject[];
  readonly faults: readonly string[];
}

/** Combinations of components on the base; each component is in at least one of them. */
export const COMBINATIONS: readonly (readonly string[])[] = [
  ...folders('kustomize/components')
    .filter((name) => name.startsWith('auth-'))
    .map((name) => [name]),
  ['crds'],
  ['auth-approle', 'vault-ca'],
  ['vault-ca', 'leader-election', 'network-policy'],
  ['leader-election', 'namespaced'],
  ['namespaced'],
  ['monitoring'],
  ['metrics-secure'],
  ['monitoring', 'metrics-secure', 'network-policy', 'leader-election'],
  ['monitoring', 'metrics-secure', 'metrics-secure/cert-manager'],
  [
    ...['webhook', 'leader-election', 'network-policy', 'monitoring', 'cert-manager'],
    ...['metrics-secure', 'metrics-secure/cert-manager'],
  ],
  ['webhook'],
  ['required-context'],
  ['admission-policy'],
  ['webhook', 'required-context'],
  ['webhook', 'cert-manager', 'network-policy', 'monitoring'],
  ['webhook-sidecar', 'cert-manager'],
  ['webhook-sidecar', 'leader-election', 'network-policy', 'cert-manager', 'monitoring', 'auth-approle'],
];

/** Is `kubectl` on the PATH? Nothing but the plain manifests can be read without it. */
export function hasKubectl(): boolean {
  return spawnSync('kubectl', ['version', '--client'], { stdio: 'ignore' }).status === 0;
}

/** Every file in `manifests`, each as `kubectl apply -f` reads it. */
export function plainManifests(): Rendering[] {
  return readdirSync('manifests', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => {
      const name = join('manifests', file);
      return { name, ...parseObjects(readFileSync(name, 'utf8')) };
    });
}

export function overlayNames(): string[] {
  return folders('kustomize/overlays');
}

/** One overlay, rendered with `kubectl kustomize`. */
export async function renderOverlay(name: string): Promise<Rendering> {
  return await renderFolder(join('kustomize/overlays', name));
}

/** The base, the combinations of components on it, and the overlays. Needs kubectl. */
export async function renderEverything(): Promise<Rendering[]> {
  // kubectl is mostly waiting for the disk; more at once would only need more memory.
  const limit = pLimit(3);
  const renderings = await Promise.all([
    ...['manifests', 'kustomize/base'].map((folder) => limit(() => renderFolder(folder))),
    ...COMBINATIONS.map((components) => limit(() => renderCombination(components))),
    ...overlayNames().map((name) => limit(() => renderOverlay(name))),
  ]);
  return [...renderings, { name: 'kustomize/components', objects: [], faults: neverRendered() }];
}

function neverRendered(): string[] {
  const combined = new Set(COMBINATIONS.flat());
  return folders('kustomize/components')
    .filter((name) => !combined.has(name))
    .map((name) => `${name}: it is in no combination, so nothing renders it`);
}

/** The components on the base, in their order. */
export async function renderCombination(components: readonly string[]): Promise<Rendering> {
  const list = components.map((name) => `../../kustomize/components/${name}`);
  const kustomization = { resources: ['../../kustomize/base'], components: list };
  return { ...(await renderKustomization(kustomization)), name: `base with ${components.join(', ')}` };
}

/** A kustomization that is in no folder; `kustomize` is `../../kustomize` for it. */
export async function renderKustomization(kustomization: object): Promise<Rendering> {
  mkdirSync('.cache', { recursive: true });
  const folder = mkdtempSync('.cache/kustomize-');
  try {
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
    return await renderFolder(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A folder with a kustomization, wherever it is. */
export async function renderFolder(folder: string): Promise<Rendering> {
  const { output, problem } = await new Promise<{ output: string; problem: string }>((resolve) => {
    const options = { maxBuffer: 64 * 1024 * 1024 };
    execFile('kubectl', ['kustomize', folder], options, (error, stdout, stderr) => {
      resolve({ output: stdout, problem: stderr.trim() || (error === null ? '' : error.message) });
    });
  });
  const { objects, faults } = parseObjects(output);
  // A warning is a fault: nobody reads it where this runs by itself.
  return { name: folder, objects, faults: problem === '' ? faults : [problem, ...faults] };
}

/** Reads YAML with one or more objects; what cannot be read is a fault. */
export function parseObjects(text: string): Pick<Rendering, 'objects' | 'faults'> {
  const objects: KubernetesObject[] = [];
  const faults: string[] = [];
  for (const document of parseAllDocuments(text)) {
    const problems = [...document.errors, ...document.warnings].map(({ message }) => message);
    faults.push(...problems);
    if (problems.length > 0) continue;
    const object = document.toJS() as KubernetesObject | null;
    if (object === null) continue;
    const { apiVersion, kind, metadata } = object as Partial<KubernetesObject>;
    if (!apiVersion || !kind || !metadata?.name)
      faults.push('not a Kubernetes object: a type or a name is missing');
    else objects.push(object);
  }
  return { objects, faults };
}

function folders(parent: string): string[] {
  return readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}
