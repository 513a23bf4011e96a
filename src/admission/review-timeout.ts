/** The API server's default when the webhook configuration has no `timeoutSeconds`. */
const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 30_000;
/** Minimum margin for the network and for writing the answer; the margin is normally a tenth of the timeout. */
const MIN_MARGIN_MS = 250;

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;

/**
 * How long a review may take: the `timeout` that the API server sends in the query, as a Go duration (`10s`,
 * `1m30s`, `500ms`), minus a margin. A timeout that cannot be parsed counts as 10 s.
 */
export function reviewTimeoutMs(url: string): number {
  const text = new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('timeout') ?? '';
  const timeoutMs = Math.min(goDurationMs(text) ?? DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS);
  return Math.max(timeoutMs / 2, Math.min(timeoutMs * 0.9, timeoutMs - MIN_MARGIN_MS));
}

function goDurationMs(text: string): number | undefined {
  if (text.length > 30 || !/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount = '', unit = ''] of text.matchAll(PART)) ms += Number(amount) * (UNITS_MS[unit] ?? 0);
  return ms > 0 ? ms : undefined;
}
