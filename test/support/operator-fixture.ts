import { randomBytes } from 'node:crypto';

import type { DependencyContainer } from 'tsyringe';

import { patternProblem } from '../../src/api/allowed-paths.js';
import { createOperatorContainer } from '../../src/composition/container.js';
import type { OperatorProgram } from '../../src/program/operator-program.js';
import { TOKENS } from '../../src/tokens.js';
import { parseOperatorCommand } from '../../src/config/operator-config.js';
import { KubeConfig } from '@kubernetes/client-node';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import { eventOn, readyWith, valuesInVault } from './cluster-waits.js';
import type { Json } from './http-json.js';
import { installInCluster, installInVault, operatorKubeToken, operatorVaultToken } from './installation.js';
import { KubeApi, type Manifest } from './kube-api.js';
import { RecordingLogger } from './loggers.js';
import { type LoopbackFixture, startLoopbackFixture } from './loopback-fixture.js';
import { VaultApi } from './vault-api.js';

const NAMESPACE = 'default';

/** The operator's real container in this process, against servers on loopback. */
export class OperatorFixture {
  readonly logger = new RecordingLogger();
  private program: OperatorProgram | undefined;
  container!: DependencyContainer;

  private constructor(
    readonly servers: LoopbackFixture,
    readonly kube: KubeApi,
    readonly vault: VaultApi,
    readonly token: string,
  ) {}

  /** @param options.crds instead of the shipped ones; an empty list applies none. */
  static async prepare(
    options: { crds?: readonly Manifest[]; role?: Manifest; leaderElection?: boolean } = {},
  ): Promise<OperatorFixture> {
    const servers = await startLoopbackFixture();
    Object.assign(process.env, servers.awsEnvironment);
    const kube = new KubeApi(servers.kubernetes.adminKubeconfig());
    await installInCluster(kube, options);
    if (options.role !== undefined) {
      await kube.delete('ClusterRole', '', options.role.metadata.name);
      await kube.apply(options.role);
    }
    const root = new VaultApi(servers.vault.url, servers.vault.rootToken);
    await installInVault(root);
    return new OperatorFixture(servers, kube, root, await operatorVaultToken(root));
  }

  /** Starts an operator; the one before must have been stopped. */
  async start(flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<void> {
    const { kms, vault } = this.servers;
    const token = await operatorKubeToken(this.kube);
    const command = parseOperatorCommand(
      ['--metrics-addr=0', '--health-addr=0', ...flags],
      {
        AWS_REGION: kms.region,
        AWS_ENDPOINT_URL_KMS: kms.url,
        VAULT_ADDR: vault.url,
        VAULT_TOKEN: this.token,
        ...env,
      },
      { authMethods: AUTH_METHODS, patternProblem, build: { version: 'test', commit: 'test' } },
    );
    if (command.action !== 'run') throw new Error(command.text);
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromString(this.kube.kubeconfigFor(token));
    this.container = createOperatorContainer({
      config: command.config,
      kubeConfig,
      build: { version: 'test', commit: 'test' },
    });
    this.container.register(TOKENS.logger, { useValue: this.logger });
    this.program = this.container.resolve<OperatorProgram>(TOKENS.program);
    await this.program.start();
  }

  async stop(): Promise<number> {
    const code = (await this.program?.stop()) ?? 0;
    this.program = undefined;
    return code;
  }

  async close(): Promise<void> {
    await this.stop();
    this.kube.close();
    this.vault.close();
    await this.servers.close();
  }

  /** Ciphertext under the demo key, without a request. */
  encrypt(plaintext: string, context: Readonly<Record<string, string>> = {}): string {
    return seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(plaintext), context).toString('base64');
  }

  secret(name: string, spec: Json, metadata: Json = {}): Manifest {
    return {
      apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
      kind: 'KMSVaultSecret',
      metadata: { name, namespace: NAMESPACE, ...metadata },
      spec,
    };
  }

  async get(name: string, kind = 'KMSVaultSecret'): Promise<Json> {
    return await this.kube.get(kind, NAMESPACE, name);
  }

  async reason(name: string, reason: string, timeoutMs?: number): Promise<Json> {
    return await readyWith(name, reason, () => this.get(name), timeoutMs);
  }

  async inVault(
    path: string,
    expected: Readonly<Record<string, string>> | undefined,
    timeoutMs?: number,
  ): Promise<void> {
    await valuesInVault(this.vault, path, expected, timeoutMs);
  }

  async event(name: string, reason: string): Promise<Json> {
    return await eventOn(this.kube, NAMESPACE, name, reason);
  }

  /** Requests of the operator to Vault that change something, since the log was cleared. */
  get vaultWrites(): number {
    return this.servers.vault.requests.count(
      (request) =>
        request.headers['x-vault-token'] === this.token &&
        request.method !== 'GET' &&
        /\/v1\/(kv|secret)\//.test(request.url),
    );
  }

  get vaultReads(): number {
    return this.servers.vault.requests.count(
      (request) =>
        request.headers['x-vault-token'] === this.token &&
        request.method === 'GET' &&
        /\/v1\/(kv|secret)\//.test(request.url),
    );
  }

  get statusPatches(): number {
    return this.servers.kubernetes.requests.count(
      (request) => request.method === 'PATCH' && request.url.includes('/status'),
    );
  }

  clearRecords(): void {
    this.servers.vault.requests.clear();
    this.servers.kms.requests.clear();
    this.servers.kubernetes.requests.clear();
  }
}

/** A value that must be found in Vault and nowhere else. */
export function canary(): string {
  return `canary-${randomBytes(12).toString('hex')}`;
}
