import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';

import { seal } from '../test/servers/kms/ciphertext.js';
import {
  DEMO_ACCESS_KEY,
  DEMO_KEY_ID,
  DEMO_KEY_MATERIAL,
  DEMO_REGION,
} from '../test/servers/kms/demo-key.js';
import {
  installInCluster,
  installInVault,
  operatorKubeToken,
  operatorVaultToken,
} from '../test/support/installation.js';
import { KubeApi, type Manifest } from '../test/support/kube-api.js';
import { VaultApi } from '../test/support/vault-api.js';
import { MeasuredProgram } from './measured-program.js';
import type { Options, Subject } from './options.js';
import { type Counts, type ServerKind, ServerProcess } from './server-process.js';

const HOLDING_INTERVAL_MS = 100;
const APPLIED_AT_ONCE = 20;

/** Another operator may update where ours patches. */
const OTHER_RIGHTS: readonly Manifest[] = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'other-operator' },
    rules: [
      { apiGroups: ['k8s.patoarvizu.dev'], resources: ['*'], verbs: ['*'] },
      { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
    ],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'other-operator' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'other-operator' },
    subjects: [{ kind: 'ServiceAccount', name: 'kms-vault-operator', namespace: 'vault' }],
  },
];

export interface Shape {
  readonly prefix?: string;
  readonly keys?: number;
}

export interface StartOptions {
  /** 0: no resync. */
  readonly periodSeconds?: number;
  /** A large bundle of roots in `SSL_CERT_FILE` and `AWS_CA_BUNDLE`. */
  readonly addedRoots?: boolean;
  /** Of our operator alone. */
  readonly flags?: string;
}

/** A cluster and a Vault that nobody has used yet. */
interface Site {
  readonly kubernetes: ServerProcess;
  readonly vault: ServerProcess;
  readonly kube: KubeApi;
  readonly vaultApi: VaultApi;
  environment: Readonly<Record<string, string>>;
}

/** Loopback servers in their own processes, and the operator that is being measured. */
export class BenchFixture {
  private site: Site | undefined;
  private readonly programs = new Set<MeasuredProgram>();
  private readonly idle = new Map<Subject, number>();

  private constructor(
    readonly options: Options,
    /** The bundle of the benchmarks, which the other processes run, too. */
    readonly program: string,
    readonly directory: string,
    readonly kms: ServerProcess,
  ) {}

