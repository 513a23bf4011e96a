import type { RawResponse } from './vault-transport.js';

/** The redirect statuses that the official client follows (`api.Client.rawRequestWithContext`). */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

export function isRedirect({ status }: Pick<RawResponse, 'status'>): boolean {
  return REDIRECTS.has(status);
}

/**
 * The target of a redirect, which standbys use: one hop, never from https to http, and only http(s). The token is sent
 * only to a target that this function returns.
 *
 * @param from the URL that was asked.
 */
export function redirectTarget(
  { headers }: Pick<RawResponse, 'headers'>,
  from: string,
  isDisabled: boolean,
): { readonly url: string } | { readonly problem: string } {
  if (isDisabled) return { problem: 'and VAULT_DISABLE_REDIRECTS is set' };
  const { location } = headers;
  if (typeof location !== 'string' || !URL.canParse(location, from)) {
    return { problem: 'without a valid address' };
  }
  const target = new URL(location, from);
  if (!['http:', 'https:'].includes(target.protocol))
    return { problem: 'to an address that is neither http nor https' };
  if (target.username !== '' || target.password !== '') return { problem: 'to an address with credentials' };
  if (target.protocol === 'http:' && new URL(from).protocol === 'https:') {
    return { problem: 'from https to http, which would expose the token' };
  }
  return { url: target.href };
}
