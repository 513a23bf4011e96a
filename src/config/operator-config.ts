import type {
  AuthConfig,
  AuthMethodSpec,
  CommandLine,
  ConfigRules,
  Environment,
  OperatorConfig,
  VariableSpec,
} from './config.js';
import { FaultList, nonEmpty } from './fault-list.js';
import { fileVariables, filesInUse } from './file-variables.js';
import { faultText, type FlagSpec, helpText, parseFlags, versionText } from './flags.js';
import { METRICS_ACCESS_FLAGS, metricsTls } from './metrics-access.js';
import { awsFromEnvironment, networkFromEnvironment, optionalList } from './network-environment.js';
import { SHARED_FLAGS, sharedConfig } from './shared-flags.js';
import { endsWithLineBreak, withoutStrayCharacters } from './stray-characters.js';
import { deepFreeze, NAMESPACE_NAME, parseAddress, parseCount } from './values.js';
import { vaultFromEnvironment } from './vault-environment.js';

const PROGRAM = 'kms-vault-operator';
/** One week. Repairing drift less often is of no use; 0 switches it off explicitly. */
const MAX_SYNC_PERIOD_SECONDS = 7 * 24 * 3_600;
/** Each worker may hold a connection and a secret in memory; a larger number is a typing error. */
const MAX_CONCURRENCY = 10_000;

const FLAGS: readonly FlagSpec[] = [
  {
    name: 'sync-period-seconds',
    default: '120',
    description: 'Maximum time between two syncs of a resource; 0: sync only on changes.',
  },
  { name: 'metrics-addr', default: ':8080', description: 'Address that serves /metrics; 0 disables it.' },
  ...METRICS_ACCESS_FLAGS,
  {
    name: 'kubeconfig',
    defaultText: 'KUBECONFIG, the service account in a pod, ~/.kube/config',
    description: 'Path of a kubeconfig file.',
  },
  {
    name: 'health-addr',
    default: ':8082',
    description: 'Address that serves /healthz and /readyz; 0 disables it.',
  },
  {
    name: 'enable-leader-election',
    default: 'false',
    boolean: true,
    description: 'Elect a leader among the replicas; only the leader writes.',
  },
  {
    name: 'leader-election-namespace',
    defaultText: "the pod's namespace",
    description: 'Namespace of the Lease 39a50047.patoarvizu.dev.',
  },
  {
    name: 'watch-namespace',
    defaultText: 'all namespaces',
    description: 'Comma-separated namespaces to watch.',
  },
  {
    name: 'max-concurrent-reconciles',
    default: '10',
    description:
      'Maximum number of resources that are synced at the same time. Edits may use a quarter more, so that they start during a backlog.',
  },
  {
    name: 'max-concurrent-kms-requests',
    default: '20',
    description: 'Maximum number of requests to KMS in flight.',
  },
  {
    name: 'provenance',
    default: 'false',
    boolean: true,
    description:
      'Record where K/V v2 secrets come from in their custom metadata: managed-by, resource (namespace/name) and generation.',
  },
  ...SHARED_FLAGS,
];

/**
 * The operator's flags; `docs/reference.md` is generated from them.
 *
 * @param authMethods whose names are the values of `--vault-authentication-method`.
 */
export function operatorFlags(authMethods: readonly Pick<AuthMethodSpec, 'name'>[]): readonly FlagSpec[] {
  const names = authMethods.map(({ name }) => name);
  return [
    {
      name: 'vault-authentication-method',
      default: 'token',
      description: `How to log in to Vault: ${names.join(', ').replace(/, ([^,]*)$/, ' or $1')}.`,
    },
    ...FLAGS,
  ];
}

/**
 * Parses command line and environment into the configuration of the operator. All problems are reported together,
 * one per line, with the flag or variable and what to do; values of variables are not quoted.
 *
 * @param argv without the interpreter and the script.
 */
