import { parseArgs } from 'node:util';

/** An operator that is measured. */
export interface Subject {
  readonly name: 'ours' | 'other';
  /** For `sh`; see {@link USAGE} for its variables. */
  readonly operator: string;
  readonly webhook: string | undefined;
}

export interface Options {
  readonly subjects: readonly Subject[];
  readonly only: readonly BenchmarkName[];
  readonly runs: number;
  readonly resources: number;
  /** Of each resource. */
  readonly keys: number;
  /** Numbers of resources. */
  readonly growth: readonly number[];
  readonly engine: 'v1' | 'v2';
  readonly periodSeconds: number;
  readonly kmsLatencyMs: number;
  readonly vaultLatencyMs: number;
  readonly json: string | undefined;
  readonly markdown: boolean;
}

/** What is measured unless `--only` names it. */
const DEFAULT_BENCHMARKS = [
  'floor',
  'start-up',
  'first-sync',
  'added-roots',
  'steady',
  'decrypt',
  'edit',
  'edit-in-first-sync',
  'webhook',
  'throttled',
] as const;
const BENCHMARKS = [...DEFAULT_BENCHMARKS, 'growth'] as const;
export type BenchmarkName = (typeof BENCHMARKS)[number];

const OURS: Subject = {
  name: 'ours',
  operator: `"${process.execPath}" dist/main.js --metrics-addr="$METRICS_ADDR" --health-addr=0 --sync-period-seconds="$SYNC_PERIOD_SECONDS"`,
  webhook: `"${process.execPath}" dist/webhook.js -tls-cert-file="$TLS_CERT_FILE" -tls-key-file="$TLS_KEY_FILE" -listen-addr="$LISTEN_ADDR" -metrics-addr="$METRICS_ADDR"`,
};

export const USAGE = `usage: npm run bench -- [option ...]

  --only NAME,...            only these: ${BENCHMARKS.join(', ')};
                             all but growth when absent
  --runs N                   repeats each, and prints medians with the least and the most; 1
  --resources N              of first-sync, added-roots, steady and edit-in-first-sync; 1000
  --keys N                   of each resource, but not in decrypt, throttled and webhook; 3
  --growth N,...             sizes of growth, which --only must name; 100,1000,5000,20000
  --engine v1|v2             of K/V; v2
  --period-seconds N         sync period of steady; 20
  --kms-latency-ms N         added to every answer of KMS; 5
  --vault-latency-ms N       added to every answer of Vault; 0
  --operator-command CMD     measures another operator, too, on servers of the same kind
  --webhook-command CMD      the same for a webhook
  --json FILE                writes the figures of every run
  --markdown                 prints Markdown tables

A command is one for sh. It finds KUBECONFIG, VAULT_ADDR, VAULT_TOKEN, VAULT_AUTH_METHOD, AWS_REGION,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_KMS and SSL_CERT_FILE in its environment, and may use
$METRICS_ADDR and $SYNC_PERIOD_SECONDS (0: no resync), a webhook $LISTEN_ADDR, $TLS_CERT_FILE, $TLS_KEY_FILE and
$METRICS_ADDR. Without $METRICS_ADDR in the command, the time until metrics are served is skipped.
`;

/** @returns what is wrong with the arguments, as a text. */
export function parseOptions(args: readonly string[]): Options | string {
  let given;
  try {
    given = parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const faults: string[] = [];
  const whole = (name: keyof typeof OPTIONS, least: number): number =>
    wholeNumber(name, String(given[name]), least, faults);
  const only = (given.only?.split(',') ?? DEFAULT_BENCHMARKS) as readonly BenchmarkName[];
  for (const name of only) if (!BENCHMARKS.includes(name)) faults.push(`there is no benchmark '${name}'`);
  if (given.growth !== undefined && !only.includes('growth')) faults.push('--growth needs --only growth');
  const { engine } = given;
  if (engine !== 'v1' && engine !== 'v2') faults.push('--engine must be v1 or v2');
  const operator = given['operator-command'];
  const webhook = given['webhook-command'];
  if (webhook !== undefined && operator === undefined)
    faults.push('--webhook-command needs --operator-command');
  const options: Options = {
    subjects: operator === undefined ? [OURS] : [OURS, { name: 'other', operator, webhook }],
    only,
    runs: whole('runs', 1),
    resources: whole('resources', 10),
    keys: whole('keys', 1),
    growth: (given.growth ?? GROWTH).split(',').map((size) => wholeNumber('growth', size, 10, faults)),
    engine: engine === 'v1' ? 'v1' : 'v2',
    periodSeconds: whole('period-seconds', 1),
    kmsLatencyMs: whole('kms-latency-ms', 0),
    vaultLatencyMs: whole('vault-latency-ms', 0),
    json: given.json,
    markdown: given.markdown,
  };
  return faults.length === 0 ? options : faults.join('\n');
}

const GROWTH = '100,1000,5000,20000';

const OPTIONS = {
  only: { type: 'string' },
  runs: { type: 'string', default: '1' },
  resources: { type: 'string', default: '1000' },
  keys: { type: 'string', default: '3' },
  growth: { type: 'string' },
  engine: { type: 'string', default: 'v2' },
  'period-seconds': { type: 'string', default: '20' },
  'kms-latency-ms': { type: 'string', default: '5' },
  'vault-latency-ms': { type: 'string', default: '0' },
  'operator-command': { type: 'string' },
  'webhook-command': { type: 'string' },
  json: { type: 'string' },
  markdown: { type: 'boolean', default: false },
} as const;

function wholeNumber(name: string, text: string, least: number, faults: string[]): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least)
    faults.push(`--${name} must be a whole number from ${String(least)} on`);
  return value;
}
