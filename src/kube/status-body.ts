import type { IncomingHttpHeaders } from 'node:http';

import { retryAfterMs } from '../runtime/retry-after.js';
import { KubeError, type StatusFacts } from './kube-error.js';

/** `Status.reason` and causes are CamelCase words; any other text may quote an object. */
const WORD = /^[A-Za-z]{1,64}$/;

/** Extracts what is safe to keep from a `Status` body; any other body gives nothing. */
export function statusFacts(body: unknown): StatusFacts {
  if (!isRecord(body) || body.kind !== 'Status') return {};
  const details = isRecord(body.details) ? body.details : {};
  const causes = (Array.isArray(details.causes) ? details.causes : [])
    .map((cause: unknown) => (isRecord(cause) ? cause.reason : undefined))
    .filter((reason): reason is string => typeof reason === 'string' && WORD.test(reason));
  return {
    ...(typeof body.reason === 'string' && WORD.test(body.reason) ? { reason: body.reason } : {}),
    ...(typeof details.name === 'string' ? { objectName: details.name } : {}),
    ...(causes.length > 0 ? { causes } : {}),
  };
}

/** The parsed JSON body, or undefined if it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The error for an unsuccessful answer; `operation` is verb and path. */
export function errorOfAnswer(
  operation: string,
  status: number,
  headers: IncomingHttpHeaders,
  body: string,
  now: Date,
  /** `host:port` of a proxy that may have sent this answer. */
  proxy?: string,
): KubeError {
  const parsed = parseJson(body);
  const facts = statusFacts(parsed);
  const isOfProxy = proxy !== undefined && !(isRecord(parsed) && parsed.kind === 'Status');
  const who = isOfProxy ? `the proxy ${proxy} or the API server` : 'the API server';
  const reason = facts.reason === undefined ? '' : ` (${facts.reason})`;
  return new KubeError(
    `${operation}: ${who} answered ${String(status)}${reason}`,
    status,
    retryAfterMs(headers['retry-after'], now),
    facts,
  );
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
