import type { AwsConfig, Environment, NetworkConfig } from './config.js';
import { type FaultList, nonEmpty, present } from './fault-list.js';
import { type Parsed, splitList } from './values.js';

/** Proxies and roots; upper case takes precedence over lower case, as in Go's `httpproxy.FromEnvironment`. */
export function networkFromEnvironment(env: Environment, faults: FaultList): NetworkConfig {
  const either = (name: string): string | undefined =>
    nonEmpty(env[name]) ?? nonEmpty(env[name.toLowerCase()]);
  const proxy = (name: string): string | undefined => {
    const text = either(name);
    return text === undefined ? undefined : faults.take(name, parseProxy(text), undefined);
  };
  return {
    ...present({
      httpsProxy: proxy('HTTPS_PROXY'),
      httpProxy: proxy('HTTP_PROXY'),
      noProxy: either('NO_PROXY'),
      sslCertFile: nonEmpty(env.SSL_CERT_FILE),
    }),
    sslCertDirs: (env.SSL_CERT_DIR ?? '').split(':').filter((directory) => directory !== ''),
  };
}

/** The variables that only the AWS SDK for Go reads, and the region under both of its names. */
export function awsFromEnvironment(env: Environment, faults: FaultList): AwsConfig {
  const endpoint = faults.variable(env, 'AWS_ENDPOINT_URL_KMS', parseHttpUrl, undefined);
  return present({
    region: nonEmpty(env.AWS_REGION) ?? nonEmpty(env.AWS_DEFAULT_REGION),
    kmsEndpoint: endpoint,
    caBundle: nonEmpty(env.AWS_CA_BUNDLE),
    staticCredentials: staticCredentials(env),
    containerEndpoint: containerEndpoint(env),
    containerToken: nonEmpty(env.AWS_CONTAINER_AUTHORIZATION_TOKEN),
    containerTokenFile: containerTokenFile(env),
  });
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
    return { problem: 'holds a % in its user name or password that is no escape: write %25' };
  }
  return { value: url.href };
}

export function parseHttpUrl(text: string): Parsed<string | undefined> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.username !== '') {
    return { problem: 'must be a URL that begins with http:// or https://' };
  }
  return { value: text.replace(/\/+$/, '') };
}

/** A comma-separated flag; undefined when the flag is absent. */
export function optionalList(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  const entries = splitList(text);
  return entries.length === 0 ? undefined : entries;
}
