import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { DEMO_ACCESS_KEY } from '../servers/kms/demo-key.js';
import type { LogLine } from '../support/child-program.js';
import { OperatorFixture } from '../support/operator-fixture.js';
import { eventually } from '../support/wait.js';
import type { ReadOnlyTree } from './image-tree.js';
import { WebhookFixture } from './webhook-fixture.js';

const ANYWHERE = '127.0.0.1:0';
const SPEC = { path: 'kv/app', kvSettings: { engineVersion: 'v1' } };

/** A program of the image and what it has logged. */
class Running {
  readonly lines: LogLine[] = [];
  readonly others: string[] = [];

  constructor(readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.take(line));
    }
  }

  async address(message: string): Promise<string> {
    const { addr = '' } = await eventually(
      `"${message}" (so far: ${JSON.stringify([this.lines, this.others]).slice(-500)})`,
      () => this.lines.find((line) => line.msg === message),
      20_000,
    );
    return `http://127.0.0.1:${addr.slice(addr.lastIndexOf(':') + 1)}`;
  }

  async stop(): Promise<number | null> {
    const ended = once(this.child, 'close');
    this.child.kill('SIGTERM');
    return (await ended)[0] as number | null;
  }

  private take(line: string): void {
    try {
      this.lines.push(JSON.parse(line) as LogLine);
    } catch {
      this.others.push(line);
    }
  }
}

/** Both programs of the image as in a pod: its tree, mounted files, environment, and servers around it. */
export class ImageFixture {
  private operator: Running | undefined;
  private webhook: Running | undefined;

  private constructor(
    private readonly tree: ReadOnlyTree,
    /** Seen by the programs at `/tmp`. */
    private readonly mounted: string,
    private readonly servers: OperatorFixture,
    private readonly caller: WebhookFixture,
  ) {}

  static async prepare(tree: ReadOnlyTree, mounted: string): Promise<ImageFixture> {
    return new ImageFixture(tree, mounted, await OperatorFixture.prepare(), await WebhookFixture.prepare());
  }

  async startOperator(): Promise<void> {
    const { kube, servers, token } = this.servers;
    const account = await kube.serviceAccountToken('vault', 'kms-vault-operator');
    this.mount('kubeconfig', kube.kubeconfigFor(account));
    const flags = [`--metrics-addr=${ANYWHERE}`, `--health-addr=${ANYWHERE}`, '--kubeconfig=/tmp/kubeconfig'];
    const environment = { ...servers.awsEnvironment, VAULT_ADDR: servers.vault.url, VAULT_TOKEN: token };
    this.operator = new Running(this.tree.start(['/manager', ...flags], environment));
  }

  async startWebhook(): Promise<void> {
    const pair = await this.caller.authority.issue();
    this.mount('tls.crt', pair.cert);
    this.mount('tls.key', pair.key);
    const flags = ['-tls-cert-file=/tmp/tls.crt', '-tls-key-file=/tmp/tls.key', `-listen-addr=${ANYWHERE}`];
    const command = ['/kms-vault-validating-webhook', ...flags, `-metrics-addr=${ANYWHERE}`];
    const environment = {
      AWS_REGION: this.caller.kms.region,
      AWS_ENDPOINT_URL_KMS: this.caller.kms.url,
      AWS_ACCESS_KEY_ID: DEMO_ACCESS_KEY.accessKeyId,
      AWS_SECRET_ACCESS_KEY: DEMO_ACCESS_KEY.secretAccessKey,
    };
    this.webhook = new Running(this.tree.start(command, environment));
    this.caller.port = Number(new URL(await this.webhook.address('serving admission reviews')).port);
  }

  /** The responses to the probes of the shipped Deployments, once both programs are ready. */
  async health(): Promise<Record<'operator' | 'webhook', number[]>> {
    const [operator, webhook] = this.both();
    const probes = async (url: string): Promise<number[]> =>
      await Promise.all(['healthz', 'readyz'].map(async (path) => (await fetch(`${url}/${path}`)).status));
    const urls = [
      await operator.address('serving health'),
      await webhook.address('serving metrics and health'),
    ];
    await eventually('both are ready', async () =>
      (await Promise.all(urls.map(probes))).every((statuses) => statuses.every((status) => status === 200)),
    );
    const [ofOperator = [], ofWebhook = []] = await Promise.all(urls.map(probes));
    return { operator: ofOperator, webhook: ofWebhook };
  }

  /** The user that the kernel reports. */
  users(): (string | undefined)[] {
    return this.both().map(
      ({ child }) => /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${String(child.pid)}/status`, 'utf8'))?.[1],
    );
  }

  /** Applies a resource with one value and returns what is written to Vault. */
  async sync(value: string): Promise<Record<string, string> | undefined> {
    const { kube, vault } = this.servers;
    const secrets = [{ key: 'value', encryptedSecret: this.servers.encrypt(value) }];
    await kube.apply(this.servers.secret('web', { ...SPEC, secrets }));
    await this.servers.reason('web', 'Synced');
    return await vault.read(SPEC.path);
  }

  /** The verdicts on a resource that can be decrypted and on one that cannot. */
  async review(): Promise<boolean[]> {
    const secrets = ['good', 'bad'].map((key) => [
      { key, encryptedSecret: this.caller.encrypt('x', key === 'bad' ? { another: 'context' } : {}) },
    ]);
    const answers = await Promise.all(
      secrets.map((items) => this.caller.create({ ...SPEC, secrets: items })),
    );
    return answers.map(({ allowed }) => allowed as boolean);
  }

  async stop(): Promise<(number | null)[]> {
    // The webhook would wait for connections that are kept open.
    this.caller.agent.destroy();
    return await Promise.all(this.both().map((program) => program.stop()));
  }

  /** Their output besides the log. */
  notJson(): string[] {
    return this.both().flatMap(({ others }) => others);
  }

  async close(): Promise<void> {
    for (const program of [this.operator, this.webhook]) program?.child.kill('SIGKILL');
    await Promise.all([this.servers.close(), this.caller.close()]);
  }

  private both(): [Running, Running] {
    if (this.operator === undefined || this.webhook === undefined) throw new Error('not started');
    return [this.operator, this.webhook];
  }

  private mount(name: string, text: string): void {
    const file = join(this.mounted, name);
    writeFileSync(file, text, { mode: 0o400 });
    chownSync(file, 65_532, 65_532);
  }
}
