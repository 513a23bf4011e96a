import { spawnSync } from 'node:child_process';

import { beforeAll, describe, expect, it } from '@jest/globals';

import { type ChartCase, CHART_CASES } from '../../scripts/chart/cases.js';
import { differences } from '../../scripts/chart/compare.js';
import { goldenDigest, hasHelm, readGolden, renderChart, staleGolden } from '../../scripts/chart/golden.js';
import { objectFaults } from '../../scripts/manifests/check.js';
import { type KubernetesObject, workloadOf } from '../../scripts/manifests/kubernetes-object.js';
import { ObjectSchemas } from '../../scripts/manifests/object-schemas.js';
import {
  hasKubectl,
  parseObjects,
  plainManifests,
  renderCombination,
  renderFolder,
  renderOverlay,
} from '../../scripts/manifests/rendering.js';
import { wiringFaults } from '../../scripts/manifests/wiring.js';
import { startOf } from '../unit/manifests/program-command.js';

const withKubectl = hasKubectl() ? it : it.skip;
const withHelm = hasHelm() ? it : it.skip;
const CASES = CHART_CASES.map((one) => [one.name, one] as const);
const CRDS = plainManifests()
  .flatMap(({ objects }) => objects)
  .filter(({ kind }) => kind === 'CustomResourceDefinition');

function goldenObjects(one: ChartCase): readonly KubernetesObject[] {
  const { objects, faults } = parseObjects(readGolden(one)?.text ?? '');
  expect(faults).toEqual([]);
  return withoutNulls(objects);
}

/** For the API server, null is absent. */
function withoutNulls(objects: readonly KubernetesObject[]): readonly KubernetesObject[] {
  return JSON.parse(JSON.stringify(objects), (_, value: unknown) => value ?? undefined) as KubernetesObject[];
}

async function kustomized({ kustomize }: ChartCase): Promise<readonly KubernetesObject[]> {
  const { objects, faults } =
    'overlay' in kustomize
      ? await renderOverlay(kustomize.overlay)
      : await (kustomize.components.length === 0
          ? renderFolder('kustomize/base')
          : renderCombination(kustomize.components));
  expect(faults).toEqual([]);
  return objects;
}

it('has no output of a case that is no more', () => {
  expect(staleGolden()).toEqual([]);
});

describe.each(CASES)('the chart in the case %s', (name, one) => {
  it('has the output of this chart and these values committed: otherwise run `npm run chart` with helm', () => {
    expect(readGolden(one)?.digest).toBe(goldenDigest(one));
  });

  it('makes objects that fit their schemas, the Pod Security Standard and each other', () => {
    const objects = goldenObjects(one);
    expect(objects.length).toBeGreaterThan(5);
    const schemas = new ObjectSchemas(CRDS);
    expect(objectFaults({ name, objects, faults: [] }, schemas)).toEqual([]);
    // The pod of `helm test` has no selector.
    expect(wiringFaults(objects.filter(({ kind }) => kind !== 'Pod'))).toEqual([]);
  });

  it('starts its programs', () => {
    const pods = goldenObjects(one).filter(({ kind }) => kind === 'Deployment');
    for (const { pod } of pods.flatMap((object) => workloadOf(object) ?? [])) {
      for (const container of pod.containers) expect(startOf(container, true)).toBeDefined();
    }
    expect(pods.length).toBeGreaterThan(0);
  });

  withKubectl(
    'makes the objects that kustomize makes (skipped where kubectl is not on the PATH)',
    async () => {
      const { onlyKustomize = {} } = one;
      expect(differences(await kustomized(one), goldenObjects(one), Object.keys(onlyKustomize))).toEqual([]);
    },
  );

  withHelm('is rendered by helm as committed (skipped where helm is not on the PATH)', () => {
    const { status, stdout, stderr } = renderChart(one);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(withoutNulls(parseObjects(stdout).objects)).toEqual(goldenObjects(one));
  });
});

describe('the comparison', () => {
  let objects: readonly KubernetesObject[];

  beforeAll(() => {
    objects = goldenObjects(CASES[1]?.[1] as ChartCase).filter(({ kind }) => kind !== 'Pod');
  });

  it.each<[string, (copy: KubernetesObject[]) => void, RegExp]>([
    ['an object too few', (copy) => copy.splice(2, 1), /not in the chart$/],
    [
      'an object too many',
      (copy) => copy.push({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } }),
      /only in the chart$/,
    ],
    [
      'another field',
      (copy) =>
        Object.assign(copy.find(({ kind }) => kind === 'Deployment')?.['spec'] as object, { replicas: 7 }),
      /Deployment vault\/kms-vault-operator: replicas?|spec\.replicas: 1 in kustomize, 7 in the chart$/,
    ],
  ])('finds %s', (_, change, fault) => {
    const copy = structuredClone(objects) as KubernetesObject[];
    change(copy);
    const found = differences(objects, copy);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(fault);
  });

  it('finds an object that was to be only in kustomize, but is in the chart', () => {
    const [first] = objects;
    const name = `${String(first?.kind)} ${String(first?.metadata.name)}`;
    expect(differences(objects, objects, [name])).toEqual([expect.stringMatching(/in the chart too$/)]);
    expect(differences(objects, objects, ['Secret x'])).toEqual(['Secret x: not in kustomize']);
  });
});

describe('helm lint', () => {
  withHelm('finds nothing with --strict (skipped where helm is not on the PATH)', () => {
    const { status, stdout, stderr } = spawnSync('helm', ['lint', '--strict', 'charts/kms-vault-operator'], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('1 chart(s) linted, 0 chart(s) failed');
  });
});
