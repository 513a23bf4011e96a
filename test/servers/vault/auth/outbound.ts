import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface OutboundAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface OutboundRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body?: string;
  /** PEM; the platform's roots when absent. */
  readonly ca?: string | undefined;
}

/** A request of an auth method to its identity provider; rejects without a response. */
export async function send(outbound: OutboundRequest): Promise<OutboundAnswer> {
  const start = outbound.url.startsWith('https:') ? httpsRequest : httpRequest;
  return await new Promise((resolve, reject) => {
    const { method, headers, ca } = outbound;
    const options = { method, headers, agent: false as const, ...(ca === undefined ? {} : { ca }) };
    const sent = start(outbound.url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    sent.setTimeout(30_000, () => sent.destroy(new Error('no answer within 30 s')));
    sent.on('error', reject);
    sent.end(outbound.body ?? '');
  });
}
