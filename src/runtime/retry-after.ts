/** The three forms of HTTP-date (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT` and two old ones. */
const WITH_ZONE = /^[A-Z][a-z]{2,8}, \d{2}[ -][A-Z][a-z]{2}[ -](?:\d{2}|\d{4}) \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/**
 * Reads a `Retry-After` header: seconds or a date (RFC 9110 section 10.2.3).
 *
 * @param header as a client library hands it over; anything but a text counts as absent.
 * @returns milliseconds from `now`, at least 0 and without an upper limit: callers cap it with `namedWaitMs`.
 *   Undefined when the header is absent or invalid.
 */
export function retryAfterMs(header: unknown, now: Date): number | undefined {
  const text = typeof header === 'string' ? header.trim() : '';
  if (/^\d{1,15}$/.test(text)) return Number(text) * 1_000;
  const date = WITH_ZONE.test(text) ? text : ASCTIME.test(text) ? `${text} GMT` : undefined;
  const atMs = date === undefined ? NaN : Date.parse(date);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - now.getTime());
}
