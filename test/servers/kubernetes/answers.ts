import type { ServerResponse } from 'node:http';

import { ApiError, PageNotFound } from './status-errors.js';

/** Answers JSON, with one Warning header for each warning. */
export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  options: { readonly warnings?: readonly string[]; readonly contentType?: string } = {},
): void {
  const text = `${JSON.stringify(body)}\n`;
  const warnings = [...new Set(options.warnings ?? [])].map(
    (warning) => `299 - "${warning.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`,
  );
  if (warnings.length > 0) response.setHeader('warning', warnings);
  response.writeHead(status, {
    'content-type': options.contentType ?? 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-cache, private',
  });
  response.end(text);
}

/** Answers an ApiError as a `Status`. Any other error is a bug of the server and is rethrown. */
export function answerError(
  response: ServerResponse,
  error: unknown,
  warnings: readonly string[] = [],
): void {
  if (!(error instanceof ApiError)) throw error;
  if (error instanceof PageNotFound) {
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
    response.writeHead(error.code, headers).end(`${error.message}\n`);
    return;
  }
  const retryAfter = error.details?.retryAfterSeconds;
  if (retryAfter !== undefined) response.setHeader('retry-after', String(retryAfter));
  answerJson(response, error.code, error.body, { warnings });
}