  static async prepare(options: Options, program: string): Promise<BenchFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'kms-vault-bench-'));
    const kms = await ServerProcess.start(program, 'kms');
    const { ca = '' } = kms.introduction;
    writeFileSync(join(directory, 'kms-ca.pem'), ca);
    writeFileSync(join(directory, 'roots.pem'), [...rootCertificates, ca].join('\n'));
    await kms.tell('latency', { ms: options.kmsLatencyMs });
    return new BenchFixture(options, program, directory, kms);
  }

  get vault(): ServerProcess {
    return this.current.vault;
  }

  /** Servers without resources and secrets. */
  async renew(): Promise<void> {
    await this.clear();
    const kubernetes = await ServerProcess.start(this.program, 'kubernetes');
    const vault = await ServerProcess.start(this.program, 'vault');
    const kube = new KubeApi(kubernetes.introduction.kubeconfig ?? '');
    const vaultApi = new VaultApi(vault.introduction.url, vault.introduction.rootToken ?? '');
    this.site = { kubernetes, vault, kube, vaultApi, environment: {} };
    await installInCluster(kube);
    await kube.applyAll(OTHER_RIGHTS);
    await installInVault(vaultApi);
    await vault.tell('latency', { ms: this.options.vaultLatencyMs });
    const kubeconfig = join(this.directory, 'kubeconfig');
    writeFileSync(kubeconfig, kube.kubeconfigFor(await operatorKubeToken(kube)), { mode: 0o600 });
    this.site.environment = {
      KUBECONFIG: kubeconfig,
      VAULT_ADDR: vault.introduction.url,
      VAULT_AUTH_METHOD: 'token',
      VAULT_TOKEN: await operatorVaultToken(vaultApi),
    };
  }

  /** What a client of KMS needs in its environment. */
  awsEnvironment(subject: Subject['name']): Readonly<Record<string, string>> {
    const ca = join(this.directory, 'kms-ca.pem');
    return {
      AWS_REGION: DEMO_REGION,
      AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
      AWS_ENDPOINT_URL_KMS: this.kms.introduction.url,
      // Part of Node's own roots, while SSL_CERT_FILE gives our programs roots beside them.
      ...(subject === 'ours' ? { NODE_EXTRA_CA_CERTS: ca } : { SSL_CERT_FILE: ca }),
    };
  }

  /** Starts an operator on the current servers. */
  async start(
    subject: Subject,
    { periodSeconds = 0, addedRoots = false, flags = '' }: StartOptions = {},
  ): Promise<MeasuredProgram & { readonly metricsUrl: string }> {
    const roots = join(this.directory, 'roots.pem');
    const metricsAddress = `127.0.0.1:${String(await freePort())}`;
    const program = this.track(
      new MeasuredProgram(`${subject.operator} ${flags}`, {
        ...this.current.environment,
        ...this.awsEnvironment(subject.name),
        ...(addedRoots ? { SSL_CERT_FILE: roots, AWS_CA_BUNDLE: roots } : {}),
        METRICS_ADDR: metricsAddress,
        SYNC_PERIOD_SECONDS: String(periodSeconds),
      }),
    );
    return Object.assign(program, { metricsUrl: `http://${metricsAddress}/metrics` });
  }

  /** Keeps a program for {@link stop}. */
  track(program: MeasuredProgram): MeasuredProgram {
    this.programs.add(program);
    return program;
  }

  async stop(): Promise<void> {
    for (const program of this.programs) await program.stop();
    this.programs.clear();
  }

  /** CPU time of a start without resources, in milliseconds. */
  async idleCpuMs(subject: Subject): Promise<number> {
    let used = this.idle.get(subject);
    if (used === undefined) {
      await this.renew();
      const program = await this.start(subject);
      await program.settled();
      used = program.cpuMs;
      this.idle.set(subject, used);
      await this.stop();
    }
    return used;
  }

  /** Applies resources `0` to `count - 1` with values of this edition. */
  async apply(count: number, edition: string, shape: Shape = {}): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++)
        await this.current.kube.apply(this.secret(index, edition, shape));
    };
    await Promise.all(Array.from({ length: APPLIED_AT_ONCE }, worker));
  }

  /** Milliseconds from an edit of a resource until Vault holds it. */
  async edit(subject: Subject, index: number, edition: string, shape: Shape = {}): Promise<number> {
    const { kube, vault, vaultApi } = this.current;
    const manifest = this.secret(index, edition, shape);
    // Our operator tracks versions by itself; others write a new value only when the resource names the old version.
    if (subject.name === 'other' && this.options.engine === 'v2')
      (manifest['spec'].kvSettings as Record<string, unknown>)['casIndex'] = await vaultApi.version(
        manifest['spec'].path as string,
      );
    const arrived = vault.tell('awaited', { name: manifest.metadata.name, edition });
    const begun = performance.timeOrigin + performance.now();
    await kube.patch(manifest.kind, 'default', manifest.metadata.name, { spec: manifest['spec'] });
    return (await arrived) - begun;
  }

  secret(
    index: number,
    edition: string,
    { prefix = 'bench', keys = this.options.keys }: Shape = {},
  ): Manifest {
    const name = `${prefix}-${String(index)}`;
    const { engine } = this.options;
    return {
      apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
      kind: 'KMSVaultSecret',
      metadata: { name, namespace: 'default' },
      spec: {
        path: engine === 'v2' ? `secret/data/${name}` : `kv/${name}`,
        kvSettings: { engineVersion: engine },
        secrets: Array.from({ length: keys }, (_, key) => ({
          key: `key-${String(key)}`,
          encryptedSecret: encrypt(`${edition} of ${name}, key ${String(key)}`),
        })),
      },
    };
  }

  /** Waits until so many secrets in Vault hold this edition. */
  async held(program: MeasuredProgram, count: number, edition: string): Promise<void> {
    await program.until(
      `${String(count)} secrets hold the ${edition} edition`,
      async () => (await this.vault.tell('holding', { edition })) >= count,
      { intervalMs: HOLDING_INTERVAL_MS },
    );
  }

  async counts(): Promise<Readonly<Record<ServerKind, Counts>>> {
    const { kubernetes, vault } = this.current;
    const [kms, vaultCounts, kubernetesCounts] = await Promise.all(
      [this.kms, vault, kubernetes].map((server) => server.tell('counts', null)),
    );
    return { kms, vault: vaultCounts, kubernetes: kubernetesCounts } as Record<ServerKind, Counts>;
  }

  async clearCounts(): Promise<void> {
    for (const server of this.servers) await server.tell('clear', null);
  }

  /** CPU time of all servers, in milliseconds. */
  get serverCpuMs(): number {
    return this.servers.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  }

  async close(): Promise<void> {
    await this.clear();
    await this.kms.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private get servers(): ServerProcess[] {
    return [this.kms, this.current.kubernetes, this.current.vault];
  }

  private get current(): Site {
    if (this.site === undefined) throw new Error('there are no servers yet');
    return this.site;
  }

  private async clear(): Promise<void> {
    await this.stop();
    this.site?.kube.close();
    this.site?.vaultApi.close();
    await Promise.all([this.site?.kubernetes.stop(), this.site?.vault.stop()]);
    this.site = undefined;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function encrypt(plaintext: string): string {
  return seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(plaintext), {}).toString('base64');
}
