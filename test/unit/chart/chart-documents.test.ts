import { readdirSync, readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';

import { GO_CHART_VALUES } from '../../support/go-chart.js';
import type { Json } from '../../support/http-json.js';

describe('the documents of the chart', () => {
  const folder = 'charts/kms-vault-operator';
  const schema = JSON.parse(readFileSync(`${folder}/values.schema.json`, 'utf8'));
  const values = parse(readFileSync(`${folder}/values.yaml`, 'utf8'));

  function leaves(node: Json, path = ''): [string, Json][] {
    return Object.entries<Json>(node.properties ?? {}).flatMap(([key, inner]) => {
      const own = path === '' ? key : `${path}.${key}`;
      return inner.properties === undefined ? [[own, inner] as [string, Json]] : leaves(inner, own);
    });
  }

  it('describe every value, in the schema, the README and values.yaml', () => {
    const readme = readFileSync(`${folder}/README.md`, 'utf8');
    const found = leaves(schema).filter(([path]) => path !== 'enabled');
    expect(found.length).toBeGreaterThan(80);
    for (const [path, inner] of found) {
      expect({ path, described: typeof inner.description }).toEqual({ path, described: 'string' });
      expect(readme).toContain(`| \`${path}\``);
      const parent = path
        .split('.')
        .slice(0, -1)
        .reduce((node, key) => node[key], values);
      expect(parent).toHaveProperty([path.split('.').at(-1) ?? '']);
    }
  });

  it('know every value of the Go operator’s chart', () => {
    const known = new Set(leaves(schema).map(([path]) => path));
    const paths = (node: Json, path = ''): string[] =>
      Object.entries<Json>(node).flatMap(([key, inner]) => {
        const own = path === '' ? key : `${path}.${key}`;
        return known.has(own) || typeof inner !== 'object' || inner === null ? [own] : paths(inner, own);
      });
    expect(paths(GO_CHART_VALUES).filter((path) => !known.has(path))).toEqual([]);
  });

  it('have the version of the package', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(parse(readFileSync(`${folder}/Chart.yaml`, 'utf8'))).toMatchObject({
      name: 'kms-vault-operator',
      version,
      appVersion: version,
    });
  });

  it('read no value past the defaults: every template puts them in first', () => {
    const templates = readdirSync(`${folder}/templates`, { recursive: true, encoding: 'utf8' });
    for (const file of templates.filter((name) => /\.(yaml|txt)$/.test(name))) {
      const lines = readFileSync(`${folder}/templates/${file}`, 'utf8').split('\n');
      const first = lines.findIndex((line) => line.includes('.Values'));
      const prepared = lines.findIndex((line) => line.includes('include "kms-vault-operator.prepare" .'));
      expect({ file, prepared: prepared !== -1 && prepared < first }).toEqual({ file, prepared: true });
    }
  });
});
