/** Tags of the messages that a simple bind needs (RFC 4511, appendix B). */
export const LDAP = {
  sequence: 0x30,
  integer: 0x02,
  octets: 0x04,
  enumerated: 0x0a,
  bindRequest: 0x60,
  bindResponse: 0x61,
  unbindRequest: 0x42,
  simplePassword: 0x80,
} as const;

/** Results of a bind (RFC 4511, 4.1.9). */
export const LDAP_RESULT = { success: 0, protocolError: 2, invalidCredentials: 49, unwilling: 53 } as const;

export interface BerItem {
  readonly tag: number;
  readonly content: Buffer;
  /** Where the next item begins. */
  readonly end: number;
}

/** One item in the Basic Encoding Rules with a definite length. */
export function ber(tag: number, content: Buffer | string): Buffer {
  const body = Buffer.from(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([Buffer.from([tag, 0x84]), length, body]);
}

/** The item at an offset; undefined while bytes of it are missing. */
export function readBer(bytes: Buffer, at = 0): BerItem | undefined {
  const first = bytes[at + 1];
  if (first === undefined) return undefined;
  const more = first < 0x80 ? 0 : first & 0x7f;
  const start = at + 2 + more;
  if (bytes.length < start) return undefined;
  const length = more === 0 ? first : bytes.readUIntBE(at + 2, more);
  if (bytes.length < start + length) return undefined;
  return { tag: bytes[at] ?? 0, content: bytes.subarray(start, start + length), end: start + length };
}

/** The items in the content of another. */
export function berItems(content: Buffer): BerItem[] {
  const items: BerItem[] = [];
  for (let item = readBer(content); item !== undefined; item = readBer(content, item.end)) items.push(item);
  return items;
}
