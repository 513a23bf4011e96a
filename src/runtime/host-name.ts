/**
 * A host name for TLS: the final dot of a fully qualified name is only for the resolver. It is not part of a server name
 * (RFC 6066, section 3) or of the names in a certificate; Go drops it as well.
 */
export function withoutFinalDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
