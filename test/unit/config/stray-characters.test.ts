import { describe, expect, it } from '@jest/globals';

import { patternProblem } from '../../../src/api/allowed-paths.js';
import type { AuthConfig, CommandLine, Environment, OperatorConfig } from '../../../src/config/config.js';
import { ENVIRONMENT_VARIABLES } from '../../../src/config/environment-variables.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { correctLibraryVariables } from '../../../src/config/stray-characters.js';
import { proxyFor } from '../../../src/runtime/proxy.js';
import { parseWebhookCommand } from '../../../src/config/webhook-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

const BUILD = { version: '1', commit: 'c' };
/** Of every method that has a required one, and what `cert` asks of the connection. */
const CREDENTIALS: Environment = {
  ...Object.fromEntries(
    AUTH_METHODS.flatMap(({ variables }) => variables)
      .filter(({ required }) => required === true)
      .map(({ name }) => [name, 'value']),
  ),
  VAULT_CLIENT_CERT: '/tls.crt',
  VAULT_CLIENT_KEY: '/tls.key',
};

function parse(method: string, env: Environment): CommandLine<OperatorConfig> {
  const rules = { authMethods: AUTH_METHODS, patternProblem, build: BUILD };
  return parseOperatorCommand([`--vault-authentication-method=${method}`], { ...CREDENTIALS, ...env }, rules);
}

function authOf(method: string, env: Environment): AuthConfig {
  const command = parse(method, env);
  if (command.action !== 'run') throw new Error(command.text);
  return command.config.auth;
}

/** A valid value of each variable that a library reads directly. */
const LIBRARY_VALUES: readonly (readonly [string, string])[] = ENVIRONMENT_VARIABLES.filter(
  ({ library, name }) => library === true && name !== 'AWS_CONTAINER_AUTHORIZATION_TOKEN',
).map(({ name, check, choices }) => [
  name,
  choices?.[0] ?? ['true', 'http://host:1', '3'].find((value) => check?.(value) === undefined) ?? '',
]);

/** A good value of each variable, and the method that reads it. */
const VARIABLES: readonly (readonly [string, string, string])[] = [
  ['VAULT_ADDR', 'https://vault:8200', 'token'],
  ['VAULT_AGENT_ADDR', 'https://vault:8200', 'token'],
  ['VAULT_CACERT', '/ca.crt', 'token'],
  ['VAULT_CAPATH', '/ca', 'token'],
  ['VAULT_CLIENT_TIMEOUT', '30s', 'token'],
  ['VAULT_MAX_RETRIES', '3', 'token'],
  ['VAULT_SKIP_VERIFY', 'true', 'token'],
  ['VAULT_TLS_SERVER_NAME', 'vault', 'token'],
  ['VAULT_NAMESPACE', 'team', 'token'],
  ['VAULT_PROXY_ADDR', 'http://proxy:1', 'token'],
  ['VAULT_RATE_LIMIT', '10', 'token'],
  ['VAULT_DISABLE_REDIRECTS', '1', 'token'],
  ...AUTH_METHODS.flatMap(({ name: method, variables }) =>
    variables
      // A pair needs both, and a verbatim variable takes any character.
      .filter(({ together, verbatim }) => together === undefined && verbatim !== true)
      .map(({ name, default: value = 'value' }) => [name, value, method] as const),
  ),
  ['AWS_REGION', 'eu-west-1', 'token'],
  ['AWS_DEFAULT_REGION', 'eu-west-1', 'token'],
  ['AWS_ENDPOINT_URL_KMS', 'http://kms:1', 'token'],
  ['AWS_CA_BUNDLE', '/ca.crt', 'token'],
  ['AWS_ACCESS_KEY_ID', 'AKIA', 'token'],
  ['AWS_SECRET_ACCESS_KEY', 'secret', 'token'],
  ['AWS_SESSION_TOKEN', 'session', 'token'],
  ['AWS_ACCESS_KEY', 'AKIA', 'token'],
  ['AWS_SECRET_KEY', 'secret', 'token'],
  ...LIBRARY_VALUES.map(([name, value]) => [name, value, 'token'] as const),
  ['HTTPS_PROXY', 'http://proxy:1', 'token'],
  ['SSL_CERT_FILE', '/ca.crt', 'token'],
  ['SSL_CERT_DIR', '/ca:/cb', 'token'],
];

const STRAY: Readonly<Record<string, (value: string) => string>> = {
  'a blank in front': (value) => ` ${value}`,
  'a blank at its end': (value) => `${value} `,
  'a tab at its end': (value) => `${value}\t`,
  'a line break in front': (value) => `\n${value}`,
  'two line breaks at its end': (value) => `${value}\n\n`,
  'a line break within': (value) => `${value.slice(0, 1)}\n${value.slice(1)}x`,
  'a byte order mark': (value) => `\ufeff${value}`,
  'a control character': (value) => `${value.slice(0, 1)}\u0007${value.slice(1)}`,
};

