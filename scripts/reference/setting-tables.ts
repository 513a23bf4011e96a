import { ENVIRONMENT_VARIABLES, type VariableGroup } from '../../src/config/environment-variables.js';
import { fileVariables } from '../../src/config/file-variables.js';
import type { FlagSpec } from '../../src/config/flags.js';
import { operatorFlags } from '../../src/config/operator-config.js';
import { WEBHOOK_FLAGS } from '../../src/config/webhook-config.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import { code, plain, table } from './markdown.js';

const GROUPS: Readonly<Record<VariableGroup, { readonly heading: string; readonly text: string }>> = {
  vault: {
    heading: 'Vault',
    text: "The meanings are those of Vault's official client. Only the operator reads these.",
  },
  aws: {
    heading: 'AWS',
    text:
      'Credentials come from the default chain of the AWS SDK, which reads further variables than those listed. ' +
      'Both programs read these.',
  },
  network: {
    heading: 'Network',
    text: 'Both programs read these. `NO_PROXY` is evaluated for the host of each request, as in Go.',
  },
  kubernetes: { heading: 'Kubernetes', text: 'Only the operator reads these.' },
};

/** Flags of both programs, with Go's spellings. */
export function flagTables(): string {
  return [
    'Flags follow the conventions of Go: `-flag`, `--flag`, `--flag=value` and `--flag value` are equal; a boolean ' +
      'takes a value only after `=`. `--help` prints all flags, `--version` prints version, commit and Node version.',
    '### kms-vault-operator',
    flagTable('--', operatorFlags(AUTH_METHODS)),
    '### kms-vault-validating-webhook',
    flagTable('-', WEBHOOK_FLAGS),
  ].join('\n\n');
}

function flagTable(dashes: string, flags: readonly FlagSpec[]): string {
  return table(
    ['flag', 'default', 'meaning'],
    flags.map(({ name, default: value, defaultText, description }) => [
      code(`${dashes}${name}`),
      defaultText ?? code(value ?? ''),
      plain(description),
    ]),
  );
}

/** Variables by group, then those of the auth methods. */
export function variableTables(): string {
  const groups = (Object.keys(GROUPS) as VariableGroup[]).flatMap((group) => [
    `### ${GROUPS[group].heading}`,
    GROUPS[group].text,
    table(
      ['variable', 'default', 'meaning'],
      ENVIRONMENT_VARIABLES.filter((variable) => variable.group === group).map((variable) => [
        code(variable.name),
        code(variable.default ?? ''),
        variable.description,
      ]),
    ),
  ]);
  return [
    'An empty variable counts as not set, unless the table says otherwise. One line break at the end of a value is ' +
      'removed (not from a password); other blanks or control characters at the start or the end are an error that names the variable.',
    ...groups,
  ].join('\n\n');
}

/** The auth methods with their variables, as each method declares them. */
export function authMethodTables(): string {
  return [
    'The value of `--vault-authentication-method` selects one of these. How to set each up in Vault: ' +
      '[vault.md](vault.md#logging-in). A secret can be in a file instead of a variable: the name of the variable with ' +
      '`_FILE` takes the path ([vault.md](vault.md#credentials-in-files)).',
    ...AUTH_METHODS.flatMap(({ name, description, variables }) => [
      `### ${code(name)}`,
      description,
      table(
        ['variable', 'default', 'meaning'],
        [...variables, ...fileVariables(variables)].map(
          ({ name: variable, default: value, required, secret, description }) => [
            code(variable),
            value === undefined ? (required === true ? 'required' : '') : code(value),
            `${sentence(plain(description))}${secret === true ? ' Secret.' : ''}`,
          ],
        ),
      ),
    ]),
  ].join('\n\n');
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
