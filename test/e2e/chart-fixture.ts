import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { writeGoChart } from '../support/go-chart-files.js';
import type { Json } from '../support/http-json.js';
import { CRDS } from './servers.js';

/** The chart of this repository. */
const CHART = 'charts/kms-vault-operator';
/** What a chart makes outside of its namespace, beside the definitions. */
const CLUSTER_OBJECTS = [
  'clusterrole/kms-vault-operator',
  'clusterrole/kms-vault-operator-editor',
  'clusterrole/kms-vault-operator-viewer',
  'clusterrolebinding/kms-vault-operator',
  'validatingwebhookconfiguration/kms-vault-validating-webhook',
];

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** helm and kubectl on the API server of `E2E_KUBECONFIG`. Helm stores releases as protobuf, which the one on loopback does not read. */
export class ChartFixture {
  readonly namespace = `chart-${randomBytes(4).toString('hex')}`;
  private readonly folder = mkdtempSync(join(tmpdir(), 'chart-'));
  readonly kubeconfig = join(this.folder, 'kubeconfig');
  /** A chart with the objects of the Go operator's; `E2E_GO_CHART` names the real one. */
  readonly goChart = process.env.E2E_GO_CHART ?? join(this.folder, 'go-chart');

  /** @throws Error when the cluster has an installation already, which the tests would change. */
  static async prepare(): Promise<ChartFixture> {
    const fixture = new ChartFixture();
    writeFileSync(fixture.kubeconfig, readFileSync(process.env.E2E_KUBECONFIG ?? '', 'utf8'), {
      mode: 0o600,
    });
    if (process.env.E2E_GO_CHART === undefined) writeGoChart(fixture.goChart);
    const present = await fixture.kubectl(
      'get',
      '--ignore-not-found',
      '-o',
      'name',
      ...CRDS.map((name) => `crd/${name}`),
      ...CLUSTER_OBJECTS,
    );
    if (present !== '') throw new Error(`there already: ${present}`);
    await fixture.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: fixture.namespace } });
    return fixture;
  }

  /** Removes the release and all that it keeps, for the next test. */
  async clear(): Promise<void> {
    await this.run('helm', ['uninstall', 'kvo', '--ignore-not-found']);
    for (const kind of ['kmsvaultsecrets', 'partialkmsvaultsecrets']) {
      const names = await this.run('kubectl', ['get', kind, '-o', 'name']);
      for (const name of names.stdout.split('\n').filter(Boolean)) {
        await this.run('kubectl', ['patch', name, '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
        await this.run('kubectl', ['delete', name, '--wait=false']);
      }
    }
    await this.kubectl(
      'delete',
      '--ignore-not-found',
      '--timeout=30s',
      ...CRDS.map((name) => `crd/${name}`),
      ...CLUSTER_OBJECTS,
    );
    await this.kubectl(
      'delete',
      '--ignore-not-found',
      '--all',
      '--wait=false',
      'deployments,services,poddisruptionbudgets,roles,rolebindings',
    );
    await this.run('kubectl', [
      'delete',
      'serviceaccount',
      'kms-vault-operator',
      'kms-vault-validating-webhook',
      '--ignore-not-found',
    ]);
  }

  async close(): Promise<void> {
    await this.clear();
    await this.kubectl('delete', 'namespace', this.namespace, '--wait=false');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Helm 4 leaves it to the server to merge what it applies. */
  get appliesOnServer(): boolean {
    const { stdout } = spawnSync('helm', ['version', '--short'], { encoding: 'utf8' });
    return !stdout.startsWith('v3.');
  }

  /** Installs, upgrades, and so on, the release `kvo`; nothing waits for pods, which need not run. */
  async helm(command: 'install' | 'upgrade', chart: 'ours' | 'go', ...options: string[]): Promise<Output> {
    return await this.run('helm', [command, 'kvo', chart === 'ours' ? CHART : this.goChart, ...options]);
  }

  /** @throws Error with what helm says when it fails. */
  async helmDone(
    command: 'install' | 'upgrade',
    chart: 'ours' | 'go',
    ...options: string[]
  ): Promise<string> {
    return done(command, await this.helm(command, chart, ...options));
  }

  /** @throws Error with what kubectl says when it fails. */
  async kubectl(...args: string[]): Promise<string> {
    return done(args.join(' '), await this.run('kubectl', args));
  }

  /** An object of the server; undefined when it is not there. */
  async get(name: string): Promise<Json> {
    const text = await this.kubectl('get', name, '--ignore-not-found', '-o', 'json');
    return text === '' ? undefined : JSON.parse(text);
  }

  async apply(...objects: object[]): Promise<void> {
    for (const object of objects) {
      const file = join(this.folder, 'object.json');
      writeFileSync(file, JSON.stringify(object));
      await this.kubectl('create', '-f', file);
    }
  }

  async run(program: string, args: readonly string[]): Promise<Output> {
    const own =
      program === 'helm'
        ? ['--kubeconfig', this.kubeconfig, '--namespace', this.namespace]
        : [
            '--kubeconfig',
            this.kubeconfig,
            '--cache-dir',
            join(this.folder, 'cache'),
            '--namespace',
            this.namespace,
          ];
    const env = {
      ...process.env,
      HELM_CACHE_HOME: join(this.folder, 'helm'),
      HELM_CONFIG_HOME: join(this.folder, 'helm'),
    };
    return await new Promise((resolve) => {
      execFile(program, [...args, ...own], { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : 1, stdout, stderr });
      });
    });
  }
}

function done(what: string, { code, stdout, stderr }: Output): string {
  if (code !== 0) throw new Error(`${what}: ${stderr}`);
  return stdout.trim();
}
