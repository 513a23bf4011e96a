import { AWS_SDK_VARIABLES } from './aws-sdk-variables.js';

/** The group of a variable; `docs/reference.md` has a table for each. */
export type VariableGroup = 'vault' | 'aws' | 'network' | 'kubernetes';

/**
 * An environment variable that does not belong to an auth method. A variable that is not in this list never
 * reaches the configuration, and `docs/reference.md` lists exactly what is here.
 */
export interface EnvironmentVariable {
  readonly name: string;
  readonly group: VariableGroup;
  readonly description: string;
  readonly default?: string;
  /** A library reads it from the environment, where {@link correctLibraryVariables} corrects it. */
  readonly library?: true;
  /** What is wrong with a value, without quoting it; for values that a library would silently misread. */
  readonly check?: (value: string) => string | undefined;
  /** The only valid values, in any case; a library gets the spelling used here. */
  readonly choices?: readonly string[];
  /** What holds after a value that the library cannot take, which is ignored with a warning: Go's SDK did not read it. */
  readonly elseIgnored?: string;
  /** Blanks at both ends are no part of a header (RFC 9110, 5.5); Go leaves them out, too. */
  readonly trimmed?: true;
  /** Any character is allowed; a final line break is kept. */
  readonly verbatim?: true;
  /** Used in a header, a signature or a name on the wire: ASCII only. */
  readonly ascii?: true;
  /**
   * When it is removed from the environment after the configuration is read. `aws`: unless the SDK or a child
   * process may still need it. `with-password`: if its URL holds credentials.
   */
  readonly wiped?: 'always' | 'aws' | 'with-password';
}

const VAULT: readonly Omit<EnvironmentVariable, 'group'>[] = [
  { name: 'VAULT_ADDR', default: 'https://127.0.0.1:8200', description: 'URL of Vault.' },
  {
    name: 'VAULT_AGENT_ADDR',
    description: 'URL of a Vault Agent or Proxy; takes precedence over `VAULT_ADDR`.',
  },
  {
    name: 'VAULT_CACERT',
    description: 'PEM file with certificate authorities for Vault; reread when it changes.',
  },
  {
    name: 'VAULT_CACERT_BYTES',
    verbatim: true,
    description: 'Certificate authorities for Vault as PEM text; used when `VAULT_CACERT` is not set.',
  },
  {
    name: 'VAULT_CAPATH',
    description:
      'Directory of PEM files, or one file, with certificate authorities for Vault; used when neither `VAULT_CACERT` nor `VAULT_CACERT_BYTES` is set; reread when it changes.',
  },
  {
    name: 'VAULT_CLIENT_CERT',
    description: 'PEM file with a client certificate; requires `VAULT_CLIENT_KEY`. Reread when it changes.',
  },
  { name: 'VAULT_CLIENT_KEY', description: 'PEM file with the key of the client certificate.' },
  {
    name: 'VAULT_CLIENT_TIMEOUT',
    default: '60s',
    description:
      'Timeout of one request: a duration, or a number of seconds. Capped at 10 minutes, and at 1 minute for logins.',
  },
  { name: 'VAULT_MAX_RETRIES', default: '2', description: 'Retries of a request after 5xx, 429 or 412.' },
  {
    name: 'VAULT_SKIP_VERIFY',
    default: 'false',
    description: "Do not verify Vault's certificate. Not for production.",
  },
  {
    name: 'VAULT_TLS_SERVER_NAME',
    ascii: true,
    description: 'Server name for SNI and certificate verification.',
  },
  {
    name: 'VAULT_NAMESPACE',
    ascii: true,
    trimmed: true,
    description: 'Namespace of Vault Enterprise or OpenBao.',
  },
  {
    name: 'VAULT_PROXY_ADDR',
    wiped: 'with-password',
    description: 'Proxy for Vault only; takes precedence over `VAULT_HTTP_PROXY` and the proxy variables.',
  },
  { name: 'VAULT_HTTP_PROXY', wiped: 'with-password', description: 'Older name of `VAULT_PROXY_ADDR`.' },
  { name: 'VAULT_RATE_LIMIT', description: 'Limit on requests per second, as `rate` or `rate:burst`.' },
  {
    name: 'VAULT_HEADERS',
    wiped: 'always',
    description: 'Extra request headers, as a JSON object. Names that begin with `X-Vault-` are refused.',
  },
  {
    name: 'VAULT_DISABLE_REDIRECTS',
    default: 'false',
    description: 'Do not follow redirects. By default one redirect is followed, never from https to http.',
  },
  { name: 'VAULT_SRV_LOOKUP', description: 'Not supported: refused at startup when it is true.' },
];

