import type { CommandLine, ConfigRules, Environment, WebhookConfig } from './config.js';
import { FaultList, nonEmpty } from './fault-list.js';
import { faultText, type FlagSpec, helpText, parseFlags, versionText } from './flags.js';
import { awsFromEnvironment, networkFromEnvironment } from './network-environment.js';
import { SHARED_FLAGS, sharedConfig } from './shared-flags.js';
import { withoutStrayCharacters } from './stray-characters.js';
import { deepFreeze, parseAddress, parseChoice } from './values.js';

const PROGRAM = 'kms-vault-validating-webhook';
const MAX_CONCURRENT_KMS_REQUESTS = 20;

const ON_KMS_ERROR = ['deny', 'allow'] as const;

/** The webhook's flags; `docs/reference.md` is generated from this list. */
export const WEBHOOK_FLAGS: readonly FlagSpec[] = [
  {
    name: 'tls-cert-file',
    description: 'PEM file of the serving certificate; reloaded when it changes. Required.',
  },
  { name: 'tls-key-file', description: 'PEM file of its key; reloaded when it changes. Required.' },
  { name: 'listen-addr', default: ':4443', description: 'Address that serves admission reviews over HTTPS.' },
  {
    name: 'metrics-addr',
    default: ':8081',
    description: 'Address that serves /metrics, /healthz and /readyz; 0 disables it.',
  },
  {
    name: 'on-kms-error',
    default: 'deny',
    choices: ON_KMS_ERROR,
    description: 'What to do with a resource while KMS is unavailable: deny or allow.',
  },
  ...SHARED_FLAGS,
];

/** Like `parseOperatorCommand`, for the webhook. */
export function parseWebhookCommand(
  argv: readonly string[],
  environment: Environment,
  rules: Pick<ConfigRules, 'patternProblem' | 'build'>,
): CommandLine<WebhookConfig> {
  const { values, faults: flagFaults, wants } = parseFlags(argv, WEBHOOK_FLAGS);
  if (wants === 'help') {
    const purpose = 'denies KMSVaultSecrets and PartialKMSVaultSecrets that cannot be synced';
    return { action: 'print', text: helpText(PROGRAM, purpose, WEBHOOK_FLAGS), exitCode: 0 };
  }
  if (wants === 'version') return { action: 'print', text: versionText(PROGRAM, rules.build), exitCode: 0 };
  const faults = new FaultList();
  for (const fault of flagFaults) faults.add(fault);
  const env = withoutStrayCharacters(environment, [], faults);
  const required = (name: string): string => {
    const value = nonEmpty(values[name]);
    if (value === undefined) faults.add(`--${name} is missing: set it to the path of a PEM file`);
    return value ?? '';
  };
  const onKmsError = parseChoice(values['on-kms-error'] ?? '', ON_KMS_ERROR);
  const config: WebhookConfig = {
    ...sharedConfig(values, rules, faults),
    tlsCertFile: required('tls-cert-file'),
    tlsKeyFile: required('tls-key-file'),
    listenAddress: faults.take(
      '--listen-addr',
      parseAddress(values['listen-addr'] ?? '', false),
      undefined,
    ) ?? {
      host: '',
      port: 4443,
    },
    metricsAddress: faults.take(
      '--metrics-addr',
      parseAddress(values['metrics-addr'] ?? '', true),
      undefined,
    ),
    onKmsError: faults.take('--on-kms-error', onKmsError, 'deny'),
    aws: awsFromEnvironment(env, faults),
    network: networkFromEnvironment(env, faults),
    maxConcurrentKmsRequests: MAX_CONCURRENT_KMS_REQUESTS,
    warnings: faults.warnings,
  };
  return faults.faults.length > 0
    ? { action: 'print', text: faultText(PROGRAM, faults.faults), exitCode: 2 }
    : { action: 'run', config: deepFreeze(config) };
}
