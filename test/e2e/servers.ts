import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { CreateKeyCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms';

import { TestAuthority } from '../servers/shared/certificates.js';
import { ChildProgram } from '../support/child-program.js';
import { eventOn, readyWith, valuesInVault } from '../support/cluster-waits.js';
import type { Json } from '../support/http-json.js';
import { shippedCrds } from '../support/installation.js';
import { KubeApi, type Manifest, manifestsIn } from '../support/kube-api.js';
import { VaultApi } from '../support/vault-api.js';
import { eventually } from '../support/wait.js';
import { type Endpoints, endpoints as endpointsOf } from './endpoints.js';

/** The shipped roles that the operator gets: all namespaces, or the watched one alone. */
export type Access = 'cluster' | 'namespaced';

export const CRDS = ['kmsvaultsecrets.k8s.patoarvizu.dev', 'partialkmsvaultsecrets.k8s.patoarvizu.dev'];

/**
 * What the suite makes for itself on the servers it is given, under names with this run's id, and
 * removes again. It knows nothing of what kind of servers they are.
 */
export class E2eServers {
  readonly runId = `e2e-${randomBytes(4).toString('hex')}`;
  readonly namespace = this.runId;
  /** A K/V v1 mount and a K/V v2 mount, the latter two levels deep. */
  readonly v1 = `kv-${this.runId}`;
  readonly v2 = `team/kv-${this.runId}`;
  readonly directory = mkdtempSync(join(tmpdir(), 'kms-vault-operator-'));
  /** Plaintexts that were encrypted: to be found in Vault and nowhere else. */
  readonly canaries: string[] = [];
  private readonly programs: ChildProgram[] = [];
  private operatorKubeconfig = '';
  private operatorToken = '';
  private keyId = '';

  private constructor(
    readonly endpoints: Endpoints,
    readonly kube: KubeApi,
    readonly vault: VaultApi,
    private readonly kms: KMSClient,
    private readonly ownsCrds: boolean,
    private readonly access: Access,
  ) {}

  /** @param options.vaultTls whether the Vault on loopback is https. */
  static async prepare({
    access = 'cluster',
    vaultTls = false,
  }: { access?: Access; vaultTls?: boolean } = {}): Promise<E2eServers> {
    const endpoints = await endpointsOf(process.env, { vaultTls });
    const kube = new KubeApi(endpoints.kubeconfig);
    const { address, token, caFile, namespace } = endpoints.vault;
    const vault = new VaultApi(address, token, {
      ...(caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') }),
      ...(namespace === undefined ? {} : { namespace }),
    });
    const kms = new KMSClient({
      endpoint: endpoints.kms.endpoint,
      region: endpoints.aws.AWS_REGION ?? 'us-east-1',
      credentials: {
        accessKeyId: endpoints.aws.AWS_ACCESS_KEY_ID ?? '',
        secretAccessKey: endpoints.aws.AWS_SECRET_ACCESS_KEY ?? '',
      },
    });
    const present = await Promise.all(CRDS.map((name) => kube.get('CustomResourceDefinition', '', name)));
    const ownsCrds = present.every((crd) => crd === undefined);
    if (!ownsCrds && process.env.E2E_ALLOW_EXISTING_CRDS !== '1') {
      throw new Error(
        'the CRDs exist already; set E2E_ALLOW_EXISTING_CRDS=1 to run against them, they are not deleted then',
      );
    }
    const servers = new E2eServers(endpoints, kube, vault, kms, ownsCrds, access);
    await servers.create();
    return servers;
  }

  /** Encrypts through the KMS API; the plaintext becomes a canary unless it is short. */
  async encrypt(plaintext: string, context: Readonly<Record<string, string>> = {}): Promise<string> {
    if (plaintext.length >= 8) this.canaries.push(plaintext);
    const answer = await this.kms.send(
      new EncryptCommand({
        KeyId: this.keyId,
        Plaintext: Buffer.from(plaintext),
        EncryptionContext: { ...context },
      }),
    );
    return Buffer.from(answer.CiphertextBlob ?? []).toString('base64');
  }

  /** A `KMSVaultSecret` of this run's namespace. */
  secret(name: string, spec: Json, metadata: Json = {}): Manifest {
    return {
      apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
      kind: 'KMSVaultSecret',
      metadata: { name, namespace: this.namespace, ...metadata },
      spec,
    };
  }

  partial(name: string, spec: Json, metadata: Json = {}): Manifest {
    return { ...this.secret(name, spec, metadata), kind: 'PartialKMSVaultSecret' };
  }

  async get(name: string, kind = 'KMSVaultSecret'): Promise<Json> {
    return await this.kube.get(kind, this.namespace, name);
  }

  /** Waits for the `Ready` condition to show a reason for the current generation. */
  async reason(name: string, reason: string): Promise<Json> {
    return await readyWith(name, reason, () => this.get(name));
  }

  async event(name: string, reason: string): Promise<Json> {
    return await eventOn(this.kube, this.namespace, name, reason);
  }

  /** Waits until Vault holds exactly these values; undefined is nothing at all. */
  async inVault(path: string, expected: Readonly<Record<string, string>> | undefined): Promise<void> {
    await valuesInVault(this.vault, path, expected);
  }

  /** The built operator under exactly the shipped role and a Vault token of least rights. */
  async startOperator(
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<ChildProgram> {
    const program = this.spawnOperator(flags, env);
    await program.logged('initial list complete; starting to sync');
    return program;
  }

  spawnOperator(flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): ChildProgram {
    const { vault, aws, kms } = this.endpoints;
    const program = new ChildProgram(
      'dist/main.js',
      [
        '--sync-period-seconds=3',
        '--metrics-addr=127.0.0.1:0',
        '--health-addr=127.0.0.1:0',
        // All namespaces only where no resources of others can be.
        ...(this.access === 'cluster' && this.ownsCrds ? [] : [`--watch-namespace=${this.namespace}`]),
        '--log-level=debug',
        ...flags,
      ],
      {
        ...aws,
        AWS_ENDPOINT_URL_KMS: kms.endpoint,
        KUBECONFIG: this.operatorKubeconfig,
        VAULT_ADDR: vault.address,
        ...('VAULT_TOKEN_FILE' in env ? {} : { VAULT_TOKEN: this.operatorToken }),
        ...(vault.caFile === undefined ? {} : { VAULT_CACERT: vault.caFile }),
        ...(vault.namespace === undefined ? {} : { VAULT_NAMESPACE: vault.namespace }),
        ...env,
      },
    );
    this.programs.push(program);
    return program;
  }

  /**
   * The built webhook with a certificate for the host by which the API server reaches it, and no way to
   * the API server or to Vault.
   */
  async startWebhook(
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly program: ChildProgram; readonly clientConfig: Json }> {
    const { aws, kms, webhook } = this.endpoints;
    if (webhook === undefined) throw new Error('E2E_WEBHOOK_HOST is missing');
    const [host = '', port] = webhook.host.split(':');
    const authority = await TestAuthority.create();
    const names = isIP(host) === 0 ? { dnsNames: [host] } : { ipAddresses: [host] };
    const pair = await authority.issue(names);
    const directory = mkdtempSync(join(this.directory, 'webhook-'));
    const files = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') };
    writeFileSync(files.cert, pair.cert);
    writeFileSync(files.key, pair.key, { mode: 0o600 });
    const program = new ChildProgram(
      'dist/webhook.js',
      [
        `-tls-cert-file=${files.cert}`,
        `-tls-key-file=${files.key}`,
        `-listen-addr=${webhook.bind}`,
        '-metrics-addr=127.0.0.1:0',
        '-log-level=debug',
        ...flags,
      ],
      { ...aws, AWS_ENDPOINT_URL_KMS: kms.endpoint, ...env },
    );
    this.programs.push(program);
    const bound = new URL(await program.address('serving admission reviews')).port;
    return {
      program,
      clientConfig: {
        url: `https://${host}:${port ?? bound}/validate`,
        caBundle: Buffer.from(authority.cert).toString('base64'),
      },
    };
  }

  /**
   * A metric's value summed over its labels, from the program's own endpoint.
   *
   * @param logged what the program logs with the address: the operator this, the webhook `serving metrics and health`.
   */
  async metric(program: ChildProgram, name: string, logged = 'serving metrics'): Promise<number> {
    const address = await program.address(logged);
    const text = await (await fetch(`${address}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  /** Everything that the operator printed in this run. */
  output(): string {
    return this.programs.map((program) => program.output).join('');
  }

  get secrets(): readonly string[] {
    return [...this.canaries, this.operatorToken];
  }

  async cleanUp(): Promise<void> {
    for (const program of this.programs) program.signal('SIGKILL');
    const { kube, vault, namespace, runId } = this;
    await kube.delete('ValidatingWebhookConfiguration', '', runId);
    for (const kind of ['KMSVaultSecret', 'PartialKMSVaultSecret']) {
      for (const object of await kube.list(kind, namespace)) {
        const { name } = object.metadata;
        if (object.metadata.finalizers !== undefined)
          await kube.patch(kind, namespace, name, { metadata: { finalizers: null } }).catch(() => undefined);
        await kube.delete(kind, namespace, name);
      }
    }
    await kube.delete('ClusterRoleBinding', '', runId);
    await kube.delete('ClusterRole', '', runId);
    await kube.delete('Namespace', '', namespace);
    if (this.ownsCrds) for (const name of CRDS) await kube.delete('CustomResourceDefinition', '', name);
    for (const mount of [this.v1, this.v2]) await vault.delete(`sys/mounts/${mount}`);
    await vault.delete(`sys/policies/acl/${runId}`);
    kube.close();
    vault.close();
    this.kms.destroy();
    rmSync(this.directory, { recursive: true, force: true });
    await this.endpoints.close();
  }

  private async create(): Promise<void> {
    const { kube, vault, namespace, runId } = this;
    if (this.ownsCrds) {
      await kube.applyAll(shippedCrds());
    }
    await kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    await kube.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'operator', namespace } });
    await this.grant();
    this.operatorKubeconfig = join(this.directory, 'kubeconfig');
    const token = await kube.serviceAccountToken(namespace, 'operator');
    writeFileSync(this.operatorKubeconfig, kube.kubeconfigFor(token), { mode: 0o600 });
    await vault.write(`sys/mounts/${this.v1}`, { type: 'kv', options: { version: '1' } });
    await vault.write(`sys/mounts/${this.v2}`, { type: 'kv', options: { version: '2' } });
    const rule = (path: string, ...capabilities: string[]): string =>
      `path "${path}" { capabilities = ${JSON.stringify(capabilities)} }`;
    const policy = [
      // No more than docs/vault.md asks for.
      rule(`${this.v1}/*`, 'create', 'read', 'update', 'delete'),
      rule(`${this.v2}/data/*`, 'create', 'read', 'update'),
      rule(`${this.v2}/metadata/*`, 'delete'),
      rule(`${this.v2}/data/described`, 'create', 'read', 'update', 'delete'),
      rule(`${this.v2}/metadata/described`, 'create', 'read', 'update', 'delete'),
      rule(`${this.v1}/forbidden`, 'deny'),
      rule(`${this.v1}/write-only/*`, 'create', 'update'),
      rule(`${this.v2}/data/write-only/*`, 'create', 'update'),
    ].join('\n');
    await vault.write(`sys/policies/acl/${runId}`, { policy });
    const created = await vault.write('auth/token/create', { policies: [runId], ttl: '2h' });
    this.operatorToken = created.auth.client_token;
    const { keyId } = this.endpoints.kms;
    this.keyId = keyId ?? (await this.kms.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? '';
    // A new v2 mount is upgraded in the background for a moment.
    await eventually('the v2 mount takes writes', async () => {
      const { status } = await vault.send('POST', `${this.v2}/data/probe`, { data: { probe: 'x' } });
      return status === 200;
    });
  }

  /** The rules of the shipped role, under names of this run. */
  private async grant(): Promise<void> {
    const { kube, namespace, runId, access } = this;
    const [kind, file] =
      access === 'cluster'
        ? ['ClusterRole', 'manifests/rbac/cluster-role.yaml']
        : ['Role', 'manifests/rbac/namespaced/role.yaml'];
    const role = manifestsIn(file).find((manifest) => manifest.kind === kind);
    if (role === undefined) throw new Error(`no ${kind} in ${file}`);
    const metadata = access === 'cluster' ? { name: runId } : { name: runId, namespace };
    await kube.apply({ ...role, metadata });
    await kube.apply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name: runId },
      subjects: [{ kind: 'ServiceAccount', name: 'operator', namespace }],
    });
  }
}
