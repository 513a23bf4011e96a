import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type ServerOptions } from 'node:https';

import { startVaultServer } from './server.js';

/** A JSON value of any shape. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what a server answers has every shape
type Json = any;

export interface TargetAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Undefined when the text is not JSON. */
  readonly json: Json;
}

/** One line of a table: a request, and what a real server was seen to answer. */
export interface TableRow {
  readonly title: string;
  readonly method: string;
  /** The name of the token; `root` by default. */
  readonly who: string;
  readonly contentType: string;
  readonly path: string;
  readonly body: string;
  readonly status: number;
  /** JSON that the body must match, or `~` and a part of its text; empty: not checked. */
  readonly expected: string;
}

/**
 * Reads a table of lines `title | METHOD[:form|:json][@who] path | body | status [expected]`. PATCH is sent
 * as a merge patch unless the line says `:json`. `{name}` stands for a value of the target.
 */
export function table(text: string): TableRow[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => {
    const [title = '', request = '', body = '', answer = ''] = line.split('|').map((cell) => cell.trim());
    const parts = /^([A-Z]+)(?::(form|json))?(?:@(\S+))? (.*)$/.exec(request);
    const [, status, expected = ''] = /^(\d{3})(?: (.*))?$/.exec(answer) ?? [];
    if (parts === null || status === undefined) throw new Error(`not a line of a table: ${line}`);
    const [, method = '', type, who = 'root', path = ''] = parts;
    const contentType =
      type === 'form'
        ? 'application/x-www-form-urlencoded'
        : method === 'PATCH' && type !== 'json'
          ? 'application/merge-patch+json'
          : 'application/json';
    return { title, method, who, contentType, path, body, status: Number(status), expected };
  });
}

/**
 * What a table test talks to: a real server when `E2E_VAULT_ADDR` and `E2E_VAULT_TOKEN` name one, else a
 * loopback server. Everything is made under names with this run's id.
 */
export class TableTarget {
  readonly id = `t${randomBytes(5).toString('hex')}`;
  /** Tokens by the name that tables use. */
  readonly tokens = new Map<string, string>();
  /** Values for `{name}` in tables. */
  readonly values = new Map<string, string>([['id', this.id]]);

  private constructor(
    readonly isReal: boolean,
    readonly address: string,
    rootToken: string,
    private readonly stop: () => Promise<void>,
    private readonly authority?: string,
  ) {
    this.tokens.set('root', rootToken).set('nobody', '');
  }

  /** @param tls of the loopback server; a real one has its own, trusted by `NODE_EXTRA_CA_CERTS`. */
  static async start(tls?: ServerOptions & { readonly authority: string }): Promise<TableTarget> {
    const { E2E_VAULT_ADDR: address, E2E_VAULT_TOKEN: token } = process.env;
    if (address !== undefined && token !== undefined) {
      return new TableTarget(true, address, token, async () => undefined);
    }
    const vault = await startVaultServer(tls === undefined ? {} : { tls });
    return new TableTarget(false, vault.url, vault.rootToken, () => vault.close(), tls?.authority);
  }

  async send(
    method: string,
    path: string,
    body: string | object = '',
    options: {
      readonly who?: string;
      readonly headers?: Record<string, string>;
      /** The client certificate. */
      readonly tls?: { readonly cert?: string; readonly key?: string };
    } = {},
  ): Promise<TargetAnswer> {
    const token = this.tokens.get(options.who ?? 'root');
    if (token === undefined) throw new Error(`no token is called ${String(options.who)}`);
    const text = this.fill(typeof body === 'string' ? body : JSON.stringify(body));
    const url = new URL(this.address);
    const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers = {
      ...(token === '' ? {} : { 'x-vault-token': token }),
      ...(text === '' ? {} : { 'content-length': String(Buffer.byteLength(text)) }),
      ...options.headers,
    };
    return await new Promise((resolve, reject) => {
      // The path is sent unchanged: `URL` would normalise it first.
      const target = {
        host: url.hostname,
        port: url.port,
        path: `/v1/${this.fill(path)}`,
        agent: false as const,
        ...(this.isReal || url.protocol === 'http:' ? {} : { ca: this.authority }),
        ...options.tls,
      };
      const request = start({ ...target, method, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString();
          const { statusCode = 0, headers: received } = response;
          resolve({ status: statusCode, headers: received, text: answer, json: parse(answer) });
        });
      });
      request.on('error', reject);
      request.end(text);
    });
  }

  /** @throws when the server refuses. */
  async must(method: string, path: string, body: string | object = '', who = 'root'): Promise<Json> {
    const answer = await this.send(method, path, body, { who });
    if (answer.status < 300) return answer.json;
    throw new Error(`${method} ${path}: HTTP ${String(answer.status)}: ${answer.text}`);
  }

  /** Logs in at the mount `{id}-<mount>`. */
  async login(mount: string, body: object): Promise<{ status: number; errors: unknown; auth: unknown }> {
    const { status, json } = await this.send('POST', `auth/{id}-${mount}/login`, body, { who: 'nobody' });
    return { status, errors: json?.errors, auth: json?.auth };
  }

  /** A token with the policy text given, called `name` in tables. */
  async addToken(name: string, policy: string, wishes: object = {}): Promise<Json> {
    await this.must('PUT', `sys/policies/acl/{id}-${name}`, { policy: this.fill(policy) });
    const { auth } = await this.must('POST', 'auth/token/create', {
      policies: [`{id}-${name}`],
      ttl: '1h',
      ...wishes,
    });
    this.tokens.set(name, auth.client_token);
    return auth;
  }

  /** The actual and the expected response, for `toMatchObject`. */
  async answerOf(row: TableRow): Promise<{ readonly got: object; readonly wanted: object }> {
    const hasBody = row.body !== '' || row.contentType !== 'application/json';
    const headers: Record<string, string> = hasBody ? { 'content-type': row.contentType } : {};
    const { status, text, json } = await this.send(row.method, row.path, row.body, { who: row.who, headers });
    const expected = this.fill(row.expected);
    if (expected === '') return { got: { status }, wanted: { status: row.status } };
    if (expected.startsWith('~ ')) {
      const piece = expected.slice(2);
      const got = text.includes(piece) ? piece : text;
      return { got: { status, text: got }, wanted: { status: row.status, text: piece } };
    }
    return {
      got: { status, body: json },
      wanted: { status: row.status, body: JSON.parse(expected) },
    };
  }

  async close(): Promise<void> {
    await this.stop();
  }

  private fill(text: string): string {
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => this.values.get(name) ?? whole);
  }
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
