/**
 * A host name as TLS takes it: the dot that ends a fully qualified name is for the resolver alone. It is
 * no part of a server name (RFC 6066, section 3) or of the names in a certificate; Go drops it there too.
 */
export function withoutFinalDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name;
}
