import { isIP, isIPv4, isIPv6, BlockList } from 'node:net';
import { domainToASCII } from 'node:url';

import type { NetworkConfig } from '../config/config.js';
import { withoutFinalDot } from './host-name.js';

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * The proxy for a URL, decided as Go's `httpproxy` package decides: by scheme, never for loopback, and
 * not for what `NO_PROXY` names (hosts with their subdomains, `.domain` for subdomains only, addresses,
 * CIDR ranges, each with an optional port, `*` for everything).
 */
export function proxyFor(url: URL, network: NetworkConfig): string | undefined {
  const proxy = url.protocol === 'https:' ? network.httpsProxy : network.httpProxy;
  if (proxy === undefined) return undefined;
  const host = withoutFinalDot(url.hostname.replace(/^\[|\]$/g, '').toLowerCase());
  if (isLoopback(host)) return undefined;
  const port = url.port === '' ? (DEFAULT_PORTS[url.protocol] ?? '') : url.port;
  const entries = (network.noProxy ?? '').split(',').map((entry) => entry.trim().toLowerCase());
  return entries.some((entry) => entry !== '' && matches(entry, host, port)) ? undefined : proxy;
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) !== 0 && inRange('127.0.0.0/8', host);
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return inRange(entry, host);
  const { name, onlyPort } = splitPort(entry);
  if (name === '' || (onlyPort !== undefined && onlyPort !== port)) return false;
  if (isIP(name) !== 0 || isIP(host) !== 0) {
    return isIP(name) !== 0 && inRange(`${name}/${isIPv4(name) ? '32' : '128'}`, host);
  }
  // Only subdomains after a leading dot or asterisk; names as they are in a URL.
  const isSuffix = /^\*?\./.test(name);
  const domain = domainToASCII(name.replace(/^\*?\./, ''));
  return domain !== '' && (host.endsWith(`.${domain}`) || (!isSuffix && host === domain));
}

/** `onlyPort` is undefined where an entry has none, or an empty one. */
function splitPort(entry: string): { name: string; onlyPort: string | undefined } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d*))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain ?? (isIPv6(entry) ? entry : '');
  return { name: withoutFinalDot(name), onlyPort: port === '' ? undefined : port };
}

/** Addresses are compared as numbers: one of IPv6 can be written in many ways, and may hold one of IPv4. */
function inRange(entry: string, host: string): boolean {
  const [address = '', prefix = ''] = entry.split('/');
  const family = isIP(address);
  if (family === 0 || isIP(host) === 0 || !/^\d{1,3}$/.test(prefix)) return false;
  if (Number(prefix) > (family === 4 ? 32 : 128)) return false;
  const range = new BlockList();
  range.addSubnet(address, Number(prefix), family === 4 ? 'ipv4' : 'ipv6');
  return range.check(host, isIPv4(host) ? 'ipv4' : 'ipv6');
}