export function parseOperatorCommand(
  argv: readonly string[],
  environment: Environment,
  rules: ConfigRules,
): CommandLine<OperatorConfig> {
  const flags = operatorFlags(rules.authMethods);
  const { values, faults: flagFaults, wants } = parseFlags(argv, flags);
  if (wants === 'help') {
    const purpose =
      "decrypts KMS-encrypted secrets in Kubernetes resources and keeps Vault's K/V engine in sync with them";
    return { action: 'print', text: helpText(PROGRAM, purpose, flags), exitCode: 0 };
  }
  if (wants === 'version') return { action: 'print', text: versionText(PROGRAM, rules.build), exitCode: 0 };
  const faults = new FaultList();
  for (const fault of flagFaults) faults.add(fault);
  const method = values['vault-authentication-method'] ?? '';
  const chosen = rules.authMethods.find(({ name }) => name === method);
  const ofMethod = chosen?.variables ?? [];
  const env = withoutStrayCharacters(environment, [...ofMethod, ...fileVariables(ofMethod)], faults);
  const count = (name: string, minimum: number, maximum: number, fallback: number): number =>
    faults.take(`--${name}`, parseCount(values[name] ?? '', minimum, maximum), fallback);
  const shared = sharedConfig(values, rules, faults);
  const auth = authConfig(method, env, rules.authMethods, faults);
  const vault = vaultFromEnvironment(env, faults);
  const connectionProblem = chosen?.connectionProblem?.(vault);
  if (connectionProblem !== undefined) faults.add(connectionProblem);
  const config: OperatorConfig = {
    ...shared,
    auth,
    vault,
    aws: awsFromEnvironment(env, faults),
    network: networkFromEnvironment(env, faults),
    metricsAddress: faults.take(
      '--metrics-addr',
      parseAddress(values['metrics-addr'] ?? '', true),
      undefined,
    ),
    metricsTls: metricsTls(values, faults),
    healthAddress: faults.take('--health-addr', parseAddress(values['health-addr'] ?? '', true), undefined),
    syncPeriodMs: count('sync-period-seconds', 0, MAX_SYNC_PERIOD_SECONDS, 120) * 1_000,
    kubeconfig: nonEmpty(values.kubeconfig),
    watchNamespaces: namespaces(values['watch-namespace'], faults),
    leaderElection: {
      enabled: values['enable-leader-election'] === 'true',
      namespace: leaseNamespace(values['leader-election-namespace'], faults),
    },
    provenance: values.provenance === 'true',
    maxConcurrentReconciles: count('max-concurrent-reconciles', 1, MAX_CONCURRENCY, 10),
    maxConcurrentKmsRequests: count('max-concurrent-kms-requests', 1, MAX_CONCURRENCY, 20),
    warnings: [
      ...faults.warnings,
      ...warningsOf(values['watch-namespace'], env),
      ...lineBreakWarnings(ofMethod, env),
    ],
  };
  return faults.faults.length > 0
    ? { action: 'print', text: faultText(PROGRAM, faults.faults), exitCode: 2 }
    : { action: 'run', config: deepFreeze(config) };
}

function authConfig(
  name: string,
  env: Environment,
  methods: readonly AuthMethodSpec[],
  faults: FaultList,
): AuthConfig {
  const method = methods.find((candidate) => candidate.name === name);
  if (method === undefined) {
    const known = methods.map((candidate) => candidate.name).join(', ');
    faults.add(`--vault-authentication-method must be one of ${known}`);
    return { method: name, values: {} };
  }
  const files = filesInUse(env, method.variables, faults);
  const values = faults.variables(env, method.variables, name, files);
  return Object.keys(files).length === 0 ? { method: name, values } : { method: name, values, files };
}

function namespaces(text: string | undefined, faults: FaultList): readonly string[] | undefined {
  const names = optionalList(text);
  if (text !== undefined && names === undefined) {
    faults.add('--watch-namespace contains no namespace: list at least one, or omit the flag to watch all');
  }
  for (const name of names ?? []) {
    if (!NAMESPACE_NAME.test(name))
      faults.add(`--watch-namespace: ${JSON.stringify(name)} is not a valid name of a namespace`);
  }
  return names === undefined ? undefined : [...new Set(names)];
}

function leaseNamespace(text: string | undefined, faults: FaultList): string | undefined {
  const name = nonEmpty(text);
  if (name !== undefined && !NAMESPACE_NAME.test(name)) {
    faults.add('--leader-election-namespace must be a valid name of a namespace');
  }
  return name;
}

function warningsOf(watchNamespace: string | undefined, env: Environment): string[] {
  if (watchNamespace !== undefined || nonEmpty(env.WATCH_NAMESPACE) === undefined) return [];
  return [
    'WATCH_NAMESPACE is ignored, as in the Go operator: all namespaces are watched; ' +
      'use --watch-namespace to watch only some',
  ];
}

/** These values are sent unchanged; a final line break usually comes from a file or from `echo`. */
function lineBreakWarnings(variables: readonly VariableSpec[], env: Environment): string[] {
  return endsWithLineBreak(variables, env).map(
    (name) =>
      `${name} ends with a line break, which is sent to Vault as part of the value: ` +
      'remove it unless it is intended (kubectl create secret --from-literal and printf %s add none)',
  );
}
