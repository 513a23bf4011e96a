import { HttpJson, type Json, type JsonAnswer } from './http-json.js';

/** Vault's HTTP API with one token, for tests and the demo. */
export class VaultApi {
  private readonly http: HttpJson;

  constructor(
    readonly address: string,
    token: string,
    options: { readonly ca?: string; readonly namespace?: string } = {},
  ) {
    this.http = new HttpJson(
      address.replace(/\/+$/, ''),
      {
        'x-vault-token': token,
        ...(options.namespace === undefined ? {} : { 'x-vault-namespace': options.namespace }),
      },
      options.ca === undefined ? {} : { ca: options.ca },
    );
  }

  async send(method: string, path: string, body?: unknown): Promise<JsonAnswer> {
    return await this.http.send(method, `/v1/${path}`, body);
  }

  /** @throws when Vault refuses. */
  async write(path: string, body: unknown = {}): Promise<Json> {
    const answer = await this.send('POST', path, body);
    if (answer.status >= 300)
      throw new Error(`write ${path}: HTTP ${String(answer.status)}: ${answer.text.slice(0, 300)}`);
    return answer.json;
  }

  async delete(path: string): Promise<void> {
    const answer = await this.send('DELETE', path);
    if (answer.status >= 300 && answer.status !== 404)
      throw new Error(`delete ${path}: HTTP ${String(answer.status)}`);
  }

  /** The data at a K/V path of either version; undefined when there is none. */
  async read(path: string): Promise<Record<string, string> | undefined> {
    const { status, json } = await this.send('GET', path);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`read ${path}: HTTP ${String(status)}`);
    const data = json.data;
    const isVersioned = typeof data?.metadata?.version === 'number' && 'data' in data;
    return isVersioned ? data.data : data;
  }

  /** The current version of a v2 secret; 0 when there is none. */
  async version(path: string): Promise<number> {
    const { json } = await this.send('GET', path);
    return json?.data?.metadata?.version ?? 0;
  }

  close(): void {
    this.http.close();
  }
}
