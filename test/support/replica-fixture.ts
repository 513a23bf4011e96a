import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import type { SeenRequest } from '../servers/shared/request-log.js';
import { ChildProgram } from './child-program.js';
import { HttpJson } from './http-json.js';
import { installInCluster, installInVault, operatorKubeToken, operatorVaultToken } from './installation.js';
import { KubeApi } from './kube-api.js';
import { type LoopbackFixture, startLoopbackFixture } from './loopback-fixture.js';
import { VaultApi } from './vault-api.js';
import { eventually } from './wait.js';

const LEASE = '39a50047.patoarvizu.dev';

/** One built operator, with its own credentials, so that the servers' records show who wrote. */
export interface Replica {
  readonly name: string;
  readonly program: ChildProgram;
  readonly vaultToken: string;
  readonly kubeToken: string;
  /** As it writes it into the lease. */
  readonly identity: string;
  get(path: '/metrics' | '/readyz'): Promise<{ status: number; text: string }>;
}

/** Several built operators with leader election on the loopback servers, under the shipped roles. */
export class ReplicaFixture {
  readonly replicas: Replica[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'replicas-'));

  private constructor(
    readonly servers: LoopbackFixture,
    readonly kube: KubeApi,
    readonly vault: VaultApi,
  ) {}

  static async prepare(): Promise<ReplicaFixture> {
    const servers = await startLoopbackFixture();
    const kube = new KubeApi(servers.kubernetes.adminKubeconfig());
    await installInCluster(kube, { leaderElection: true });
    const vault = new VaultApi(servers.vault.url, servers.vault.rootToken);
    await installInVault(vault);
    return new ReplicaFixture(servers, kube, vault);
  }

  async start(
    name: string,
    flags: readonly string[] = [],
    { elects = true }: { readonly elects?: boolean } = {},
  ): Promise<Replica> {
    const kubeToken = await operatorKubeToken(this.kube);
    const file = join(this.directory, name);
    writeFileSync(file, this.kube.kubeconfigFor(kubeToken), { mode: 0o600 });
    const vaultToken = await operatorVaultToken(this.vault);
    const program = new ChildProgram(
      'dist/main.js',
      [
        ...(elects ? ['--enable-leader-election', '--leader-election-namespace=vault'] : []),
        '--sync-period-seconds=60',
        '--metrics-addr=127.0.0.1:0',
        '--health-addr=127.0.0.1:0',
        ...flags,
      ],
      {
        ...this.servers.awsEnvironment,
        KUBECONFIG: file,
        VAULT_ADDR: this.servers.vault.url,
        VAULT_TOKEN: vaultToken,
      },
    );
    const { identity = '' } = elects
      ? await program.logged('standing by until the lease can be acquired')
      : {};
    const metrics = await program.address('serving metrics');
    const health = await program.address('serving health');
    const replica: Replica = {
      name,
      program,
      vaultToken,
      kubeToken,
      identity: String(identity),
      get: (path) => new HttpJson(path === '/metrics' ? metrics : health, {}).send('GET', path),
    };
    this.replicas.push(replica);
    return replica;
  }

  /** Waits until one of the replicas, and not `except`, holds the lease and has begun to sync. */
  async leader(timeoutMs: number, except?: Replica): Promise<Replica> {
    return await eventually(
      'a leader',
      async () => {
        const lease = await this.kube.get('Lease', 'vault', LEASE);
        const found = this.replicas.find(({ identity }) => identity === lease?.spec?.holderIdentity);
        if (found === undefined || found === except || !found.program.running) return undefined;
        return found.program.lines.some(({ msg }) => msg === 'initial list complete; starting to sync')
          ? found
          : undefined;
      },
      timeoutMs,
    );
  }

  /** Secrets on both engines, each with this value. */
  async applySecrets(names: readonly string[], value: string): Promise<void> {
    await Promise.all(
      names.map(async (name, i) => {
        const v2 = i % 2 === 0;
        const encryptedSecret = seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(value), {}).toString(
          'base64',
        );
        await this.kube.apply({
          apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
          kind: 'KMSVaultSecret',
          metadata: { name, namespace: 'default' },
          spec: {
            path: pathOf(name, v2),
            kvSettings: { engineVersion: v2 ? 'v2' : 'v1' },
            secrets: [{ key: 'value', encryptedSecret }],
          },
        });
      }),
    );
  }

  async inVault(names: readonly string[], value: string, timeoutMs?: number): Promise<void> {
    await eventually(
      `${value} in Vault`,
      async () => {
        const seen = await Promise.all(names.map((name, i) => this.vault.read(pathOf(name, i % 2 === 0))));
        return seen.every((data) => data?.value === value);
      },
      timeoutMs,
    );
  }

  /** What a replica changed in Vault's K/V engines and on our resources, in the order of the records. */
  writes(): { readonly by: string; readonly at: number; readonly what: string }[] {
    const { vault, kubernetes } = this.servers;
    const inVault = vault.requests.all.filter(
      ({ method, url }) => method !== 'GET' && /^\/v1\/(kv|secret)\//.test(url),
    );
    const inKubernetes = kubernetes.requests.all.filter(
      ({ method, url }) => method !== 'GET' && url.includes('/apis/k8s.patoarvizu.dev/'),
    );
    return [...inVault, ...inKubernetes]
      .sort((one, other) => one.at - other.at)
      .flatMap((request) => {
        const by = this.replicas.find((replica) => isFrom(replica, request));
        return by === undefined
          ? []
          : [{ by: by.name, at: request.at, what: `${request.method} ${request.url}` }];
      });
  }

  async close(): Promise<void> {
    for (const { program } of this.replicas) {
      program.signal('SIGCONT');
      program.signal('SIGKILL');
      await program.exited;
    }
    this.kube.close();
    this.vault.close();
    await this.servers.close();
    rmSync(this.directory, { recursive: true });
  }
}

export function isFrom(replica: Replica, { headers }: SeenRequest): boolean {
  return (
    headers['x-vault-token'] === replica.vaultToken || headers.authorization === `Bearer ${replica.kubeToken}`
  );
}

function pathOf(name: string, v2: boolean): string {
  return v2 ? `secret/data/${name}` : `kv/${name}`;
}
