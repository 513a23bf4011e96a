import { describe, expect, it } from '@jest/globals';

import { type OperatorConfig, type AuthMethodSpec } from '../../../src/config/config.js';
import { operatorFlags, parseOperatorCommand } from '../../../src/config/operator-config.js';
import { secretVariables } from '../../../src/config/secret-variables.js';
import { AgentFactory } from '../../../src/runtime/agents.js';
import { systemClock } from '../../../src/runtime/clock.js';
import type { AuthenticatorDeps, VaultAuthMethod } from '../../../src/vault/authenticator.js';
import { AUTH_METHODS, VaultAuthenticatorFactory } from '../../../src/vault/authenticator-factory.js';
import { postLogin } from '../../../src/vault/login.js';
import { silentLogger } from '../../support/loggers.js';
import type { VaultRequest } from '../../../src/vault/vault-request.js';

/** What `cert` asks of the connection. */
const CONNECTION = { VAULT_CLIENT_CERT: '/tls.crt', VAULT_CLIENT_KEY: '/tls.key' };
const seen: VaultRequest[] = [];
const DEPS: AuthenticatorDeps = {
  client: {
    request: (request) => {
      seen.push(request);
      return Promise.resolve({ status: 200, text: '{"auth":{"client_token":"t","lease_duration":60}}' });
    },
  },
  aws: {},
  agents: new AgentFactory({ sslCertDirs: [] }, silentLogger),
  clock: systemClock,
};

function configure(
  method: string,
  env: Record<string, string>,
  authMethods: readonly AuthMethodSpec[] = AUTH_METHODS,
): OperatorConfig | string {
  const command = parseOperatorCommand([`--vault-authentication-method=${method}`], env, {
    authMethods,
    patternProblem: () => undefined,
    build: { version: '0', commit: '0' },
  });
  return command.action === 'run' ? command.config : command.text;
}

