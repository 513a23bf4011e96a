import { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';

import type { LoopbackKubernetes } from './server.js';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body. */
  readonly body: Json;
}

/** Any JSON; every field may be read and may be undefined. */
export interface Json {
  readonly [key: string]: Json;
  readonly [index: number]: Json;
}

/** A string, or the given replacement. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
}

export interface RawOptions {
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly headers?: Record<string, string>;
  /** Replaces the administrator's token; empty: no token. */
  readonly token?: string;
  readonly clientCertificate?: { readonly cert: string; readonly key: string };
}

/** Sends HTTPS requests to the server without a Kubernetes client library. */
export class RawClient {
  private readonly agent = new Agent({ keepAlive: true });

  constructor(private readonly server: LoopbackKubernetes) {}

  async get(path: string, options: RawOptions = {}): Promise<RawAnswer> {
    return await this.send('GET', path, options);
  }

  async post(path: string, body: unknown, options: RawOptions = {}): Promise<RawAnswer> {
    return await this.send('POST', path, { ...options, body });
  }

  async put(path: string, body: unknown, options: RawOptions = {}): Promise<RawAnswer> {
    return await this.send('PUT', path, { ...options, body });
  }

  /** A merge patch unless the content type says otherwise. */
  async patch(path: string, body: unknown, contentType = 'application/merge-patch+json'): Promise<RawAnswer> {
    return await this.send('PATCH', path, { body, contentType });
  }

  async delete(path: string, body?: unknown): Promise<RawAnswer> {
    return await this.send('DELETE', path, body === undefined ? {} : { body });
  }

  async send(method: string, path: string, options: RawOptions = {}): Promise<RawAnswer> {
    const response = await this.open(method, path, options);
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const isJson = /json/.test(response.headers['content-type'] ?? '');
    const body = (isJson ? JSON.parse(text) : {}) as Json;
    return { status: response.statusCode ?? 0, headers: response.headers, text, body };
  }

  /** Opens a watch; fails when the answer is not 200. */
  async watch(path: string, options: RawOptions = {}): Promise<RawWatch> {
    const response = await this.open('GET', path, options);
    if (response.statusCode !== 200) throw new Error(`watch: ${String(response.statusCode)}`);
    return new RawWatch(response);
  }

  /** Waits until a path is answered with a status. @throws after 5 s */
  async untilStatus(path: string, status: number): Promise<void> {
    const deadline = Date.now() + 5000;
    while ((await this.get(path)).status !== status) {
      if (Date.now() > deadline) throw new Error(`${path} is not answered with ${String(status)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private async open(method: string, path: string, options: RawOptions): Promise<IncomingMessage> {
    const { body, token = this.server.adminToken, clientCertificate } = options;
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    return await new Promise((resolve, reject) => {
      const outgoing = httpsRequest(
        `${this.server.url}${path}`,
        {
          method,
          ca: this.server.caCert,
          agent: clientCertificate === undefined ? this.agent : false,
          ...clientCertificate,
          headers: {
            ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
            ...(options.accept === undefined ? {} : { accept: options.accept }),
            ...(text === undefined
              ? {}
              : {
                  'content-type': options.contentType ?? 'application/json',
                  'content-length': Buffer.byteLength(text),
                }),
            ...options.headers,
          },
        },
        resolve,
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }
}

/** The events of one watch stream, in order. */
export class RawWatch {
  readonly lines: string[] = [];
  ended = false;
  private rest = '';
  private wake: () => void = () => undefined;

  constructor(private readonly response: IncomingMessage) {
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const parts = (this.rest + chunk).split('\n');
      this.rest = parts.pop() ?? '';
      this.lines.push(...parts);
      this.wake();
    });
    const end = (): void => {
      this.ended = true;
      this.wake();
    };
    response.on('end', end);
    response.on('close', end);
    response.on('error', end);
  }

  /** `TYPE name` of each event so far. */
  get seen(): string[] {
    return this.events.map(
      (event) => `${textOf(event['type'])} ${textOf(event['object']?.['metadata']?.['name'])}`,
    );
  }

  get events(): Json[] {
    return this.lines.map((line) => JSON.parse(line) as Json);
  }

  /** Waits for a condition on the stream. @throws after 5 s, with the received events */
  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + 5000;
    while (!condition()) {
      if (Date.now() > deadline) throw new Error(`not seen in time; so far: ${this.lines.join('\n')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.wake = (): void => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.response.destroy();
  }
}
