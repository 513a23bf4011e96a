import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { PARTIAL_KIND, SECRET_KIND } from '../../../src/api/group.js';
import { labelsOfSeries } from './exported-series.js';
import { readQuery } from './promql.js';

const DATA_SOURCE = { type: 'prometheus', uid: '${datasource}' };
const TYPES = ['row', 'stat', 'table', 'state-timeline', 'timeseries'];

interface Target {
  readonly refId: string;
  readonly datasource: unknown;
  readonly expr: string;
  readonly legendFormat: string;
  readonly instant: boolean;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: unknown;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: object; readonly overrides: readonly unknown[] };
}

interface Dashboard {
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly datasource?: unknown;
      readonly query: unknown;
    }[];
  };
  readonly panels: readonly Panel[];
}

const text = readFileSync('kustomize/components/monitoring/dashboard.json', 'utf8');
const dashboard = JSON.parse(text) as Dashboard;
const labelsOf = labelsOfSeries();
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map((target) => ({ title, ...target })),
);

describe('every query of the dashboard', () => {
  it.each(queries)('$title ($refId) asks for what the programs export', ({ expr, legendFormat }) => {
    const { selectors, labels } = readQuery(expr, labelsOf);
    expect(selectors.length).toBeGreaterThan(0);
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
    expect([...labels]).toEqual(expect.arrayContaining(shown));
  });

  it.each(queries)('$title ($refId) tells its series apart', ({ title, expr, legendFormat, instant }) => {
    const { labels } = readQuery(expr, labelsOf);
    if (instant || title === 'Memory' || title === 'CPU' || title === 'Writing replica') return;
    // What is grouped by and not shown would give several lines of one name.
    for (const label of labels) expect(legendFormat).toContain(`{{${label}}}`);
  });

  it('matches values that there are', () => {
    const matchers = queries
      .flatMap(({ expr }) => readQuery(expr, labelsOf).selectors)
      .flatMap((selector) => selector.matchers);
    const kinds: readonly string[] = [SECRET_KIND, PARTIAL_KIND];
    for (const { label, operator, value } of matchers) {
      if (label === 'kind') expect(kinds).toContain(value);
      else expect([label, operator]).toEqual(['namespace', '=~']);
    }
  });
});

describe('the dashboard', () => {
  it('takes its data from the source that the reader chooses, and names no other', () => {
    const [first, ...others] = dashboard.templating.list;
    expect(first).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    for (const variable of others) expect(variable.datasource).toEqual(DATA_SOURCE);
    for (const panel of dashboard.panels) {
      if (panel.type !== 'row') expect(panel.datasource).toEqual(DATA_SOURCE);
      for (const target of panel.targets ?? []) expect(target.datasource).toEqual(DATA_SOURCE);
    }
    const uids = [...text.matchAll(/"uid": "([^"]*)"/g)].map(([, uid]) => uid);
    expect(new Set(uids)).toEqual(new Set(['${datasource}']));
    // Ids are Grafana's to give.
    expect(dashboard).not.toHaveProperty('id');
  });

  it('uses exactly the variables that it declares', () => {
    const builtIn = ['__rate_interval', '__range', '__all'];
    const used = [...text.matchAll(/\$\{?(\w+)\}?/g)]
      .map(([, name = '']) => name)
      .filter((name) => !builtIn.includes(name));
    expect([...new Set(used)].sort()).toEqual(dashboard.templating.list.map(({ name }) => name).sort());
  });

  it('asks its variables from metrics that there are', () => {
    for (const { type, query } of dashboard.templating.list) {
      if (type !== 'query') continue;
      const [, metric = '', label = ''] =
        /^label_values\((\w+), (\w+)\)$/.exec((query as { query: string }).query) ?? [];
      expect(labelsOf(metric)).toContain(label);
    }
  });

  it('has panels of known types, complete and each with its own id and queries', () => {
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    const ids = dashboard.panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { type, title, targets, fieldConfig } of dashboard.panels) {
      expect(TYPES).toContain(type);
      expect(title).not.toBe('');
      if (type === 'row') continue;
      expect(fieldConfig).toHaveProperty('defaults');
      const references = (targets ?? []).map(({ refId }) => refId);
      expect(references.length).toBeGreaterThan(0);
      expect(new Set(references).size).toBe(references.length);
    }
  });

  it('has panels side by side, none over another or beyond the edge', () => {
    const cells = new Set<string>();
    for (const { gridPos } of dashboard.panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          const cell = `${String(x)}/${String(y)}`;
          expect(cells).not.toContain(cell);
          cells.add(cell);
        }
      }
    }
  });

  it('answers first whether everything is synced, then what is not, since when and why', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual([
      'Is everything synced?',
      'If not: what, since when, why?',
      'Vault',
      'KMS',
      'Queue, watches and process',
      'Webhook',
    ]);
  });
});
