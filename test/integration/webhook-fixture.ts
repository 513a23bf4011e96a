import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, symlinkSync, mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DependencyContainer } from 'tsyringe';

import { patternProblem } from '../../src/api/allowed-paths.js';
import { createWebhookContainer } from '../../src/composition/webhook-container.js';
import type { WebhookProgram } from '../../src/program/webhook-program.js';
import { TOKENS } from '../../src/tokens.js';
import { parseWebhookCommand } from '../../src/config/webhook-config.js';
import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_KEY_MATERIAL } from '../servers/kms/demo-key.js';
import { type LoopbackKms, startKmsServer } from '../servers/kms/server.js';
import { type CertificatePair, type LeafOptions, TestAuthority } from '../servers/shared/certificates.js';
import type { Json } from '../support/http-json.js';
import { RecordingLogger } from '../support/loggers.js';

const BUILD = { version: 'test', commit: 'test' };

/** A spec that costs no request to KMS. */
export const EMPTY = {
  path: 'kv/app',
  kvSettings: { engineVersion: 'v1' },
  secrets: [{ key: 'a', emptySecret: true }],
};

export interface WebhookAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Undefined when the text is not JSON. */
  readonly json: Json;
}

export interface CallOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
}

/** The webhook's real container in this process, a KMS on loopback and a mounted certificate. */
export class WebhookFixture {
  readonly logger = new RecordingLogger();
  container!: DependencyContainer;
  port = 0;
  metricsUrl = '';
  readonly agent: Agent;
  private program: WebhookProgram | undefined;
  private generation = 0;

  private constructor(
    readonly kms: LoopbackKms,
    readonly authority: TestAuthority,
    readonly directory: string,
  ) {
    this.agent = new Agent({ keepAlive: true, ca: authority.cert });
  }

  static async prepare(): Promise<WebhookFixture> {
    const fixture = new WebhookFixture(
      await startKmsServer(),
      await TestAuthority.create(),
      mkdtempSync(join(tmpdir(), 'webhook-')),
    );
    process.env.AWS_ACCESS_KEY_ID = DEMO_ACCESS_KEY.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = DEMO_ACCESS_KEY.secretAccessKey;
    fixture.mount(await fixture.authority.issue());
    return fixture;
  }

  get flags(): string[] {
    return [
      `-tls-cert-file=${join(this.directory, 'tls.crt')}`,
      `-tls-key-file=${join(this.directory, 'tls.key')}`,
      '-listen-addr=127.0.0.1:0',
      '-metrics-addr=127.0.0.1:0',
    ];
  }

  async start(...flags: readonly string[]): Promise<void> {
    const command = parseWebhookCommand(
      [...this.flags, ...flags],
      { AWS_REGION: this.kms.region, AWS_ENDPOINT_URL_KMS: this.kms.url },
      { patternProblem, build: BUILD },
    );
    if (command.action !== 'run') throw new Error(command.text);
    this.logger.entries.length = 0;
    this.container = createWebhookContainer({ config: command.config, build: BUILD });
    this.container.register(TOKENS.logger, { useValue: this.logger });
    this.program = this.container.resolve<WebhookProgram>(TOKENS.webhookProgram);
    await this.program.start();
    this.port = this.portOf('serving admission reviews');
    this.metricsUrl = `http://127.0.0.1:${String(this.portOf('serving metrics and health'))}`;
  }

  async stop(): Promise<number> {
    const code = await this.stopping();
    this.agent.destroy();
    return code;
  }

  /** As {@link stop}, but connections of tests stay as they are. */
  async stopping(): Promise<number> {
    const { program } = this;
    this.program = undefined;
    return (await program?.stop()) ?? 0;
  }

