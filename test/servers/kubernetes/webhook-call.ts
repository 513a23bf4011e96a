import { request as httpsRequest } from 'node:https';

import type { Webhook } from './webhook-configuration.js';

/** The error message of the API server for a webhook without a response. */
export class WebhookCallFailed extends Error {
  override readonly name = 'WebhookCallFailed';
}

/**
 * Sends a review as the API server does and gives the body of the answer.
 *
 * @throws WebhookCallFailed
 */
export async function callWebhook(webhook: Webhook, review: unknown): Promise<string> {
  const url = targetOf(webhook);
  const connectTo = { host: url.hostname, port: Number(url.port || 443) };
  url.searchParams.set('timeout', `${String(webhook.timeoutSeconds)}s`);
  const body = JSON.stringify(review);
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const fail = (why: string): void => {
      reject(new WebhookCallFailed(`failed to call webhook: Post "${url.href}": ${why}`));
    };
    const request = httpsRequest(
      {
        ...connectTo,
        // An IP address is not valid as a TLS server name; it is verified as an address.
        ...(/^[\d.]+$/.test(url.hostname) ? {} : { servername: url.hostname }),
        ...(webhook.ca === undefined ? {} : { ca: webhook.ca }),
        agent: false,
        method: 'POST',
        path: `${url.pathname}${url.search}`,
        headers: {
          host: url.host,
          'user-agent': 'kube-apiserver-admission',
          accept: 'application/json, */*',
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', () => {
          fail('unexpected EOF');
        });
        response.on('end', () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() });
        });
      },
    );
    const timer = setTimeout(() => {
      fail('context deadline exceeded');
      request.destroy();
    }, webhook.timeoutSeconds * 1_000);
    request.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      fail(inGo(error, connectTo));
    });
    request.end(body);
  });
  if (status >= 200 && status < 300) return text;
  throw new WebhookCallFailed(
    status >= 500
      ? 'failed to call webhook: an error on the server ("unknown") has prevented the request from succeeding'
      : 'failed to call webhook: the server rejected our request for an unknown reason',
  );
}

/** Services are not implemented: webhooks of tests and the demo use URLs. */
function targetOf({ url, service }: Webhook): URL {
  if (url !== undefined) return new URL(url);
  throw new WebhookCallFailed(`failed to call webhook: service "${service?.name ?? ''}" not found`);
}

function inGo(
  { code, message }: NodeJS.ErrnoException,
  { host, port }: { readonly host: string; readonly port: number },
): string {
  if (code === 'ECONNREFUSED') return `dial tcp ${host}:${String(port)}: connect: connection refused`;
  if (/CERT|SIGNATURE|ISSUER/.test(code ?? '')) return `tls: failed to verify certificate: x509: ${message}`;
  return code === 'ECONNRESET' ? 'EOF' : message;
}
