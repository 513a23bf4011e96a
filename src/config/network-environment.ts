import type { AwsConfig, Environment, NetworkConfig } from './config.js';
import { type FaultList, nonEmpty, present } from './fault-list.js';
import { type Parsed, splitList } from './values.js';

/** Proxies and roots; upper case takes precedence over lower case, as in Go's `httpproxy.FromEnvironment`. */
export function networkFromEnvironment(env: Environment, faults: FaultList): NetworkConfig {
  const givenAs = (name: string): string => (nonEmpty(env[name]) === undefined ? name.toLowerCase() : name);
  const proxy = (name: string): string | undefined =>
    faults.variable(env, givenAs(name), parseProxy, undefined);
  return {
    ...present({
      httpsProxy: proxy('HTTPS_PROXY'),
      httpProxy: proxy('HTTP_PROXY'),
      noProxy: nonEmpty(env[givenAs('NO_PROXY')]),
      sslCertFile: nonEmpty(env.SSL_CERT_FILE),
    }),
    sslCertDirs: (env.SSL_CERT_DIR ?? '').split(':').filter((directory) => directory !== ''),
  };
}

/** Of these the SDK uses scheme, host, port and path (tried). */
const ENDPOINTS = ['AWS_ENDPOINT_URL_KMS', 'AWS_ENDPOINT_URL_STS', 'AWS_ENDPOINT_URL'];

/** The variables that only the AWS SDK for Go reads, and the region under both of its names. */
export function awsFromEnvironment(env: Environment, faults: FaultList): AwsConfig {
  for (const name of ENDPOINTS) warnOfQuery(env, name, faults);
  return present({
    region: region(env, faults),
    kmsEndpoint: faults.variable(env, 'AWS_ENDPOINT_URL_KMS', parseHttpUrl, undefined),
    caBundle: nonEmpty(env.AWS_CA_BUNDLE),
    staticCredentials: staticCredentials(env),
    containerEndpoint: containerEndpoint(env),
    containerToken: nonEmpty(env.AWS_CONTAINER_AUTHORIZATION_TOKEN),
    containerTokenFile: containerTokenFile(env),
  });
}

/** It becomes a label of host names; the SDK reports any other as a missing region. */
const REGION = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

function region(env: Environment, faults: FaultList): string | undefined {
  const parse = (text: string): Parsed<string | undefined> =>
    REGION.test(text) ? { value: text } : { problem: 'must be the name of a region, such as eu-west-1' };
  const name = nonEmpty(env.AWS_REGION) === undefined ? 'AWS_DEFAULT_REGION' : 'AWS_REGION';
  return faults.variable(env, name, parse, undefined);
}

/** Where `fromHttp` of `@aws-sdk/credential-provider-http` asks: a relative one is that of ECS, and comes first. */
function containerEndpoint(env: Environment): string | undefined {
  const relative = nonEmpty(env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI);
  if (relative !== undefined) return `http://169.254.170.2${relative}`;
  return nonEmpty(env.AWS_CONTAINER_CREDENTIALS_FULL_URI);
}

/** As `fromHttp` of `@aws-sdk/credential-provider-http`: it counts where there is an endpoint, before the token itself. */
function containerTokenFile(env: Environment): string | undefined {
  return containerEndpoint(env) === undefined
    ? undefined
    : nonEmpty(env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE);
}

function staticCredentials(env: Environment): AwsConfig['staticCredentials'] {
  const id = nonEmpty(env.AWS_ACCESS_KEY_ID);
  const secret = nonEmpty(env.AWS_SECRET_ACCESS_KEY);
  const sessionToken = nonEmpty(env.AWS_SESSION_TOKEN);
  if (id !== undefined && secret !== undefined) {
    // The SDK prefers a profile (`@aws-sdk/credential-provider-node`, defaultProvider).
    if (nonEmpty(env.AWS_PROFILE) !== undefined) return undefined;
    return { accessKeyId: id, secretAccessKey: secret, ...present({ sessionToken }) };
  }
  const legacyId = nonEmpty(env.AWS_ACCESS_KEY);
  const legacySecret = nonEmpty(env.AWS_SECRET_KEY);
  if (id !== undefined || legacyId === undefined || legacySecret === undefined) return undefined;
  return { accessKeyId: legacyId, secretAccessKey: legacySecret };
}

/** A proxy URL; without a scheme it means http, as in Go. */
export function parseProxy(text: string): Parsed<string | undefined> {
  const full = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    return { problem: 'must be the URL of an http or https proxy' };
  }
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    return {
      problem: 'contains a % in its user name or password that is not part of an escape sequence: write %25',
    };
  }
  return { value: url.href };
}

/**
 * The URL of a server: scheme and host in lower case, the path without a slash at its end. A query or fragment is left
 * out, since paths are appended; see {@link warnOfQuery}.
 *
 * @param advice what to do about a user name or password, which are not supported.
 */
export function parseHttpUrl(text: string, advice = 'remove it'): Parsed<string | undefined> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    return { problem: 'must be a URL that begins with http:// or https://' };
  }
  if (url.username !== '' || url.password !== '') {
    return { problem: `contains a user name or password, which is not supported: ${advice}` };
  }
  return { value: `${url.origin}${url.pathname.replace(/\/+$/, '')}` };
}

/** Warns of what {@link parseHttpUrl} leaves out of a variable. */
export function warnOfQuery(env: Environment, name: string, faults: FaultList): void {
  if (/[?#]/.test(env[name] ?? '')) {
    faults.warnings.push(`${name} contains a query or fragment; it is ignored: remove it`);
  }
}

/** A comma-separated flag; undefined when the flag is absent. */
export function optionalList(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  const entries = splitList(text);
  return entries.length === 0 ? undefined : entries;
}
