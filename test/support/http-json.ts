import { type Agent as HttpAgent, request as httpRequest } from 'node:http';
import { type AgentOptions, Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface JsonAnswer {
  readonly status: number;
  readonly text: string;
  /** Undefined when the text is not JSON. */
  readonly json: Json;
  /** The texts of the `Warning` headers of the Kubernetes API. */
  readonly warnings: readonly string[];
}

/** Any JSON; tests look into it without ceremony. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what a server answers has every shape
export type Json = any;

/** A plain HTTP(S) client for tests and the demo: no Kubernetes or Vault library in between. */
export class HttpJson {
  private readonly agent: HttpAgent | undefined;

  constructor(
    private readonly base: string,
    private readonly headers: Readonly<Record<string, string>>,
    tls: AgentOptions = {},
  ) {
    this.agent = base.startsWith('https:') ? new HttpsAgent({ keepAlive: true, ...tls }) : undefined;
  }

  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<JsonAnswer> {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const send = this.base.startsWith('https:') ? httpsRequest : httpRequest;
    return await new Promise((resolve, reject) => {
      const request = send(
        `${this.base}${path}`,
        {
          method,
          ...(this.agent === undefined ? {} : { agent: this.agent }),
          headers: {
            accept: 'application/json',
            ...(text === undefined ? {} : { 'content-type': 'application/json' }),
            ...this.headers,
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const answer = Buffer.concat(chunks).toString('utf8');
            const warnings = (response.headersDistinct.warning ?? []).map(warningText);
            resolve({ status: response.statusCode ?? 0, text: answer, json: parse(answer), warnings });
          });
        },
      );
      request.on('error', reject);
      request.setTimeout(30_000, () => request.destroy(new Error(`${method} ${path} timed out`)));
      request.end(text);
    });
  }

  close(): void {
    this.agent?.destroy();
  }
}

/** RFC 7234, 5.5: a code, an agent and a quoted text. */
function warningText(header: string): string {
  const quoted = /^299 \S+ "(.*)"$/s.exec(header)?.[1];
  return quoted === undefined ? header : quoted.replace(/\\(.)/gs, '$1');
}

function parse(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
