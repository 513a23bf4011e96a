import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';

import { allAlerts, prometheusRule } from './alert-rules.js';

const FOLDER = 'test/unit/monitoring';
const SCENARIOS = ['alerts.promtool.yaml', 'alerts-of-days.promtool.yaml'];
const promtool = process.env['PROMTOOL'] ?? 'promtool';
const isThere = spawnSync(promtool, ['--version']).status === 0;
const withPromtool = isThere ? describe : describe.skip;

withPromtool('alerts in Prometheus (skipped where promtool is neither on the PATH nor in PROMTOOL)', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'alerts-'));
    writeFileSync(join(folder, 'rules.yaml'), stringify(prometheusRule().spec));
    const dashboard = JSON.parse(readFileSync('kustomize/components/monitoring/dashboard.json', 'utf8')) as {
      panels: { targets?: { expr: string }[] }[];
    };
    const queries = dashboard.panels
      .flatMap(({ targets }) => targets ?? [])
      .map(({ expr }) => expr.replace(/\$__rate_interval/g, '5m').replace(/\$__range/g, '1h'));
    const rules = queries.map((expr, index) => ({ record: `query_${String(index)}`, expr }));
    writeFileSync(join(folder, 'queries.yaml'), stringify({ groups: [{ name: 'dashboard', rules }] }));
    for (const name of SCENARIOS) copyFileSync(join(FOLDER, name), join(folder, name));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]): string => {
    try {
      return execFileSync(promtool, args, {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return `${stdout}\n${stderr}`;
    }
  };

  it('are rules that Prometheus takes', () => {
    expect(run('check', 'rules', 'rules.yaml')).toContain(
      `SUCCESS: ${String(allAlerts().length)} rules found`,
    );
  });

  it('the queries of the dashboard are such that Prometheus takes them', () => {
    expect(run('check', 'rules', 'queries.yaml')).toMatch(/SUCCESS: [1-9][0-9]* rules found/);
  });

  it.each(SCENARIOS)(
    'fire when they must, and only then: %s',
    (scenarios) => {
      expect(run('test', 'rules', scenarios)).toMatch(/^\s*SUCCESS\s*$/);
    },
    60_000,
  );
});

describe('scenarios of the alerts', () => {
  it('make every alert fire', () => {
    const text = SCENARIOS.map((name) => readFileSync(join(FOLDER, name), 'utf8')).join('');
    const silent = allAlerts().filter(
      ({ alert }) => !new RegExp(`(alertname="|alertname: )${alert}\\b`).test(text),
    );
    expect(silent.map(({ alert }) => alert)).toEqual([]);
  });
});