  /** KMS as it was at the start: no faults, no latency, no quota, nothing recorded. */
  resetKms(): void {
    this.kms.faults.clear();
    this.kms.requests.clear();
    this.kms.latencyMs = 0;
    this.kms.quotaPerSecond = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await this.kms.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Puts a pair where the webhook reads it, the way Kubernetes mounts do: by a `..data` symlink. */
  mount(pair: Partial<CertificatePair>): void {
    this.generation += 1;
    const version = `..version-${String(this.generation)}`;
    const files = { 'tls.crt': pair.cert, 'tls.key': pair.key };
    mkdirSync(join(this.directory, version));
    for (const [name, content] of Object.entries(files)) {
      if (content !== undefined) writeFileSync(join(this.directory, version, name), content, { mode: 0o600 });
    }
    symlinkSync(version, join(this.directory, '..data_tmp'));
    renameSync(join(this.directory, '..data_tmp'), join(this.directory, '..data'));
    if (this.generation > 1) return;
    for (const name of Object.keys(files)) symlinkSync(join('..data', name), join(this.directory, name));
  }

  async issue(options: LeafOptions = {}): Promise<CertificatePair> {
    return await this.authority.issue(options);
  }

  /** Sends a body as it is. */
  async call(body: string | Buffer, options: CallOptions = {}): Promise<WebhookAnswer> {
    return await new Promise((resolve, reject) => {
      const request = httpsRequest(
        {
          host: '127.0.0.1',
          port: this.port,
          method: options.method ?? 'POST',
          path: options.path ?? '/validate?timeout=10s',
          agent: options.agent ?? this.agent,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            ...options.headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text,
              json: parsed(text),
            });
          });
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  /** Sends a review and gives `response` of the answer. */
  async review(request: Json, options: CallOptions & { version?: string } = {}): Promise<Json> {
    const version = options.version ?? 'admission.k8s.io/v1';
    const uid = randomUUID();
    const body = { kind: 'AdmissionReview', apiVersion: version, request: { uid, ...request } };
    const answer = await this.call(JSON.stringify(body), options);
    if (answer.status !== 200) throw new Error(`HTTP ${String(answer.status)}: ${answer.text}`);
    const { response } = answer.json;
    if (
      response.uid !== uid ||
      answer.json.apiVersion !== version ||
      answer.json.kind !== 'AdmissionReview'
    ) {
      throw new Error(`not an answer to this review: ${answer.text}`);
    }
    return response;
  }

  async create(spec: Json, kind = 'KMSVaultSecret', options: CallOptions = {}): Promise<Json> {
    return await this.review(createOf(spec, kind), options);
  }

  /** Ciphertext under the demo key, without a request. */
  encrypt(plaintext: string | Buffer, context: Readonly<Record<string, string>> = {}): string {
    return seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from(plaintext), context).toString('base64');
  }

  async metrics(): Promise<string> {
    return await (await fetch(`${this.metricsUrl}/metrics`)).text();
  }

  private portOf(message: string): number {
    const line = this.logger.entries.find((entry) => entry.message === message);
    return Number(String(line?.facts.addr).split(':').at(-1));
  }
}

/** What the API server asks of a new resource. */
export function createOf(spec: Json, kind = 'KMSVaultSecret'): Json {
  return {
    ...head(kind),
    operation: 'CREATE',
    object: resource(kind, spec),
    oldObject: null,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
  };
}

export function updateOf(oldSpec: Json, spec: Json, kind = 'KMSVaultSecret', metadata: Json = {}): Json {
  return {
    ...head(kind),
    operation: 'UPDATE',
    object: resource(kind, spec, metadata),
    oldObject: resource(kind, oldSpec),
    options: { kind: 'UpdateOptions', apiVersion: 'meta.k8s.io/v1' },
  };
}

export function deleteOf(spec: Json, kind = 'KMSVaultSecret'): Json {
  return {
    ...head(kind),
    operation: 'DELETE',
    object: null,
    oldObject: resource(kind, spec),
    options: { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1' },
  };
}

function head(kind: string): Json {
  const group = { group: 'k8s.patoarvizu.dev', version: 'v1alpha1' };
  return {
    kind: { ...group, kind },
    resource: { ...group, resource: `${kind.toLowerCase()}s` },
    name: 'web',
    namespace: 'default',
    userInfo: { username: 'kubernetes-admin', groups: ['system:masters'] },
    dryRun: false,
  };
}

function resource(kind: string, spec: Json, metadata: Json = {}): Json {
  return {
    apiVersion: 'k8s.patoarvizu.dev/v1alpha1',
    kind,
    metadata: { name: 'web', namespace: 'default', uid: 'uid-of-web', generation: 1, ...metadata },
    spec,
  };
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The webhook of a test file that calls {@link useWebhook}. */
export let fixture: WebhookFixture;

/** Starts one webhook for the tests of a file, and resets its KMS after each test. */
export function useWebhook(): void {
  beforeAll(async () => {
    fixture = await WebhookFixture.prepare();
    await fixture.start();
  });
  afterEach(() => {
    fixture.resetKms();
  });
  afterAll(async () => {
    await fixture.close();
  });
}
