/** What the API server waits when the webhook's configuration says nothing (`timeoutSeconds`). */
const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_TIMEOUT_MS = 30_000;
/** Kept back for the way there and back, and for the answer itself: a tenth, but at least so much. */
const MIN_MARGIN_MS = 250;

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;

/**
 * How long an answer may take: what the API server sends as `timeout` in the query, in Go's notation of
 * durations (`10s`, `1m30s`, `500ms`), less a margin. Anything that cannot be read counts as 10 s.
 */
export function answerWithinMs(url: string): number {
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
