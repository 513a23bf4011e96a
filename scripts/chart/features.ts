import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import pLimit from 'p-limit';
import { parse } from 'yaml';

import type { KubernetesObject } from '../manifests/kubernetes-object.js';
import { renderFolder, renderCombination } from '../manifests/rendering.js';
import { type ChartObject, Sources } from './chart-object.js';
import { applyDifference } from './differences.js';

/** What a component of kustomize adds, and the condition under which the chart has it. */
export interface Feature {
  /** Go template condition; `$f` are the features that `_helpers.tpl` computes from the values. */
  readonly condition: string;
  /** Components that are there anyway. */
  readonly without: readonly string[];
  readonly with: readonly string[];
}

/** Components that only set flags, which the value `flags` can do. */
const BY_FLAGS = ['required-context'];

/** Component `auth-<name>`; the condition compares with this name. */
function login(name: string): Feature {
  return { condition: `eq $f.login "${name}"`, without: [], with: [`auth-${name}`] };
}

/** In an order in which each finds the objects that it changes. */
export function features(components: readonly string[]): Feature[] {
  const logins = components
    .filter((name) => name.startsWith('auth-'))
    .map((name) => name.slice('auth-'.length));
  return [
    { condition: '$f.crds', without: [], with: ['crds'] },
    { condition: '$f.leaderElection', without: [], with: ['leader-election'] },
    ...logins.map(login),
    { condition: '$f.vaultCa', without: [], with: ['vault-ca'] },
    { condition: '$f.namespaced', without: [], with: ['namespaced'] },
    { condition: '$f.webhook', without: [], with: ['webhook'] },
    { condition: '$f.sidecar', without: ['webhook'], with: ['webhook-sidecar'] },
    { condition: '$f.certManager', without: ['webhook'], with: ['webhook', 'cert-manager'] },
    { condition: '$f.networkPolicy', without: [], with: ['network-policy'] },
    { condition: '$f.monitoring', without: [], with: ['monitoring'] },
    { condition: '$f.metricsSecure', without: [], with: ['metrics-secure'] },
    { condition: '$f.metricsSecure', without: ['monitoring'], with: ['monitoring', 'metrics-secure'] },
    {
      condition: '$f.metricsCertManager',
      without: ['monitoring', 'metrics-secure'],
      with: ['monitoring', 'metrics-secure', 'metrics-secure/cert-manager'],
    },
    { condition: '$f.admissionPolicy', without: [], with: ['admission-policy'] },
  ];
}

interface Kustomization {
  readonly kind?: string;
  readonly components?: readonly string[];
}

/** The components that users list: also those inside another folder, but no part of the component around it. */
export function componentFolders(root = 'kustomize/components', path = ''): string[] {
  const folders = readdirSync(join(root, path), { withFileTypes: true });
  const file = join(root, path, 'kustomization.yaml');
  const own = folders.some(({ name }) => name === 'kustomization.yaml')
    ? (parse(readFileSync(file, 'utf8')) as Kustomization)
    : {};
  const inner = folders
    .filter((entry) => entry.isDirectory() && own.components?.includes(entry.name) !== true)
    .flatMap(({ name }) => componentFolders(root, join(path, name)));
  return [...(own.kind === 'Component' ? [path] : []), ...inner].sort();
}

/** The objects of the base and of every feature, each part under its condition. */
export async function chartObjects(components: readonly string[]): Promise<ChartObject[]> {
  const list = features(components);
  const known = new Set([...BY_FLAGS, ...list.flatMap((feature) => feature.with)]);
  const forgotten = components.filter((name) => !known.has(name));
  if (forgotten.length > 0)
    throw new Error(`no feature of the chart for the components ${forgotten.join(', ')}`);

  const sources = new Sources();
  const base = await render([]);
  // All at once first; each is rendered once.
  await Promise.all(list.flatMap((feature) => [render(feature.without), render(feature.with)]));
  const objects = base.map((object) => sources.objectOf(object, { when: [], unless: [] }));
  for (const feature of list) {
    const [before, after] = await Promise.all([render(feature.without), render(feature.with)]);
    apply(feature.condition, before, after, objects, sources);
  }
  return objects;
}

function apply(
  condition: string,
  before: readonly KubernetesObject[],
  after: readonly KubernetesObject[],
  objects: ChartObject[],
  sources: Sources,
): void {
  const isOf = (object: KubernetesObject) => (one: { kind: string; metadata: { name: string } }) =>
    one.kind === object.kind && one.metadata.name === object.metadata.name;
  const find = ({ kind, metadata }: KubernetesObject): ChartObject | undefined =>
    objects.find((one) => one.kind === kind && one.name === metadata.name);
  for (const object of after) {
    const old = before.find(isOf(object));
    const found = find(object);
    if (old !== undefined && found !== undefined) applyDifference(found.tree, old, object, condition);
    else if (found === undefined) objects.push(sources.objectOf(object, { when: [condition], unless: [] }));
    else if (old === undefined && found.when.length > 0 && !found.when.includes(condition))
      found.when.push(condition);
  }
  for (const object of before.filter((one) => !after.some(isOf(one)))) find(object)?.unless.push(condition);
}

const renderings = new Map<string, Promise<readonly KubernetesObject[]>>();
const limit = pLimit(3);

async function render(components: readonly string[]): Promise<readonly KubernetesObject[]> {
  const name = components.join(', ');
  const rendering = renderings.get(name) ?? limit(() => renderOnce(components));
  renderings.set(name, rendering);
  return await rendering;
}

async function renderOnce(components: readonly string[]): Promise<readonly KubernetesObject[]> {
  const { objects, faults } = await (components.length === 0
    ? renderFolder('kustomize/base')
    : renderCombination(components));
  if (faults.length > 0) throw new Error(`${components.join(', ')}: ${faults.join('; ')}`);
  return objects;
}
