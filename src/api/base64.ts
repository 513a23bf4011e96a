const STANDARD = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Decodes base64 as Go's `base64.StdEncoding` does, so that every ciphertext the Go operator accepted still
 * works: CR and LF are ignored anywhere, padding is required, and any other character outside the standard
 * alphabet is an error. Unused trailing bits may be set, as in Go.
 *
 * @returns undefined when the text is not base64.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  const compact = text.replace(/[\r\n]/g, '');
  return STANDARD.test(compact) ? Buffer.from(compact, 'base64') : undefined;
}