/** Go's SDK did not read them, or not such values: they are ignored with a warning. */
const IGNORED = new Set(
  ENVIRONMENT_VARIABLES.filter(({ elseIgnored }) => elseIgnored !== undefined).map(({ name }) => name),
);
/** Headers: blanks at their ends are no part of them, in Go's client, too. */
const TRIMMED = new Set(['VAULT_TOKEN', 'VAULT_NAMESPACE']);

describe.each(VARIABLES)('%s', (name, good, method) => {
  it.each(Object.entries(STRAY))('is refused by name with %s', (_, spoil) => {
    const command = parse(method, { [name]: spoil(good) });
    if (IGNORED.has(name)) {
      expect(command).toMatchObject({ config: { warnings: [expect.stringContaining(name)] } });
      return;
    }
    if (TRIMMED.has(name) && spoil('x').trim() === 'x' && !/[\n\ufeff]/.test(spoil(''))) {
      expect(command).toEqual(parse(method, { [name]: good }));
      return;
    }
    if (command.action !== 'print') throw new Error('taken');
    const faults = command.text.trimEnd().split('\n');
    expect(faults.every((fault) => fault.includes(name))).toBe(true);
  });

  it.each(['\n', '\r\n'])('means the same with one %j at its end, as files have', (lineBreak) => {
    expect(parse(method, { [name]: good + lineBreak })).toEqual(parse(method, { [name]: good }));
    expect(parse(method, { [name]: good }).action).toBe('run');
  });
});

describe('variables with characters of any sort', () => {
  const verbatim = AUTH_METHODS.flatMap(({ name: method, variables }) =>
    variables.filter((variable) => variable.verbatim === true).map(({ name }) => [method, name] as const),
  );

  it.each(verbatim)('%s takes any %s as it is', (method, name) => {
    for (const password of [' p ', 'p\n', '\tp\u0007', 'pässwörd', '\ufeffp'])
      expect(authOf(method, { [name]: password }).values[name]).toBe(password);
  });

  it.each(verbatim)(
    '%s warns of a line break at the end of %s, and of nothing else in it',
    (method, name) => {
      for (const [value, names] of [
        ['p', []],
        ['p ', []],
        ['p\nq', []],
        ['p\n', [name]],
        ['p\r\n', [name]],
      ] as const) {
        const command = parse(method, { [name]: value });
        if (command.action !== 'run') throw new Error(command.text);
        expect(command.config.warnings.map((warning) => warning.split(' ', 1)[0])).toEqual(names);
        expect(command.config.warnings.join()).not.toContain(value);
      }
    },
  );

  it.each([
    ['VAULT_NAMESPACE', 'tëam', 'token'],
    ['VAULT_TOKEN', 'hvs.ü', 'token'],
    ['VAULT_IAM_SERVER_ID', 'vault ü', 'iam'],
    ['AWS_REGION', '"eu-west-1"', 'token'],
    ['AWS_DEFAULT_REGION', "'eu-west-1'", 'token'],
    ['AWS_REGION', 'eu-west-1.', 'token'],
    ['https_proxy', 'ftp://proxy', 'token'],
    ['HTTP_PROXY', '"http://proxy:3128"', 'token'],
    ['AWS_SECRET_ACCESS_KEY', 'ü', 'token'],
    ['AWS_SESSION_TOKEN', '’', 'token'],
    ['VAULT_HEADERS', '{"X-A":"b\\n"}', 'token'],
  ])('refuses %s=%j by name, since no header or host name can carry it', (name, value, method) => {
    const command = parse(method, { [name]: value });
    expect(command).toMatchObject({ action: 'print', text: expect.stringContaining(`${name} `) });
    if (command.action === 'print') expect(command.text).not.toContain(value);
  });

  it.each(['NO_PROXY', 'no_proxy'])(
    'takes blanks and line breaks between the entries of %s, as Go does',
    (name) => {
      const command = parse('token', { [name]: ' .svc,\n10.0.0.0/8, \n', HTTPS_PROXY: 'http://proxy:3128' });
      if (command.action !== 'run') throw new Error(command.text);
      const { network } = command.config;
      expect(proxyFor(new URL('https://vault.svc'), network)).toBeUndefined();
      expect(proxyFor(new URL('https://10.1.2.3'), network)).toBeUndefined();
      expect(proxyFor(new URL('https://vault.example'), network)).toBeDefined();
    },
  );

  it('holds for the webhook too', () => {
    const flags = ['-tls-cert-file=a', '-tls-key-file=b'];
    const command = parseWebhookCommand(
      flags,
      { AWS_REGION: ' eu-west-1' },
      { patternProblem, build: BUILD },
    );
    expect(command).toMatchObject({ exitCode: 2, text: expect.stringContaining('AWS_REGION') });
  });
});

