/** The API server's limit: core/v1 validation of `Event.message`. */
const MAX_MESSAGE_BYTES = 1024;
/** Names of objects are DNS subdomains, RFC 1123. */
const MAX_NAME_LENGTH = 253;

/** Control characters, line and paragraph separators: they would break the output of `kubectl`. */
const BREAKING = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/gu;
/** Marks that reorder or hide text, and halves of characters. */
const HIDING = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;

/** A single-line message, cut to the limit at a character boundary. */
export function eventMessage(text: string): string {
  const clean = text.replace(HIDING, '').replace(BREAKING, ' ').trim();
  const bytes = Buffer.from(clean, 'utf8');
  if (bytes.length <= MAX_MESSAGE_BYTES) return clean;
  let end = MAX_MESSAGE_BYTES - Buffer.byteLength('…');
  // Bytes of the form 10xxxxxx continue a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.subarray(0, end).toString('utf8')}…`;
}

/** `<object>.<suffix>`, cut so that it remains a valid name. */
export function eventName(objectName: string, suffix: string): string {
  const cut = objectName.slice(0, MAX_NAME_LENGTH - suffix.length - 1).replace(/[^a-z0-9]+$/, '');
  return `${cut === '' ? 'event' : cut}.${suffix}`;
}
