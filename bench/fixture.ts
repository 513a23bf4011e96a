import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { seal } from '../test/servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../test/servers/kms/demo-key.js';
import { ChildProgram } from '../test/support/child-program.js';
import {
  installInCluster,
  installInVault,
  operatorKubeToken,
  operatorVaultToken,
} from '../test/support/installation.js';
import { KubeApi, type Manifest } from '../test/support/kube-api.js';
import { type LoopbackFixture, startLoopbackFixture } from '../test/support/loopback-fixture.js';
import { VaultApi } from '../test/support/vault-api.js';
import { eventually } from '../test/support/wait.js';

export const KEYS = 3;
/** Scraping costs the operator something too; not more often than this while it is being measured. */
export const SCRAPE_INTERVAL_MS = 250;
/** Of every answer of KMS; about what a client in the same region sees. */
export const KMS_LATENCY_MS = 20;

/** How many requests the servers saw. */
export interface Counts {
  readonly kms: number;
  readonly vault: number;
  readonly vaultWrites: number;
  readonly kubernetes: number;
}

/** Of the resources that are applied: `bench` and {@link KEYS} keys each when absent. */
export interface Shape {
  readonly prefix?: string;
  readonly keys?: number;
}

/** The built operator against servers on loopback, with counters on every side. */
export class BenchFixture {
  private operator: ChildProgram | undefined;
  /** Another KMS than that of the fixture. */
  kmsUrl: string | undefined;

  private constructor(
    readonly servers: LoopbackFixture,
    readonly kube: KubeApi,
    readonly vault: VaultApi,
    private readonly token: string,
    readonly directory: string,
  ) {}

  static async prepare(): Promise<BenchFixture> {
    const servers = await startLoopbackFixture();
    servers.kms.latencyMs = KMS_LATENCY_MS;
    const kube = new KubeApi(servers.kubernetes.adminKubeconfig());
    await installInCluster(kube);
    const vault = new VaultApi(servers.vault.url, servers.vault.rootToken);
    await installInVault(vault);
    const directory = mkdtempSync(join(tmpdir(), 'kms-vault-bench-'));
    return new BenchFixture(servers, kube, vault, await operatorVaultToken(vault), directory);
  }

  /** Applies resources `0` to `count - 1` with values of this edition, 20 at a time. */
  async apply(count: number, edition: string, shape: Shape = {}): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) await this.applyOne(index, edition, shape);
    };
    await Promise.all(Array.from({ length: 20 }, worker));
  }

  async applyOne(index: number, edition: string, shape: Shape = {}): Promise<void> {
    await this.kube.apply(this.secret(index, edition, shape));
  }

  secret(index: number, edition: string, { prefix = 'bench', keys = KEYS }: Shape = {}): Manifest {
    const name = `${prefix}-${String(index)}`;
    return {
      apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
      kind: 'KMSVaultSecret',
      metadata: { name, namespace: 'default' },
      spec: {
        path: `secret/data/${name}`,
        kvSettings: { engineVersion: 'v2' },
        secrets: Array.from({ length: keys }, (_, key) => ({
          key: `key-${String(key)}`,
          encryptedSecret: encrypt(`${edition} of ${name}, key ${String(key)}`),
        })),
      },
    };
  }

  /** What a client of KMS needs in its environment. */
  get awsEnvironment(): Readonly<Record<string, string>> {
    const { awsEnvironment } = this.servers;
    return this.kmsUrl === undefined
      ? awsEnvironment
      : { ...awsEnvironment, AWS_ENDPOINT_URL_KMS: this.kmsUrl };
  }

  async start(...flags: readonly string[]): Promise<void> {
    const kubeconfig = join(this.directory, 'kubeconfig');
    const token = await operatorKubeToken(this.kube);
    writeFileSync(kubeconfig, this.kube.kubeconfigFor(token), { mode: 0o600 });
    this.operator = new ChildProgram(
      'dist/main.js',
      ['--metrics-addr=127.0.0.1:0', '--health-addr=0', ...flags],
      {
        ...this.awsEnvironment,
        KUBECONFIG: kubeconfig,
        VAULT_ADDR: this.servers.vault.url,
        VAULT_TOKEN: this.token,
      },
    );
  }

  async stop(): Promise<void> {
    await this.operator?.stop();
    this.operator = undefined;
  }

  /** Waits until this many resources are synced, and gives how long that took from the call on, in ms. */
  async synced(count: number): Promise<number> {
    const begun = performance.now();
    await eventually(
      `${String(count)} resources are synced`,
      async () => (await this.metric('kms_vault_operator_resource_ready')) === count,
      900_000,
      SCRAPE_INTERVAL_MS,
    );
    return performance.now() - begun;
  }

  async metric(name: string): Promise<number> {
    const { operator } = this;
    if (operator === undefined) throw new Error('the operator does not run');
    if (!operator.running) throw new Error(`the operator has ended: ${operator.output.slice(-500)}`);
    const text = await (await fetch(`${await this.metricsAddress(operator)}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  counts(): Counts {
    const { kms, vault, kubernetes } = this.servers;
    return {
      kms: kms.requests.all.length,
      vault: vault.requests.all.length,
      vaultWrites: vault.requests.all.filter(
        ({ method, url }) => method === 'POST' && url.includes('/secret/'),
      ).length,
      kubernetes: kubernetes.requests.all.length,
    };
  }

  clearCounts(): void {
    const { kms, vault, kubernetes } = this.servers;
    for (const { requests } of [kms, vault, kubernetes]) requests.clear();
  }

  async close(): Promise<void> {
    await this.stop();
    this.kube.close();
    this.vault.close();
    await this.servers.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async metricsAddress(operator: ChildProgram): Promise<string> {
    return await operator.address('serving metrics');
  }
}

function encrypt(plaintext: string): string {
  return seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(plaintext), {}).toString('base64');
}
