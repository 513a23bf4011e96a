/**
 * The injection tokens: services, parts of the configuration, and limits that a test may set. This file imports nothing,
 * so that every layer can name its dependencies without importing their providers. `src/composition` registers them.
 */
export const TOKENS = {
  // Parts of the configuration.
  build: Symbol('BuildInfo'),
  warnings: Symbol('Warnings'),
  network: Symbol('NetworkConfig'),
  aws: Symbol('AwsConfig'),
  kubeConfig: Symbol('KubeConfig'),
  vaultConfig: Symbol('VaultConfig'),
  auth: Symbol('AuthConfig'),
  authMethod: Symbol('AuthMethod'),
  /** The limit on concurrent requests to Vault. */
  vaultMaxSockets: Symbol('VaultMaxSockets'),
  hostname: Symbol('Hostname'),
  maxConcurrentKmsRequests: Symbol('MaxConcurrentKmsRequests'),
  maxConcurrentReconciles: Symbol('MaxConcurrentReconciles'),
  shutdownGraceMs: Symbol('ShutdownGraceMs'),
  syncPeriodMs: Symbol('SyncPeriodMs'),
  /** Not registered: all namespaces. */
  watchNamespaces: Symbol('WatchNamespaces'),
  /** Not registered without leader election. */
  leaseNamespace: Symbol('LeaseNamespace'),
  /** Not registered where a flag switches the endpoint off. */
  metricsAddress: Symbol('MetricsAddress'),
  healthAddress: Symbol('HealthAddress'),
  listenAddress: Symbol('ListenAddress'),
  tlsCertFile: Symbol('TlsCertFile'),
  tlsKeyFile: Symbol('TlsKeyFile'),
  onKmsError: Symbol('OnKmsError'),
  allowedPaths: Symbol('AllowedPaths'),

  // Limits with defaults: registered by tests only.
  random: Symbol('Random'),
  silentMs: Symbol('SilentMs'),
  connectionLimits: Symbol('ConnectionLimits'),
  kubeLimits: Symbol('KubeLimits'),
  eventLimits: Symbol('EventLimits'),
  leaseSettings: Symbol('LeaseSettings'),
  watchLimits: Symbol('WatchLimits'),
  maxReviewsAtKms: Symbol('MaxReviewsAtKms'),
  usedCpuMs: Symbol('UsedCpuMs'),

  // Shared by all parts of a process.
  lifecycle: Symbol('Lifecycle'),
  clock: Symbol('Clock'),
  logger: Symbol('Logger'),
  registry: Symbol('MetricsRegistry'),
  metrics: Symbol('Metrics'),
  readinessChecks: Symbol('ReadinessChecks'),
  metricsEndpoint: Symbol('MetricsEndpoint'),
  healthEndpoint: Symbol('HealthEndpoint'),
  agents: Symbol('AgentFactory'),
  kmsConnection: Symbol('KmsConnection'),
  kmsApi: Symbol('KmsApi'),
  decryptor: Symbol('Decryptor'),

  // The operator.
  program: Symbol('OperatorProgram'),
  work: Symbol('OperatorWork'),
  operator: Symbol('SecretOperator'),
  queue: Symbol('ReconcileQueue'),
  resync: Symbol('ResyncTimer'),
  reconciler: Symbol('Reconciler'),
  secrets: Symbol('SecretReconciler'),
  partials: Symbol('PartialReconciler'),
  finalizers: Symbol('FinalizerHandler'),
  planner: Symbol('DeletionPlanner'),
  removalCheck: Symbol('RemovalCheck'),
  proof: Symbol('ContentProof'),
  aggregator: Symbol('SecretAggregator'),
  secretSync: Symbol('SecretSync'),
  blind: Symbol('BlindSync'),
  writer: Symbol('KvWriter'),
  decryption: Symbol('KeyDecryption'),
  memory: Symbol('SyncMemory'),
  ownership: Symbol('PathOwnership'),
  entitlement: Symbol('Entitlement'),
  claims: Symbol('PathClaims'),
  lostPaths: Symbol('LostPaths'),
  unseenOwners: Symbol('UnseenOwners'),
  announcer: Symbol('Announcer'),
  transport: Symbol('VaultTransport'),
  vaultClient: Symbol('VaultClient'),
  authenticator: Symbol('VaultAuthenticator'),
  vaultSession: Symbol('VaultSession'),
  kvStore: Symbol('KvStore'),
  connection: Symbol('ApiConnection'),
  kubeClient: Symbol('KubeClient'),
  cache: Symbol('ResourceCache'),
  resources: Symbol('ResourceClient'),
  events: Symbol('EventRecorder'),
  /** Notified about each resource that is gone. */
  resourceMemories: Symbol('ResourceMemories'),
  stalls: Symbol('StallDetector'),
  freshness: Symbol('Freshness'),
  /** For changes in the cluster: whether this replica may write. */
  gate: Symbol('WriteGate'),
  /** Not registered without leader election. */
  elector: Symbol('LeaseElector'),
  /** Writes the lease while the write gate is closed. */
  leaseClient: Symbol('LeaseClient'),

  // The webhook.
  webhookProgram: Symbol('WebhookProgram'),
  server: Symbol('AdmissionServer'),
  admissionHandler: Symbol('AdmissionHandler'),
  certificates: Symbol('CertificateStore'),
  reviewer: Symbol('ResourceReviewer'),
  itemCheck: Symbol('ItemCheck'),
  inspector: Symbol('PlaintextInspector'),
  pathRules: Symbol('VaultPathRules'),

  // The author's tool.
  console: Symbol('Console'),
  environment: Symbol('Environment'),
  keyApi: Symbol('KeyApi'),
  keyRules: Symbol('KeyRules'),
  setValue: Symbol('SetValue'),
  stdin: Symbol('Stdin'),
  valueInput: Symbol('ValueInput'),
} as const;
