import { describe, expect, it } from '@jest/globals';

import { type OperatorConfig, type AuthMethodSpec } from '../../../src/config/config.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { AgentFactory } from '../../../src/runtime/agents.js';
import { systemClock } from '../../../src/runtime/clock.js';
import type { AuthenticatorDeps, VaultAuthMethod } from '../../../src/vault/authenticator.js';
import { AUTH_METHODS, VaultAuthenticatorFactory } from '../../../src/vault/authenticator-factory.js';
import { postLogin } from '../../../src/vault/login.js';
import { silentLogger } from '../../support/loggers.js';
import type { VaultRequest } from '../../../src/vault/vault-request.js';

const seen: VaultRequest[] = [];
const DEPS: AuthenticatorDeps = {
  client: {
    request: (request) => {
      seen.push(request);
      return Promise.resolve({ status: 200, text: '{"auth":{"client_token":"t","lease_duration":60}}' });
    },
  },
  aws: {},
  agents: new AgentFactory({ network: { sslCertDirs: [] }, logger: silentLogger }),
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
  it.each([
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
  ] as const)('%s has the variables and defaults of the contract', (name, expected) => {
    const method = AUTH_METHODS.find((candidate) => candidate.name === name);
    const variables = (method?.variables ?? []).filter(
      (spec) => spec.required === true || spec.default !== undefined,
    );
    expect(Object.fromEntries(variables.map((spec) => [spec.name, spec.default]))).toEqual(expected);
  });

  it.each([
    ['token', {}, ['VAULT_TOKEN']],
    ['userpass', {}, ['VAULT_USERNAME', 'VAULT_PASSWORD']],
    [
      'approle',
      { VAULT_APPROLE_ENDPOINT: '../x' },
      ['VAULT_APPROLE_ROLE_ID', 'VAULT_APPROLE_SECRET_ID', 'VAULT_APPROLE_ENDPOINT'],
    ],
    ['github', {}, ['VAULT_GITHUB_TOKEN']],
    ['iam', { VAULT_IAM_AWS_ACCESS_KEY_ID: 'AKIA' }, ['VAULT_IAM_AWS_SECRET_ACCESS_KEY']],
    ['iam', { VAULT_IAM_AWS_SECRET_ACCESS_KEY: 's3cret' }, ['VAULT_IAM_AWS_ACCESS_KEY_ID']],
    ['token', { VAULT_TOKEN: 's3cret\n\n' }, ['VAULT_TOKEN']],
    ['userpass', { VAULT_USERNAME: '../x', VAULT_PASSWORD: 's3cret' }, ['VAULT_USERNAME']],
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
  it('takes a seventh method as one definition more', async () => {
    const ldap: VaultAuthMethod = {
      name: 'ldap',
      variables: [{ name: 'VAULT_LDAP_PASSWORD', description: 'the password', required: true, secret: true }],
      create: (values, { client }) => ({
        login: (signal) =>
          postLogin(client, 'auth/ldap/login/me', { password: values.VAULT_LDAP_PASSWORD ?? '' }, signal),
      }),
    };
    const methods = [...AUTH_METHODS, ldap];
    expect(configure('ldap', {}, methods)).toContain('VAULT_LDAP_PASSWORD');
    const config = configure('ldap', { VAULT_LDAP_PASSWORD: 'pw' }, methods);
    if (typeof config === 'string') throw new Error(config);
    const authenticator = new VaultAuthenticatorFactory(methods).create(config.auth, DEPS);
    expect(await authenticator.login()).toMatchObject({ token: 't', ttlSeconds: 60, ours: true });
    expect(seen.at(-1)).toMatchObject({ path: 'auth/ldap/login/me', body: '{"password":"pw"}' });
  });

  it('makes every method that the configuration knows, and no other', () => {
    const factory = new VaultAuthenticatorFactory();
    for (const { name } of AUTH_METHODS)
      expect(factory.create({ method: name, values: {} }, DEPS)).toHaveProperty('login');
    expect(() => factory.create({ method: 'ldap', values: {} }, DEPS)).toThrow('ldap');
  });
});