describe('variables that a library reads from the environment of the process', () => {
  const corrected = (env: Readonly<Record<string, string>>): Record<string, string | undefined> => {
    const copy: Record<string, string | undefined> = { ...env };
    correctLibraryVariables(copy);
    return copy;
  };

  it.each(['', '\n'])('are absent when they are set to %j, as in Go', (empty) => {
    const env = Object.fromEntries(
      [...LIBRARY_VALUES.map(([name]) => name), 'AWS_REGION'].map((name) => [name, empty]),
    );
    expect(corrected({ ...env, VAULT_TOKEN: '' })).toEqual({ VAULT_TOKEN: '' });
  });

  it('are handed over without a final line break', () => {
    const env = Object.fromEntries(LIBRARY_VALUES.map(([name, value]) => [name, `${value}\n`]));
    expect(corrected(env)).toEqual(Object.fromEntries(LIBRARY_VALUES));
    // The SDK reads the keys for a profile with `credential_source = Environment`.
    expect(corrected({ AWS_SECRET_ACCESS_KEY: 'secret\n', VAULT_TOKEN: 'token\n' })).toEqual({
      AWS_SECRET_ACCESS_KEY: 'secret',
      VAULT_TOKEN: 'token\n',
    });
  });

  it.each([
    ['AWS_USE_FIPS_ENDPOINT', 'TRUE', 'true'],
    ['AWS_EC2_METADATA_DISABLED', 'False\n', 'false'],
    ['AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE', 'ipv6', 'IPv6'],
  ])('are handed over as the library wants them, where Go takes any case: %s=%j', (name, value, correct) => {
    expect(parse('token', { [name]: value }).action).toBe('run');
    expect(corrected({ [name]: value })).toEqual({ [name]: correct });
  });

  it.each([
    ['AWS_USE_FIPS_ENDPOINT', '1'],
    ['AWS_USE_DUALSTACK_ENDPOINT', 'yes'],
    ['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', 'on'],
    ['AWS_ENDPOINT_URL_STS', 'sts.example'],
  ])('are refused by name where it would take another value silently: %s=%s', (name, value) => {
    const command = parse('token', { [name]: value });
    expect(command).toMatchObject({ action: 'print', text: expect.stringMatching(`: ${name} must be `) });
  });
});

describe('values that the Go operator did not read', () => {
  it.each([
    ['AWS_EC2_METADATA_DISABLED', '1', "credentials of the node's metadata service are used"],
    ['AWS_MAX_ATTEMPTS', '0', 'a request to STS is attempted three times at most'],
    ['AWS_RETRY_MODE', 'none', '"standard" applies'],
    ['AWS_DEFAULTS_MODE', 'fast', "the SDK's default applies"],
    ['AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE', '6', 'over IPv4'],
  ])('are ignored with one warning, and taken from the SDK: %s=%s', (name, value, what) => {
    const env: Record<string, string | undefined> = { [name]: value };
    for (const command of [
      parse('token', env),
      parseWebhookCommand(['-tls-cert-file=a', '-tls-key-file=b'], env, { patternProblem, build: BUILD }),
    ]) {
      if (command.action !== 'run') throw new Error(command.text);
      const [warning, ...others] = command.config.warnings;
      expect(others).toEqual([]);
      expect(warning).toContain(`${name} must be `);
      expect(warning).toContain(what);
    }
    correctLibraryVariables(env);
    expect(env).toEqual({});
  });
});

describe('variables that are set and empty', () => {
  const required = AUTH_METHODS.flatMap(({ name: method, variables }) =>
    variables
      .filter((variable) => variable.required === true)
      .map(({ name, mayBeEmpty = false }) => ({ method, name, mayBeEmpty })),
  );
  const namesOf = (mayBeEmpty: boolean): (readonly [string, string])[] =>
    required.filter((one) => one.mayBeEmpty === mayBeEmpty).map(({ method, name }) => [method, name]);

  it('are values of these alone', () => {
    expect(namesOf(true)).toEqual([
      ['token', 'VAULT_TOKEN'],
      ['approle', 'VAULT_APPROLE_SECRET_ID'],
    ]);
  });

  it.each(namesOf(true))('%s: %s is a value', (method, name) => {
    expect(authOf(method, { [name]: '' }).values[name]).toBe('');
    expect(authOf(method, { [name]: '\n' }).values[name]).toBe('');
    expect(parse(method, { [name]: undefined })).toMatchObject({
      exitCode: 2,
      text: expect.stringMatching(new RegExp(`${name} is missing: .*set and empty`)),
    });
  });

  it.each(namesOf(false))('%s: an empty %s is a missing one', (method, name) => {
    expect(parse(method, { [name]: '' })).toMatchObject({ exitCode: 2, text: expect.stringContaining(name) });
  });

  it.each(VARIABLES.filter(([name]) => !(name in CREDENTIALS)))('%s: empty is absent', (name, _, method) => {
    expect(parse(method, { [name]: '' })).toEqual(parse(method, {}));
  });
});
