/** The configuration of the operator: flags and environment, parsed, validated and frozen. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'json' | 'text';

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** Where to listen; port 0 lets the system choose. `undefined` where a flag switches a server off. */
export interface ListenAddress {
  /** Empty means all interfaces, as in Go. */
  readonly host: string;
  readonly port: number;
}

/** PEM files for `/metrics` over TLS. */
export interface MetricsTlsConfig {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Network settings that KMS, STS, Vault and the API server share. */
export interface NetworkConfig {
  readonly httpsProxy?: string;
  readonly httpProxy?: string;
  /** As written in `NO_PROXY`; matched by `runtime/proxy.ts`. */
  readonly noProxy?: string;
  /** `SSL_CERT_FILE`: roots in addition to the built-in ones. */
  readonly sslCertFile?: string;
  /** `SSL_CERT_DIR`, split at colons. */
  readonly sslCertDirs: readonly string[];
}

export interface AwsConfig {
  readonly region?: string;
  readonly kmsEndpoint?: string;
  /** `AWS_CA_BUNDLE`: a file of roots for KMS and STS. */
  readonly caBundle?: string;
  /**
   * Static credentials: the first step of the SDK's chain when there is no `AWS_PROFILE`, kept here so that they
   * need not stay in the environment; otherwise the names that only the Go SDK read (`AWS_ACCESS_KEY`,
   * `AWS_SECRET_KEY`). Without them the SDK's chain is used.
   */
  readonly staticCredentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** `AWS_CONTAINER_AUTHORIZATION_TOKEN`, kept here so that it need not stay in the environment. */
  readonly containerToken?: string;
  /** The URL of the credentials endpoint, as `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` or `…_FULL_URI` give it. */
  readonly containerEndpoint?: string;
  /** A file with it, which is rotated, where there is a credentials endpoint. */
  readonly containerTokenFile?: string;
}

/** Connection settings of the official Vault client, with its meanings and defaults. */
export interface VaultConfig {
  /** `VAULT_AGENT_ADDR`, else `VAULT_ADDR`. No trailing slash. */
  readonly address: string;
  readonly caCertFile?: string;
  readonly caCertBytes?: string;
  /** A directory or a file. */
  readonly caPath?: string;
  readonly clientCertFile?: string;
  readonly clientKeyFile?: string;
  readonly timeoutMs: number;
  readonly maxRetries: number;
  readonly skipVerify: boolean;
  readonly tlsServerName?: string;
  readonly namespace?: string;
  readonly proxy?: string;
  readonly rateLimit?: { readonly perSecond: number; readonly burst: number };
  readonly headers: Readonly<Record<string, string>>;
  readonly disableRedirects: boolean;
}

/** A pair of an encryption context; the value may have placeholders. */
export interface ContextPair {
  readonly name: string;
  readonly value: string;
}

/** Which pairs the encryption contexts of ciphertexts must have; see `api/required-context.ts`. */
export interface RequiredContexts {
  readonly mode: 'audit' | 'enforce';
  readonly own: readonly ContextPair[];
  readonly partial: readonly ContextPair[];
  readonly exemptNamespaces: readonly string[];
}

/** An environment variable of an auth method; the only place where its name is written. */
export interface VariableSpec {
  readonly name: string;
  readonly description: string;
  readonly required?: boolean;
  readonly default?: string;
  /** Another variable that must be set when this one is. */
  readonly together?: string;
  /** Never printed with the configuration. */
  readonly secret?: boolean;
  /** Changes together with a secret, so that it may come from a file as well. */
  readonly rotates?: true;
  /** Set and empty is a valid value; {@link description} says what it means. */
  readonly mayBeEmpty?: boolean;
  /** Sent as a header: blanks at both ends are left out. */
  readonly trimmed?: true;
  /** Any character is valid, including a final line break. */
  readonly verbatim?: boolean;
  /** Used in a header or a signature. */
  readonly ascii?: boolean;
  /** Returns what is wrong with a value, without quoting it. */
  readonly check?: (value: string) => string | undefined;
}

/** What the configuration needs to know about an auth method; `vault/auth/<method>.ts` implements it. */
export interface AuthMethodSpec {
  /** The value of `--vault-authentication-method`. */
  readonly name: string;
  /** What the operator logs in with; a sentence of `docs/reference.md`. */
  readonly description: string;
  readonly variables: readonly VariableSpec[];
  /** The problem when the connection to Vault lacks what the method needs: a complete message that names variables. */
  readonly connectionProblem?: (vault: VaultConfig) => string | undefined;
}

/** The chosen method and the values of its variables, with defaults; absent variables have no entry. */
export interface AuthConfig {
  readonly method: string;
  readonly values: Readonly<Record<string, string>>;
  /** Files that hold values, by variable; read at each login. */
  readonly files?: Readonly<Record<string, string>>;
}

export interface OperatorConfig {
  readonly auth: AuthConfig;
  readonly vault: VaultConfig;
  readonly aws: AwsConfig;
  readonly network: NetworkConfig;
  readonly log: LogConfig;
  readonly metricsAddress: ListenAddress | undefined;
  /** `undefined`: plain HTTP for everybody. */
  readonly metricsTls: MetricsTlsConfig | undefined;
  readonly healthAddress: ListenAddress | undefined;
  /** 0: only on changes. */
  readonly syncPeriodMs: number;
  /** From `--kubeconfig`; undefined: `KUBECONFIG`, in-cluster, the default file. */
  readonly kubeconfig: string | undefined;
  /** `undefined`: all namespaces. */
  readonly watchNamespaces: readonly string[] | undefined;
  readonly leaderElection: { readonly enabled: boolean; readonly namespace: string | undefined };
  /** Record the origin of secrets in their custom metadata. */
  readonly provenance: boolean;
  readonly maxConcurrentReconciles: number;
  readonly maxConcurrentKmsRequests: number;
  /** `undefined`: any K/V path. */
  readonly allowedVaultPaths: readonly string[] | undefined;
  /** `undefined`: any encryption context. */
  readonly requiredContexts: RequiredContexts | undefined;
  readonly shutdownGraceMs: number;
  /** Logged once at startup, such as the one about `WATCH_NAMESPACE`. */
  readonly warnings: readonly string[];
}

export interface WebhookConfig {
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
  readonly listenAddress: ListenAddress;
  readonly metricsAddress: ListenAddress | undefined;
  readonly onKmsError: 'deny' | 'allow';
  readonly allowedVaultPaths: readonly string[] | undefined;
  readonly requiredContexts: RequiredContexts | undefined;
  readonly aws: AwsConfig;
  readonly network: NetworkConfig;
  readonly log: LogConfig;
  readonly shutdownGraceMs: number;
  readonly maxConcurrentKmsRequests: number;
  readonly warnings: readonly string[];
}

/** The result of parsing a command line: run, or print something and exit. */
export type CommandLine<C> =
  | { readonly action: 'run'; readonly config: C }
  /** `--help` and `--version` go to stdout with exit code 0; problems, one per line, to stderr with 2. */
  | { readonly action: 'print'; readonly text: string; readonly exitCode: 0 | 2 };

/** Checks that the configuration cannot do itself, because it imports no other folder. */
export interface ConfigRules {
  readonly authMethods: readonly AuthMethodSpec[];
  /** What is wrong with a pattern of `--allowed-vault-paths`, or undefined. */
  readonly patternProblem: (pattern: string) => string | undefined;
  readonly build: BuildInfo;
}

/** Build facts that `--version` prints. */
export interface BuildInfo {
  readonly version: string;
  readonly commit: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;
