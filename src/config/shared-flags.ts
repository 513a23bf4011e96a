import type { ConfigRules, LogConfig, RequiredContexts } from './config.js';
import { CONTEXT_FLAGS, requiredContexts } from './context-flags.js';
import type { FaultList } from './fault-list.js';
import type { FlagSpec } from './flags.js';
import { optionalList } from './network-environment.js';
import { parseChoice, parseCount } from './values.js';

/** Kubernetes waits for the grace period of the pod, which is minutes; more than an hour is a mistake. */
const MAX_GRACE_SECONDS = 3_600;
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
const LOG_FORMATS = ['json', 'text'] as const;

/** Flags that both programs have. */
export const SHARED_FLAGS: readonly FlagSpec[] = [
  {
    name: 'allowed-vault-paths',
    defaultText: 'any K/V path',
    description:
      'Comma-separated patterns with *, ** and {{namespace}}, matched against spec.path; ' +
      'resources with other paths are refused.',
  },
  ...CONTEXT_FLAGS,
  {
    name: 'log-level',
    default: 'info',
    choices: LOG_LEVELS,
    description: 'debug, info, warn or error.',
  },
  { name: 'log-format', default: 'json', choices: LOG_FORMATS, description: 'json or text.' },
  {
    name: 'shutdown-grace-seconds',
    default: '30',
    description: 'How long a shutdown waits for requests in flight before it cancels them.',
  },
];

type FlagValues = Readonly<Record<string, string | undefined>>;

export function sharedConfig(
  values: FlagValues,
  rules: Pick<ConfigRules, 'patternProblem'>,
  faults: FaultList,
): {
  log: LogConfig;
  allowedVaultPaths: readonly string[] | undefined;
  requiredContexts: RequiredContexts | undefined;
  shutdownGraceMs: number;
} {
  const level = parseChoice(values['log-level'] ?? '', LOG_LEVELS);
  const format = parseChoice(values['log-format'] ?? '', LOG_FORMATS);
  const grace = parseCount(values['shutdown-grace-seconds'] ?? '', 0, MAX_GRACE_SECONDS);
  return {
    log: {
      level: faults.take('--log-level', level, 'info'),
      format: faults.take('--log-format', format, 'json'),
    },
    allowedVaultPaths: allowedPaths(values['allowed-vault-paths'], rules, faults),
    requiredContexts: requiredContexts(values, faults),
    shutdownGraceMs: faults.take('--shutdown-grace-seconds', grace, 30) * 1_000,
  };
}

/** The patterns of `--allowed-vault-paths`; undefined without the flag. */
export function allowedPaths(
  text: string | undefined,
  rules: Pick<ConfigRules, 'patternProblem'>,
  faults: FaultList,
): readonly string[] | undefined {
  const patterns = optionalList(text);
  if (text !== undefined && patterns === undefined) {
    faults.add('--allowed-vault-paths is empty: set at least one pattern, or omit the flag');
  }
  for (const pattern of patterns ?? []) {
    const problem = rules.patternProblem(pattern);
    if (problem !== undefined)
      faults.add(`--allowed-vault-paths: pattern ${JSON.stringify(pattern)} ${problem}`);
  }
  return patterns;
}
