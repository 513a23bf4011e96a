import type { Environment, VaultConfig } from './config.js';
import { type FaultList, nonEmpty, present } from './fault-list.js';
import { parseHttpUrl, parseProxy, warnOfQuery } from './network-environment.js';
import { parseBool, parseCount, parseDurationMs, type Parsed } from './values.js';

/** Defaults of the official Go client (`api.DefaultConfig`). */
const DEFAULT_ADDRESS = 'https://127.0.0.1:8200';
const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_RETRIES = 2;
/** One year; `VaultClient` limits a single request to less. A larger number is a mistake. */
const MAX_TIMEOUT_HOURS = 365 * 24;
/** The client timeout ends the attempts long before this many. */
const MAX_RETRIES = 1_000;
/** With less than one request in 100 seconds, ten workers would queue for a quarter of an hour. */
const MIN_REQUESTS_PER_SECOND = 0.01;
/** More than a server or an event loop can handle. */
const MAX_REQUESTS_PER_SECOND = 1_000_000;

/** The `VAULT_*` variables of the official client, with its meanings. */
export function vaultFromEnvironment(env: Environment, faults: FaultList): VaultConfig {
  if (faults.variable(env, 'VAULT_SRV_LOOKUP', parseBool, false)) {
    faults.add('VAULT_SRV_LOOKUP is not supported: set VAULT_ADDR to the address of the server');
  }
  const certificate = nonEmpty(env.VAULT_CLIENT_CERT);
  const key = nonEmpty(env.VAULT_CLIENT_KEY);
  if ((certificate === undefined) !== (key === undefined)) {
    faults.add('VAULT_CLIENT_CERT and VAULT_CLIENT_KEY belong together: set both or neither');
  }
  // The Go client prefers the agent as well.
  const addressName = nonEmpty(env.VAULT_AGENT_ADDR) === undefined ? 'VAULT_ADDR' : 'VAULT_AGENT_ADDR';
  const proxyName = nonEmpty(env.VAULT_PROXY_ADDR) === undefined ? 'VAULT_HTTP_PROXY' : 'VAULT_PROXY_ADDR';
  warnOfQuery(env, addressName, faults);
  const timeoutMs = faults.variable(env, 'VAULT_CLIENT_TIMEOUT', parseTimeout, DEFAULT_TIMEOUT_MS);
  return {
    address: faults.variable(env, addressName, parseAddress, undefined) ?? DEFAULT_ADDRESS,
    timeoutMs: timeoutMs === 0 ? DEFAULT_TIMEOUT_MS : Math.ceil(timeoutMs),
    maxRetries: faults.variable(
      env,
      'VAULT_MAX_RETRIES',
      (text) => parseCount(text, 0, MAX_RETRIES),
      DEFAULT_RETRIES,
    ),
    skipVerify: faults.variable(env, 'VAULT_SKIP_VERIFY', parseBool, false),
    headers: faults.variable(env, 'VAULT_HEADERS', parseHeaders, {}),
    disableRedirects: faults.variable(env, 'VAULT_DISABLE_REDIRECTS', parseBool, false),
    ...present({
      caCertFile: nonEmpty(env.VAULT_CACERT),
      caCertBytes: nonEmpty(env.VAULT_CACERT_BYTES),
      caPath: nonEmpty(env.VAULT_CAPATH),
      clientCertFile: certificate,
      clientKeyFile: key,
      tlsServerName: nonEmpty(env.VAULT_TLS_SERVER_NAME),
      namespace: nonEmpty(env.VAULT_NAMESPACE),
      proxy: faults.variable(env, proxyName, parseProxy, undefined),
      rateLimit: faults.variable(env, 'VAULT_RATE_LIMIT', parseRateLimit, undefined),
    }),
  };
}

/** As `NewRequest` in api/client.go: the query and the fragment are ignored, and the path is cleaned. */
function parseAddress(text: string): Parsed<string | undefined> {
  const parsed = parseHttpUrl(text, 'set the header Authorization in VAULT_HEADERS');
  return 'value' in parsed ? { value: parsed.value?.replace(/(?<!:)\/{2,}/g, '/') } : parsed;
}

/** A duration as in the Go client, with an upper limit that a timer supports. */
function parseTimeout(text: string): Parsed<number> {
  const parsed = parseDurationMs(text);
  if ('value' in parsed && !(parsed.value <= MAX_TIMEOUT_HOURS * 3_600_000)) {
    return { problem: `must be at most ${String(MAX_TIMEOUT_HOURS)}h` };
  }
  return parsed;
}

/** `rate[:burst]`: requests per second, and how many at once; the burst defaults to the rate. */
function parseRateLimit(text: string): Parsed<{ perSecond: number; burst: number } | undefined> {
  const match = /^([0-9]+(?:\.[0-9]+)?)(?::([0-9]+))?$/.exec(text);
  const perSecond = Number(match?.[1]);
  const burst = match?.[2] === undefined ? Math.trunc(perSecond) : Number(match[2]);
  if (match === null || !(perSecond > 0) || burst < 1) {
    return { problem: 'must be requests per second, or rate:burst such as 10:20, both above 0' };
  }
  if (perSecond < MIN_REQUESTS_PER_SECOND || Math.max(perSecond, burst) > MAX_REQUESTS_PER_SECOND) {
    const range = `${String(MIN_REQUESTS_PER_SECOND)} to ${String(MAX_REQUESTS_PER_SECOND)}`;
    return { problem: `must be between ${range} requests per second, the burst included` };
  }
  return { value: { perSecond, burst } };
}

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const HEADER_VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/** A JSON object of strings or lists of strings. Header names that Vault reserves are refused. */
function parseHeaders(text: string): Parsed<Readonly<Record<string, string>>> {
  const problem = { problem: 'must be a JSON object of header names to strings, without X-Vault- names' };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return problem;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return problem;
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(parsed)) {
    const joined: unknown = Array.isArray(value) ? value.join(', ') : value;
    if (typeof joined !== 'string' || !HEADER_NAME.test(name) || !HEADER_VALUE.test(joined)) return problem;
    if (name.toLowerCase().startsWith('x-vault-')) return problem;
    headers[name] = joined;
  }
  return { value: headers };
}
