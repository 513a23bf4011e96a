import type { Environment, VariableSpec } from './config.js';
import type { FaultList } from './fault-list.js';

/** Read here, so that a final line break can be left out. */
const READ_HERE = [
  ...[
    'VAULT_ADDR',
    'VAULT_AGENT_ADDR',
    'VAULT_CACERT',
    'VAULT_CAPATH',
    'VAULT_CLIENT_CERT',
    'VAULT_CLIENT_KEY',
  ],
  ...[
    'VAULT_CLIENT_TIMEOUT',
    'VAULT_MAX_RETRIES',
    'VAULT_SKIP_VERIFY',
    'VAULT_TLS_SERVER_NAME',
    'VAULT_NAMESPACE',
  ],
  ...['VAULT_HTTP_PROXY', 'VAULT_PROXY_ADDR', 'VAULT_RATE_LIMIT', 'VAULT_HEADERS', 'VAULT_DISABLE_REDIRECTS'],
  ...['VAULT_SRV_LOOKUP', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_ENDPOINT_URL_KMS', 'AWS_CA_BUNDLE'],
  ...['AWS_ACCESS_KEY', 'AWS_SECRET_KEY', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'],
  ...['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy'],
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR'],
];

/** Read by others, as they stand. */
const READ_ELSEWHERE = [
  ...['AWS_PROFILE', 'AWS_ROLE_ARN', 'AWS_ROLE_SESSION_NAME', 'AWS_WEB_IDENTITY_TOKEN_FILE'],
  ...['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'],
  ...['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_AUTHORIZATION_TOKEN'],
  ...['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', 'AWS_ENDPOINT_URL', 'KUBECONFIG'],
];

/** A header, a signature or a name on the wire carries nothing else. */
const ASCII_ONLY = new Set([
  ...['VAULT_NAMESPACE', 'VAULT_TLS_SERVER_NAME', 'AWS_REGION', 'AWS_DEFAULT_REGION'],
  ...['AWS_ACCESS_KEY', 'AWS_SECRET_KEY', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'],
]);

const LINE_BREAK_AT_END = /\r?\n$/;

/**
 * The environment with one final line break left out of each variable that is read: what a file has at its end,
 * and a Secret that was made from it. Any other stray character is a fault that names the variable, because the
 * value would arrive as another one or be refused elsewhere with a message that does not tell of it. Variables
 * that are `verbatim` stay as they are.
 */
export function withoutStrayCharacters(
  env: Environment,
  variables: readonly VariableSpec[],
  faults: FaultList,
): Environment {
  const cleaned: Record<string, string | undefined> = { ...env };
  const ascii = new Set([...ASCII_ONLY, ...variables.filter((spec) => spec.ascii === true).map(nameOf)]);
  const own = variables.filter((spec) => spec.verbatim !== true).map(nameOf);
  for (const name of new Set([...READ_HERE, ...own])) {
    const value = env[name];
    if (value === undefined) continue;
    const text = value.replace(LINE_BREAK_AT_END, '');
    cleaned[name] = text;
    const problem = strayProblem(text) ?? (ascii.has(name) && !/^[ -~]*$/.test(text) ? NOT_ASCII : undefined);
    // JSON has blanks and line breaks as it likes; its values are looked at when it is read.
    if (problem !== undefined && name !== 'VAULT_HEADERS') faults.add(`${name} ${problem}`);
  }
  for (const name of READ_ELSEWHERE) {
    const problem = strayProblem(env[name] ?? '');
    if (problem !== undefined) faults.add(`${name} ${problem}`);
  }
  return cleaned;
}

const NOT_ASCII = 'contains a character that is not ASCII';

/** What is wrong with a text of one line, without quoting it. */
function strayProblem(text: string): string | undefined {
  if (/[\r\n]/.test(text)) return 'contains a line break: take it out';
  if (/^\s|\s$|\ufeff/.test(text)) return 'begins or ends with a blank or a byte order mark: take it out';
  if (/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028\u2029\ufffd]/.test(text)) {
    return 'contains a control character: take it out';
  }
  return undefined;
}

function nameOf({ name }: VariableSpec): string {
  return name;
}