describe('AUTH_METHODS', () => {
  /** What users rely on, and what therefore stays: a new method adds its line. */
  const CONTRACT: readonly (readonly [string, Readonly<Record<string, string | undefined>>])[] = [
    ['token', { VAULT_TOKEN: undefined }],
    [
      'k8s',
      {
        VAULT_K8S_ROLE: 'kms-vault-operator',
        VAULT_K8S_LOGIN_ENDPOINT: 'auth/kubernetes/login',
        VAULT_K8S_TOKEN_PATH: '/var/run/secrets/kubernetes.io/serviceaccount/token',
      },
    ],
    [
      'userpass',
      {
        VAULT_USERNAME: undefined,
        VAULT_PASSWORD: undefined,
        VAULT_USERPASS_ENDPOINT: 'auth/userpass/login',
      },
    ],
    [
      'approle',
      {
        VAULT_APPROLE_ROLE_ID: undefined,
        VAULT_APPROLE_SECRET_ID: undefined,
        VAULT_APPROLE_ENDPOINT: 'auth/approle/login',
      },
    ],
    ['github', { VAULT_GITHUB_TOKEN: undefined, VAULT_GITHUB_AUTH_ENDPOINT: 'auth/github/login' }],
    ['iam', { VAULT_IAM_AUTH_ENDPOINT: 'auth/aws/login' }],
    [
      'ldap',
      {
        VAULT_LDAP_USERNAME: undefined,
        VAULT_LDAP_PASSWORD: undefined,
        VAULT_LDAP_ENDPOINT: 'auth/ldap/login',
      },
    ],
    [
      'jwt',
      { VAULT_JWT_ROLE: undefined, VAULT_JWT_TOKEN_PATH: undefined, VAULT_JWT_ENDPOINT: 'auth/jwt/login' },
    ],
    ['cert', { VAULT_CERT_ENDPOINT: 'auth/cert/login' }],
  ];

  it.each(CONTRACT)('%s has the variables and defaults of the contract', (name, expected) => {
    const method = AUTH_METHODS.find((candidate) => candidate.name === name);
    const variables = (method?.variables ?? []).filter(
      (spec) => spec.required === true || spec.default !== undefined,
    );
    expect(Object.fromEntries(variables.map((spec) => [spec.name, spec.default]))).toEqual(expected);
  });

  it('are all in the contract', () => {
    expect(AUTH_METHODS.map(({ name }) => name)).toEqual(CONTRACT.map(([name]) => name));
  });

  it.each(AUTH_METHODS)('$name is described, and its secrets leave the environment', (method) => {
    const { description, variables } = method;
    expect(description).toMatch(/^[A-Z].*\.$/);
    for (const variable of variables) {
      expect(variable.name).toMatch(/^(VAULT|AWS)_[A-Z0-9_]+$/);
      // Part of a sentence, in messages and in tables.
      expect(variable.description).toMatch(/^[A-Za-z].*[^.]$/);
    }
    const secrets = variables.filter(({ secret }) => secret === true).map(({ name }) => name);
    const named = variables.map(({ name }) => name).filter((name) => /PASSWORD|SECRET|_TOKEN$/.test(name));
    expect(secrets).toEqual(named);
    expect(secretVariables({}, variables)).toEqual(expect.arrayContaining(secrets));
  });

  it.each(AUTH_METHODS)('$name names every variable that is missing', ({ name, variables }) => {
    const text = configure(name, CONNECTION);
    const lines = typeof text === 'string' ? text.trimEnd().split('\n') : [];
    const required = variables.filter((variable) => variable.required === true);
    expect(lines).toEqual(
      required.map((variable) =>
        expect.stringMatching(new RegExp(`: ${variable.name} is missing: .*=${name} needs it`)),
      ),
    );
  });

  it.each(AUTH_METHODS)('$name refuses the plain path of a mount as its endpoint', ({ name, variables }) => {
    const endpoint = variables.find((variable) => variable.name.endsWith('_ENDPOINT') && variable.check);
    if (endpoint === undefined) return;
    expect(configure(name, { ...CONNECTION, [endpoint.name]: '../x' })).toContain(endpoint.name);
  });

  it.each([
    ['http', { VAULT_ADDR: 'http://vault:8200' }, 'needs https in VAULT_ADDR or VAULT_AGENT_ADDR'],
    ['a plain agent', { VAULT_AGENT_ADDR: 'http://localhost:8100' }, 'VAULT_AGENT_ADDR'],
    ['no certificate', { VAULT_CLIENT_CERT: '', VAULT_CLIENT_KEY: '' }, 'VAULT_CLIENT_KEY are missing'],
    ['no key', { VAULT_CLIENT_KEY: '' }, 'VAULT_CLIENT_CERT and VAULT_CLIENT_KEY belong together'],
  ])('cert refuses to start with %s, in one line', (_what, env, expected) => {
    const text = configure('cert', { ...CONNECTION, ...env });
    expect(text).toEqual(expect.stringMatching(/^.*\n$/));
    expect(text).toContain(expected);
  });

  it('names every method in the help and in the refusal of another', () => {
    const names = AUTH_METHODS.map(({ name }) => name);
    const help = operatorFlags(AUTH_METHODS)[0]?.description ?? '';
    expect(help.match(/: (.*)\./)?.[1]?.split(/, | or /)).toEqual(names);
    expect(configure('kerberos', {})).toContain(`must be one of ${names.join(', ')}`);
  });

  it.each([
    ['token', {}, ['VAULT_TOKEN']],
    [
      'approle',
      { VAULT_APPROLE_ENDPOINT: '../x' },
      ['VAULT_APPROLE_ROLE_ID', 'VAULT_APPROLE_SECRET_ID', 'VAULT_APPROLE_ENDPOINT'],
    ],
    ['iam', { VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIA' }, ['VAULT_IAM_AWS_SECRET_ACCESS_KEY']],
    ['iam', { VAULT_IAM_AWS_SECRET_ACCESS_KEY: 's3cret' }, ['VAULT_IAM_AWS_ACCESS_KEY_ID']],
    ['token', { VAULT_TOKEN: 's3cret\n\n' }, ['VAULT_TOKEN']],
    ['userpass', { VAULT_USERNAME: '../x', VAULT_PASSWORD: 's3cret' }, ['VAULT_USERNAME']],
    ['ldap', { VAULT_LDAP_USERNAME: 'a/b', VAULT_LDAP_PASSWORD: 's3cret' }, ['VAULT_LDAP_USERNAME']],
    ['k8s', { VAULT_K8S_LOGIN_ENDPOINT: 'http://elsewhere/login' }, ['VAULT_K8S_LOGIN_ENDPOINT']],
  ])('%s with %j names every faulty variable at once', (method, env, names) => {
    const text = configure(method, env);
    if (typeof text !== 'string') throw new Error('accepted');
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => /: (\w+)/.exec(line)?.[1])).toEqual(names);
    expect(text).not.toContain('s3cret');
  });

  it.each(['auth/kubernetes/login', '/auth/my/deep/mount/login/', 'ns/auth/x/login'])(
    'takes the endpoint %s',
    (endpoint) => {
      expect(configure('k8s', { VAULT_K8S_LOGIN_ENDPOINT: endpoint })).toBeInstanceOf(Object);
    },
  );

  it.each(['login', 'auth/../sys/x', 'auth//login', 'auth/x login', 'auth/x?y=z', 'auth/%2e%2e/x', '/'])(
    'refuses the endpoint %s',
    (endpoint) => {
      expect(configure('k8s', { VAULT_K8S_LOGIN_ENDPOINT: endpoint })).toContain('VAULT_K8S_LOGIN_ENDPOINT');
    },
  );
});

describe('VaultAuthenticatorFactory', () => {
  it('takes a new method as one definition more', async () => {
    const radius: VaultAuthMethod = {
      name: 'radius',
      description: 'A password of a RADIUS server.',
      variables: [
        { name: 'VAULT_RADIUS_PASSWORD', description: 'the password', required: true, secret: true },
      ],
      create: ({ VAULT_RADIUS_PASSWORD: password = '' }, { client }) => ({
        login: (signal) => postLogin(client, 'auth/radius/login/me', { password }, signal, { known: [] }),
      }),
    };
    const methods = [...AUTH_METHODS, radius];
    expect(configure('radius', {}, methods)).toContain('VAULT_RADIUS_PASSWORD');
    const config = configure('radius', { VAULT_RADIUS_PASSWORD: 'pw' }, methods);
    if (typeof config === 'string') throw new Error(config);
    const authenticator = new VaultAuthenticatorFactory(methods).create(config.auth, DEPS);
    expect(await authenticator.login()).toMatchObject({ token: 't', ttlSeconds: 60, ours: true });
    expect(seen.at(-1)).toMatchObject({ path: 'auth/radius/login/me', body: '{"password":"pw"}' });
  });

  it('makes every method that the configuration knows, and no other', () => {
    const factory = new VaultAuthenticatorFactory();
    for (const { name } of AUTH_METHODS)
      expect(factory.create({ method: name, values: {} }, DEPS)).toHaveProperty('login');
    expect(() => factory.create({ method: 'radius', values: {} }, DEPS)).toThrow('radius');
  });
});
