import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { KmsKey } from '../servers/kms/kms-keys.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import type { SeenRequest } from '../servers/shared/request-log.js';
import { steadyPort } from '../servers/shared/steady-port.js';
import { ChildProgram } from '../support/child-program.js';
import type { Json } from '../support/http-json.js';
import {
  installInCluster,
  installInVault,
  OPERATOR_POLICY,
  operatorKubeToken,
} from '../support/installation.js';
import { KubeApi, manifestsIn } from '../support/kube-api.js';
import { type LoopbackFixture, startLoopbackFixture } from '../support/loopback-fixture.js';
import { VaultApi } from '../support/vault-api.js';
import { LeakScanner } from './leaks.js';
import { GUARDED, MOUNTS, NAMESPACES } from './planner.js';
import { SealedValues } from './sealed-values.js';
import type { ChaosTimeline } from './timeline.js';

export const LEASE = '39a50047.patoarvizu.dev';
export const LEASE_NAMESPACE = 'vault';
/** Every resource is looked at so often. */
export const SYNC_PERIOD_S = 8;
const PROCESS_POLICY = 'process-';
/** On a machine with several times its work, Node alone takes more than 20 s to start. */
const START_LIMIT_MS = 90_000;

/**
 * The configuration of a replica. Each process has its own, so that the servers' records show which process it was.
 */
interface Credentials {
  readonly name: string;
  readonly kubeconfig: string;
  readonly kubeToken: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** One process of the operator. */
export interface Replica {
  readonly name: string;
  readonly program: ChildProgram;
  /** It was stopped or killed on purpose, so its end is expected. */
  dismissed: boolean;
}

/** The servers, the built programs and their files, for one run. */
export class ChaosFixture {
  readonly replicas: Replica[] = [];
  readonly scanner = new LeakScanner();
  readonly sealed: SealedValues;
  webhook: ChildProgram | undefined;
  /** It was killed: that it ended is no surprise. */
  webhookDismissed = false;
  private webhookOutput = '';
  private webhookPort = 0;
  private webhookTurn: Promise<void> = Promise.resolve();
  private readonly directory = mkdtempSync(join(tmpdir(), 'chaos-'));
  private readonly spare: Credentials[] = [];
  private readonly processOfToken = new Map<string, string>();
  private readonly webhookAuthority: TestAuthority;
  /** Also while Vault is stopped. */
  private readonly vaultUrl: string;

  private constructor(
    readonly servers: LoopbackFixture,
    readonly kube: KubeApi,
    private readonly root: VaultApi,
    readonly fragileKey: KmsKey,
    authorities: { readonly webhook: TestAuthority; readonly vault: TestAuthority },
    private readonly timeline: ChaosTimeline,
  ) {
    this.sealed = new SealedValues(fragileKey);
    this.webhookAuthority = authorities.webhook;
    this.trustVault(authorities.vault);
    this.vaultUrl = servers.vault.url;
  }

  /** @param processes how many may be started in the run. */
  static async prepare(processes: number, timeline: ChaosTimeline): Promise<ChaosFixture> {
    const authorities = { webhook: await TestAuthority.create(), vault: await TestAuthority.create() };
    const servers = await startLoopbackFixture({ vaultTls: await authorities.vault.issue() });
    const kube = new KubeApi(servers.kubernetes.adminKubeconfig());
    const root = new VaultApi(servers.vault.url, servers.vault.rootToken, { ca: authorities.vault.cert });
    const fixture = new ChaosFixture(servers, kube, root, servers.kms.addKey(), authorities, timeline);
    await fixture.setUp(processes);
    return fixture;
  }

