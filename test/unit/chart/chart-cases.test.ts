import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { CHART_CASES } from '../../../scripts/chart/cases.js';
import { componentFolders } from '../../../scripts/chart/features.js';

describe('the comparisons of the chart with kustomize', () => {
  it('have a case for every component, also for one inside the folder of another', () => {
    const covered = new Set(
      CHART_CASES.flatMap(({ kustomize }) => {
        if ('components' in kustomize) return kustomize.components;
        const { components } = parse(
          readFileSync(`kustomize/overlays/${kustomize.overlay}/kustomization.yaml`, 'utf8'),
        ) as { components: string[] };
        return components.map((path) => basename(path));
      }),
    );
    const folders = componentFolders();
    expect(folders).toEqual(expect.arrayContaining(['crds', 'metrics-secure/cert-manager']));
    expect(folders.filter((name) => !covered.has(name))).toEqual([]);
  });

  it('do not count what is a part of another component', () => {
    const root = mkdtempSync(join(tmpdir(), 'components-'));
    try {
      for (const [path, rest] of [
        ['a', 'components: [part]'],
        ['a/part', ''],
        ['a/further', ''],
        ['b', ''],
      ] as const) {
        mkdirSync(join(root, path), { recursive: true });
        writeFileSync(join(root, path, 'kustomization.yaml'), `kind: Component\n${rest}\n`);
      }
      mkdirSync(join(root, 'b/files'));
      expect(componentFolders(root)).toEqual(['a', 'a/further', 'b']);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
