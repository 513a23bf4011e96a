import { KubeConfig, loadYaml } from '@kubernetes/client-node';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, isAbsolute, join } from 'node:path';

import { StartupError } from '../runtime/startup-error.js';
import { NO_HEADER, tokenFileOf } from './api-credentials.js';
import { isRecord } from './status-body.js';

export type { KubeConfig };

const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface KubeConfigSources {
  /** `--kubeconfig`. */
  readonly file: string | undefined;
  /** A context to use instead of the current one. */
  readonly context?: string | undefined;
  /** `KUBECONFIG`, `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT` are read from here. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The directory of `.kube/config`; the user's home when absent. */
  readonly home?: string;
  /** Where a pod finds its token, CA and namespace; fixed by Kubernetes. */
  readonly serviceAccountDir?: string;
}

/** No usable configuration; the message says what to do. */
export class KubeConfigError extends StartupError {
  constructor(message: string) {
    super(message);
    this.name = 'KubeConfigError';
  }
}

/**
 * Loads the first of `--kubeconfig`, `KUBECONFIG` (several files are merged, the first definition wins and missing
 * files are skipped, as in kubectl), the service account of the pod, and `~/.kube/config`. Every file that the
 * current context refers to is checked.
 *
 * @throws KubeConfigError
 */
export function loadKubeConfig(sources: KubeConfigSources): KubeConfig {
  const config = load(sources);
  if (sources.context !== undefined) config.setCurrentContext(sources.context);
  checkCurrentContext(config);
  return config;
}

/** The namespace of the current context; in a pod, that of the pod. */
export function namespaceOf(config: KubeConfig): string | undefined {
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace?.trim();
  return namespace === undefined || namespace === '' ? undefined : namespace;
}

/**
 * The namespace of the lease without a flag: that of the current context, otherwise that of the pod.
 *
 * @throws KubeConfigError when there is neither.
 */
export function leaseNamespace(config: KubeConfig, serviceAccountDir = SERVICE_ACCOUNT_DIR): string {
  const namespace = namespaceOf(config) ?? podNamespace(serviceAccountDir);
  if (namespace !== undefined) return namespace;
  throw new KubeConfigError(
    'leader election needs a namespace for its lease: set --leader-election-namespace, ' +
      "or a namespace in the kubeconfig's current context",
  );
}

function podNamespace(directory: string): string | undefined {
  try {
    const namespace = readFileSync(join(directory, 'namespace'), 'utf8').trim();
    return namespace === '' ? undefined : namespace;
  } catch {
    return undefined;
  }
}

function load(sources: KubeConfigSources): KubeConfig {
  if (sources.file !== undefined) return fromFiles([sources.file]);
  const listed = (sources.environment.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  if (listed.length > 0) {
    const present = listed.filter((file) => existsSync(file));
    if (present.length === 0) {
      throw new KubeConfigError(`none of the files in KUBECONFIG exists: ${listed.join(', ')}`);
    }
    return fromFiles(present);
  }
  const inCluster = fromServiceAccount(sources);
  if (inCluster !== undefined) return inCluster;
  const file = join(sources.home ?? homedir(), '.kube', 'config');
  if (existsSync(file)) return fromFiles([file]);
  throw new KubeConfigError(
    'no cluster is configured: set --kubeconfig or KUBECONFIG, or run in a pod with a service account',
  );
}

function fromServiceAccount({ environment, serviceAccountDir }: KubeConfigSources): KubeConfig | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment;
  const directory = serviceAccountDir ?? SERVICE_ACCOUNT_DIR;
  const tokenFile = join(directory, 'token');
  if (!host || !port || !existsSync(tokenFile)) return undefined;
  const namespaceFile = join(directory, 'namespace');
  const name = 'in-cluster';
  const config = new KubeConfig();
  config.loadFromOptions({
    clusters: [
      {
        name,
        server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
        caFile: join(directory, 'ca.crt'),
        skipTLSVerify: false,
      },
    ],
    users: [{ name, authProvider: { name: 'tokenFile', config: { tokenFile } } }],
    contexts: [
      {
        name,
        cluster: name,
        user: name,
        ...(existsSync(namespaceFile) ? { namespace: readFileSync(namespaceFile, 'utf8').trim() } : {}),
      },
    ],
    currentContext: name,
  });
  return config;
}

function fromFiles(files: readonly string[]): KubeConfig {
  const merged = new KubeConfig();
  for (const file of files) {
    const next = fromFile(file);
    const { clusters, users, contexts } = merged;
    clusters.push(...next.clusters.filter(({ name }) => !clusters.some((known) => known.name === name)));
    users.push(...next.users.filter(({ name }) => !users.some((known) => known.name === name)));
    contexts.push(...next.contexts.filter(({ name }) => !contexts.some((known) => known.name === name)));
    if (!merged.currentContext && next.currentContext) merged.setCurrentContext(next.currentContext);
  }
  return merged;
}

function fromFile(file: string): KubeConfig {
  const config = new KubeConfig();
  const parsed = parseFile(file);
  try {
    config.loadFromString(JSON.stringify(withTokenFiles(parsed)), { onInvalidEntry: 'throw' });
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const why = /^[\w[\].-]+ is missing$/.test(message) ? `: ${message}` : '';
    throw new KubeConfigError(`the kubeconfig ${file} is incomplete${why}`);
  }
  config.makePathsAbsolute(dirname(file));
  for (const { authProvider } of config.users) {
    const provider = (authProvider as { config?: { tokenFile?: unknown } } | null | undefined)?.config;
    if (typeof provider?.tokenFile === 'string' && !isAbsolute(provider.tokenFile)) {
      provider.tokenFile = join(dirname(file), provider.tokenFile);
    }
  }
  return config;
}

function parseFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new KubeConfigError(`cannot read the kubeconfig ${file} (${codeOf(error)})`);
  }
  let parsed: unknown;
  try {
    parsed = loadYaml(text);
  } catch (error) {
    // The parser's message quotes lines of the file, and a kubeconfig holds credentials.
    const line = (error as { mark?: { line?: unknown } } | null)?.mark?.line;
    const where = typeof line === 'number' ? `, see line ${String(line + 1)}` : '';
    throw new KubeConfigError(`the kubeconfig ${file} is not valid YAML${where}`);
  }
  if (!isRecord(parsed)) throw new KubeConfigError(`the kubeconfig ${file} contains no configuration`);
  return parsed;
}

/** A kubeconfig has the field `tokenFile`; the client knows only `token-file`, and reads it once. */
function withTokenFiles(parsed: Record<string, unknown>): Record<string, unknown> {
  if (!Array.isArray(parsed.users)) return parsed;
  const users = parsed.users.map((entry: unknown) => {
    const user = isRecord(entry) ? entry.user : undefined;
    if (!isRecord(entry) || !isRecord(user)) return entry;
    const tokenFile = user.tokenFile ?? user['token-file'];
    if (typeof tokenFile !== 'string' || tokenFile === '') return entry;
    const provider = { name: 'tokenFile', config: { tokenFile } };
    return {
      ...entry,
      user: { ...user, token: undefined, 'token-file': undefined, 'auth-provider': provider },
    };
  });
  return { ...parsed, users };
}

function checkCurrentContext(config: KubeConfig): void {
  const name = config.getCurrentContext();
  if (!name) {
    throw new KubeConfigError(
      'the kubeconfig has no current-context: set one with kubectl config use-context',
    );
  }
  const context = config.contexts.find((known) => known.name === name);
  if (context === undefined)
    throw new KubeConfigError(`the kubeconfig has no context ${name}, which is to be used`);
  const cluster = config.clusters.find((known) => known.name === context.cluster);
  if (cluster === undefined) {
    throw new KubeConfigError(
      `the kubeconfig has no cluster ${context.cluster}, which the context ${name} names`,
    );
  }
  if (!/^https?:$/.test(protocolOf(cluster.server))) {
    throw new KubeConfigError(
      `the server of the kubeconfig's cluster ${cluster.name} is not an http or https URL`,
    );
  }
  readUrls(cluster);
  const user = config.users.find((known) => known.name === context.user);
  if (context.user !== undefined && user === undefined) {
    throw new KubeConfigError(`the kubeconfig has no user ${context.user}, which the context ${name} names`);
  }
  if (user !== undefined && typeof user.token === 'string') {
    const token = user.token.trim();
    if (/[^\u0021-\u007e]/.test(token)) {
      throw new KubeConfigError(
        `the token of the kubeconfig's user ${user.name} contains a space, or ${NO_HEADER}: remove it`,
      );
    }
    // Files end with a line break; client-go trims the token of a file as well.
    (user as { token?: string }).token = token;
  }
  const files = {
    'certificate-authority': cluster.caFile,
    'client-certificate': user?.certFile,
    'client-key': user?.keyFile,
    token: tokenFileOf(config),
  };
  for (const [field, file] of Object.entries(files)) {
    if (!file) continue;
    try {
      accessSync(file, constants.R_OK);
    } catch (error) {
      throw new KubeConfigError(
        `cannot read ${file} (${codeOf(error)}), the ${field} file of the context ${name}`,
      );
    }
  }
}

function protocolOf(server: string): string {
  return URL.canParse(server) ? new URL(server).protocol : '';
}

/** The client compares schemes as they are written; an empty proxy-url is none, as in client-go. */
function readUrls(cluster: KubeConfig['clusters'][number]): void {
  const { name, server, proxyUrl } = cluster;
  // The client would take any other for the URL of an http proxy, also one without a scheme.
  if (proxyUrl && !/^(https?|socks(4a?|5h?)?):$/.test(protocolOf(proxyUrl))) {
    throw new KubeConfigError(
      `the proxy-url of the kubeconfig's cluster ${name} is not an http, https or socks5 URL`,
    );
  }
  Object.assign(cluster, {
    server: withLowerScheme(server),
    proxyUrl: proxyUrl ? withLowerScheme(proxyUrl) : undefined,
  });
}

function withLowerScheme(url: string): string {
  return url.replace(/^[^:]*:/, (scheme) => scheme.toLowerCase());
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : 'unreadable';
}

/**
 * Passes variables to the exec plugin of the current user, if there is one, in addition to those in the
 * kubeconfig: they are removed from the environment of this process, which the plugin would inherit.
 */
export function passToExecPlugin(
  kubeConfig: KubeConfig,
  variables: readonly { readonly name: string; readonly value: string }[],
): void {
  const exec: unknown = kubeConfig.getCurrentUser()?.exec;
  if (typeof exec !== 'object' || exec === null) return;
  const named = (exec as { env?: { name: string }[] | null }).env ?? [];
  const others = variables.filter(({ name }) => !named.some((variable) => variable.name === name));
  Object.assign(exec, { env: [...named, ...others] });
}