  private async setUp(processes: number): Promise<void> {
    const { kube, root, scanner } = this;
    await installInCluster(kube, { leaderElection: true });
    for (const name of NAMESPACES) {
      if (name !== 'default') await kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
    await installInVault(root, MOUNTS);
    await root.write('sys/auth/approle', { type: 'approle' });
    for (let index = 1; index <= processes; index += 1)
      this.spare.push(await this.makeCredentials(`r${String(index)}`));
    scanner.guard(this.servers.vault.rootToken);
    scanner.guard(this.servers.awsEnvironment['AWS_SECRET_ACCESS_KEY'] ?? '');
    this.root.close();
    this.webhookPort = await steadyPort();
    await this.startWebhook();
    await this.registerWebhook();
  }

  private async makeCredentials(name: string): Promise<Credentials> {
    const { kube, root, scanner } = this;
    const kubeToken = await operatorKubeToken(kube);
    this.processOfToken.set(kubeToken, name);
    const kubeconfig = join(this.directory, `${name}.kubeconfig`);
    writeFileSync(kubeconfig, kube.kubeconfigFor(kubeToken), { mode: 0o600 });
    const role = `auth/approle/role/${name}`;
    await root.write(role, {
      token_policies: [OPERATOR_POLICY, `${PROCESS_POLICY}${name}`],
      token_ttl: '10m',
    });
    const roleId = (await root.send('GET', `${role}/role-id`)).json.data.role_id;
    const secretId = (await root.write(`${role}/secret-id`)).data.secret_id;
    for (const secret of [kubeToken, secretId]) scanner.guard(secret);
    return {
      name,
      kubeconfig,
      kubeToken,
      environment: { VAULT_APPROLE_ROLE_ID: roleId, VAULT_APPROLE_SECRET_ID: secretId },
    };
  }

  /** Starts one more replica, which nobody waits for. */
  startReplica(): Replica {
    const credentials = this.spare.shift();
    if (credentials === undefined) throw new Error('more processes were started than planned');
    const { name } = credentials;
    const program = new ChildProgram(
      'dist/main.js',
      [
        '--enable-leader-election',
        `--leader-election-namespace=${LEASE_NAMESPACE}`,
        `--sync-period-seconds=${String(SYNC_PERIOD_S)}`,
        '--shutdown-grace-seconds=6',
        '--vault-authentication-method=approle',
        '--metrics-addr=127.0.0.1:0',
        '--health-addr=127.0.0.1:0',
        '--log-level=debug',
      ],
      {
        ...this.servers.awsEnvironment,
        KUBECONFIG: credentials.kubeconfig,
        VAULT_ADDR: this.vaultUrl,
        VAULT_CACERT: this.vaultCaFile,
        VAULT_CLIENT_TIMEOUT: '4s',
        ...credentials.environment,
      },
    );
    const replica: Replica = { name, program, dismissed: false };
    this.replicas.push(replica);
    this.timeline.add(`replica ${name} starts`);
    return replica;
  }

  /** As the replica writes it into the lease; undefined until it has said so. */
  identityOf(name: string): string | undefined {
    const lines = this.replicas.find((replica) => replica.name === name)?.program.lines ?? [];
    const line = lines.find(({ msg }) => msg === 'standing by until the lease can be acquired');
    return line === undefined ? undefined : String(line['identity']);
  }

  get running(): Replica[] {
    return this.replicas.filter(({ program, dismissed }) => program.running && !dismissed);
  }

  /** Whose request it is, by its token; undefined: nobody's that is known. */
  processOf({ headers }: SeenRequest): string | undefined {
    const bearer = String(headers['authorization'] ?? '').replace(/^Bearer /, '');
    const vaultToken = headers['x-vault-token'];
    if (typeof vaultToken !== 'string') return this.processOfToken.get(bearer);
    this.scanner.guard(vaultToken);
    return processOfPolicies(this.servers.vault.tokens.peek(vaultToken)?.policies);
  }

  get vaultCaFile(): string {
    return join(this.directory, 'vault-ca.pem');
  }

  trustVault(authority: TestAuthority): void {
    this.writeFile('vault-ca.pem', authority.cert);
  }

  /** Somebody deletes every secret with its history. */
  wipeVault(): void {
    const { vault } = this.servers;
    for (const [mount, version] of Object.entries(MOUNTS)) {
      const engine = version === 'v1' ? vault.kvV1(mount) : vault.kvV2(mount);
      const prefix = version === 'v1' ? '' : 'metadata/';
      for (const name of [...engine.secrets.keys()]) {
        const path = `${prefix}${name}`;
        engine.handle({ operation: 'delete', path, query: new URLSearchParams(), body: new Map() });
      }
    }
  }

  /** One after the other: on a loaded machine the next kill may come before the last start is over. */
  private inTurn(act: () => Promise<void>): Promise<void> {
    const done = this.webhookTurn.then(act);
    this.webhookTurn = done.catch(() => undefined);
    return done;
  }

  startWebhook(): Promise<void> {
    return this.inTurn(() => this.runWebhook());
  }

  killWebhook(): Promise<void> {
    return this.inTurn(async () => {
      this.webhookDismissed = true;
      await this.webhook?.stop('SIGKILL');
    });
  }

  private async runWebhook(): Promise<void> {
    await this.writeWebhookPair();
    this.webhookOutput += this.webhook?.output ?? '';
    this.webhookDismissed = false;
    this.webhook = new ChildProgram(
      'dist/webhook.js',
      [
        `-tls-cert-file=${join(this.directory, 'tls.crt')}`,
        `-tls-key-file=${join(this.directory, 'tls.key')}`,
        `-listen-addr=127.0.0.1:${String(this.webhookPort)}`,
        '-metrics-addr=127.0.0.1:0',
        '-log-level=debug',
      ],
      this.servers.awsEnvironment,
    );
    await this.webhook.logged('serving admission reviews', START_LIMIT_MS);
  }

  /** A new pair of the same authority. */
  async writeWebhookPair(options: { readonly half?: boolean } = {}): Promise<void> {
    const pair = await this.webhookAuthority.issue();
    this.scanner.guard(pair.key.split('\n')[1] ?? '');
    const cert = options.half === true ? pair.cert.slice(0, pair.cert.length / 2) : pair.cert;
    this.writeFile('tls.crt', cert);
    this.writeFile('tls.key', pair.key);
  }

  /** Everything that all programs printed, by name. */
  outputs(): [string, string][] {
    return [
      ...this.replicas.map(({ name, program }): [string, string] => [name, program.output]),
      ['webhook', this.webhookOutput + (this.webhook?.output ?? '')],
    ];
  }

  private async registerWebhook(): Promise<void> {
    const [shipped] = manifestsIn('manifests/webhook/validating-webhook-configuration.yaml');
    if (shipped === undefined) throw new Error('no ValidatingWebhookConfiguration in manifests');
    const clientConfig = {
      url: `https://127.0.0.1:${String(this.webhookPort)}/validate`,
      caBundle: Buffer.from(this.webhookAuthority.cert).toString('base64'),
    };
    const webhooks = shipped.webhooks.map((entry: Json) => ({
      ...entry,
      clientConfig,
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': GUARDED } },
    }));
    await this.kube.apply({ ...shipped, webhooks });
  }

  private writeFile(name: string, text: string): void {
    const file = join(this.directory, name);
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  async close(): Promise<void> {
    const programs = [
      ...this.replicas.map(({ program }) => program),
      ...(this.webhook ? [this.webhook] : []),
    ];
    for (const replica of this.replicas) replica.dismissed = true;
    for (const program of programs) {
      program.signal('SIGCONT');
      program.signal('SIGKILL');
      await program.exited;
    }
    this.kube.close();
    await this.servers.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The process that a Vault token was given to, by its policies. */
export function processOfPolicies(policies: readonly string[] | undefined): string | undefined {
  return policies?.find((name) => name.startsWith(PROCESS_POLICY))?.slice(PROCESS_POLICY.length);
}