const AWS: readonly Omit<EnvironmentVariable, 'group'>[] = [
  { name: 'AWS_REGION', ascii: true, description: 'Region of KMS.' },
  {
    name: 'AWS_DEFAULT_REGION',
    ascii: true,
    description: 'Region of KMS; used when `AWS_REGION` is not set.',
  },
  { name: 'AWS_ENDPOINT_URL_KMS', description: 'URL of KMS, such as a VPC endpoint.' },
  { name: 'AWS_CA_BUNDLE', description: 'PEM file with certificate authorities for KMS and STS.' },
  {
    name: 'AWS_ACCESS_KEY_ID',
    ascii: true,
    wiped: 'aws',
    description: 'Static credentials; used with `AWS_SECRET_ACCESS_KEY` when `AWS_PROFILE` is not set.',
  },
  { name: 'AWS_SECRET_ACCESS_KEY', ascii: true, wiped: 'aws', description: 'Secret of `AWS_ACCESS_KEY_ID`.' },
  {
    name: 'AWS_SESSION_TOKEN',
    ascii: true,
    wiped: 'aws',
    description: 'Session token of temporary credentials.',
  },
  {
    name: 'AWS_ACCESS_KEY',
    ascii: true,
    wiped: 'always',
    description: 'Alias of `AWS_ACCESS_KEY_ID` from the AWS SDK for Go; used when that is not set.',
  },
  { name: 'AWS_SECRET_KEY', ascii: true, wiped: 'always', description: 'Secret of `AWS_ACCESS_KEY`.' },
  {
    name: 'AWS_CONTAINER_AUTHORIZATION_TOKEN',
    ascii: true,
    wiped: 'always',
    description: 'Token for the credentials endpoint.',
  },
  ...AWS_SDK_VARIABLES.map((variable) => ({ ...variable, library: true as const })),
];

const NETWORK: readonly Omit<EnvironmentVariable, 'group'>[] = [
  {
    name: 'HTTPS_PROXY',
    wiped: 'with-password',
    description: 'Proxy for https requests to KMS, STS, Vault and the API server.',
  },
  { name: 'HTTP_PROXY', wiped: 'with-password', description: 'Proxy for http requests.' },
  {
    name: 'NO_PROXY',
    verbatim: true,
    description: 'Hosts, domains, addresses and CIDRs that are reached without a proxy.',
  },
  {
    name: 'https_proxy',
    wiped: 'with-password',
    description: 'Same as `HTTPS_PROXY`; used when that is not set.',
  },
  {
    name: 'http_proxy',
    wiped: 'with-password',
    description: 'Same as `HTTP_PROXY`; used when that is not set.',
  },
  { name: 'no_proxy', verbatim: true, description: 'Same as `NO_PROXY`; used when that is not set.' },
  {
    name: 'SSL_CERT_FILE',
    description: 'PEM file with certificate authorities that are trusted for every connection.',
  },
  {
    name: 'SSL_CERT_DIR',
    description: 'Directories of PEM files with such certificate authorities, separated by colons.',
  },
];

const KUBERNETES: readonly Omit<EnvironmentVariable, 'group'>[] = [
  {
    name: 'KUBECONFIG',
    library: true,
    description: 'Kubeconfig files; used when `--kubeconfig` is not set.',
  },
  {
    name: 'KUBERNETES_SERVICE_HOST',
    library: true,
    description: 'Host of the API server; the kubelet sets it in every pod.',
  },
  { name: 'KUBERNETES_SERVICE_PORT', library: true, description: 'Port of the API server.' },
  {
    name: 'WATCH_NAMESPACE',
    verbatim: true,
    description: 'Ignored with a warning, as in the Go operator. Use `--watch-namespace`.',
  },
];

/** Every variable that the programs read, except those of the auth methods. */
export const ENVIRONMENT_VARIABLES: readonly EnvironmentVariable[] = [
  ...VAULT.map((variable) => ({ ...variable, group: 'vault' as const })),
  ...AWS.map((variable) => ({ ...variable, group: 'aws' as const })),
  ...NETWORK.map((variable) => ({ ...variable, group: 'network' as const })),
  ...KUBERNETES.map((variable) => ({ ...variable, group: 'kubernetes' as const })),
];
