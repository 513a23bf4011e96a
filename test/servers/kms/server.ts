import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http';
import type { ServerOptions as TlsOptions } from 'node:https';

import { LoopbackServer } from '../shared/loopback-server.js';
import type { SeenRequest } from '../shared/request-log.js';
import { type AccessKeys, verifySigV4 } from '../shared/sigv4-verify.js';
import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_KEY_MATERIAL, DEMO_REGION } from './demo-key.js';
import { KmsFault, type KmsKey } from './kms-keys.js';
import { operations } from './operations.js';

export interface LoopbackKmsOptions {
  readonly tls?: TlsOptions & ServerOptions;
  readonly port?: number;
  readonly region?: string;
  /** In addition to the demo's access key. */
  readonly accessKeys?: AccessKeys;
  /** The server's clock, for the dates of signatures and responses. */
  readonly now?: () => Date;
}

/** AWS KMS on loopback: the JSON 1.1 protocol with real signatures, keys and encryption contexts. */
export class LoopbackKms {
  readonly keys = new Map<string, KmsKey>();
  readonly aliases = new Map<string, string>();
  readonly region: string;
  private bucket: { readonly quota: number; tokens: number; at: number } | undefined;
  /** Added to every answer. */
  latencyMs = 0;
  private accessKeys: AccessKeys;
  private readonly now: () => Date;

  private constructor(options: LoopbackKmsOptions) {
    this.region = options.region ?? DEMO_REGION;
    this.now = options.now ?? ((): Date => new Date());
    this.accessKeys = {
      [DEMO_ACCESS_KEY.accessKeyId]: { secret: DEMO_ACCESS_KEY.secretAccessKey },
      ...options.accessKeys,
    };
    this.addKey(DEMO_KEY_ID, DEMO_KEY_MATERIAL);
  }

  server!: LoopbackServer;

  static async start(options: LoopbackKmsOptions = {}): Promise<LoopbackKms> {
    const kms = new LoopbackKms(options);
    kms.server = await LoopbackServer.start((seen, request, response) => kms.serve(seen, request, response), {
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(options.port === undefined ? {} : { port: options.port }),
    });
    return kms;
  }

  get url(): string {
    return this.server.url;
  }

  get requests(): LoopbackServer['requests'] {
    return this.server.requests;
  }

  get faults(): LoopbackServer['faults'] {
    return this.server.faults;
  }

  /** The number of Decrypt requests since the log was cleared. */
  get decrypts(): number {
    return this.requests.count((request) => request.headers['x-amz-target'] === 'TrentService.Decrypt');
  }

  addKey(id: string = randomUUID(), material: Buffer = randomBytes(32)): KmsKey {
    const key: KmsKey = {
      id,
      arn: `arn:aws:kms:${this.region}:111122223333:key/${id}`,
      material,
      state: 'Enabled',
      created: new Date(),
      description: '',
      denied: false,
      deniedActions: new Set(),
    };
    this.keys.set(id, key);
    return key;
  }

  async close(): Promise<void> {
    await this.server.close();
  }

  private async serve(seen: SeenRequest, _request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs));
    response.setHeader('date', this.now().toUTCString());
    try {
      const answer = this.handle(seen);
      send(response, 200, answer);
    } catch (error) {
      if (!(error instanceof KmsFault)) throw error;
      response.setHeader('x-amzn-errortype', error.type);
      send(response, error.status, {
        __type: error.type,
        ...(error.message === '' ? {} : { message: error.message }),
      });
    }
  }

  private handle(seen: SeenRequest): unknown {
    const target = String(seen.headers['x-amz-target'] ?? '');
    const name = target.startsWith('TrentService.') ? target.slice('TrentService.'.length) : '';
    seen.operation = name;
    if (seen.method !== 'POST' || !Object.hasOwn(operations, name))
      throw new KmsFault('UnknownOperationException', '');
    if (!String(seen.headers['content-type'] ?? '').startsWith('application/x-amz-json-1.1')) {
      throw new KmsFault('UnknownOperationException', '');
    }
    const verdict = verifySigV4(seen, {
      keys: this.accessKeys,
      service: 'kms',
      region: this.region,
      maxAgeSeconds: 300,
      now: this.now,
    });
    if (!verdict.ok) throw new KmsFault(verdict.code, verdict.message);
    this.countAgainstQuota();
    let input: unknown;
    try {
      input = JSON.parse(seen.body);
    } catch {
      throw new KmsFault('SerializationException', '');
    }
    if (typeof input !== 'object' || input === null || Array.isArray(input)) {
      throw new KmsFault('SerializationException', 'Start of structure or map found where not expected.');
    }
    return operations[name as keyof typeof operations](this, input as Record<string, unknown>);
  }

  /**
   * Requests per second; those beyond are answered with `ThrottlingException`. A token bucket that holds what
   * one second grants, full when the quota is set. Undefined: no quota.
   */
  get quotaPerSecond(): number | undefined {
    return this.bucket?.quota;
  }

  set quotaPerSecond(quota: number | undefined) {
    this.bucket = quota === undefined ? undefined : { quota, tokens: quota, at: performance.now() };
  }

  private countAgainstQuota(): void {
    const { bucket } = this;
    if (bucket === undefined) return;
    const now = performance.now();
    bucket.tokens = Math.min(bucket.quota, bucket.tokens + ((now - bucket.at) / 1_000) * bucket.quota);
    bucket.at = now;
    if (bucket.tokens < 1) throw new KmsFault('ThrottlingException', 'Rate exceeded');
    bucket.tokens -= 1;
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'x-amzn-requestid': randomUUID(),
  });
  response.end(JSON.stringify(body));
}

export async function startKmsServer(options: LoopbackKmsOptions = {}): Promise<LoopbackKms> {
  return await LoopbackKms.start(options);
}
