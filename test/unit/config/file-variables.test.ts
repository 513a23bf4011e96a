import { describe, expect, it } from '@jest/globals';

import type { OperatorConfig } from '../../../src/config/config.js';
import { fileVariables } from '../../../src/config/file-variables.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { secretVariables } from '../../../src/config/secret-variables.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

function configure(method: string, env: Record<string, string>): OperatorConfig | readonly string[] {
  const command = parseOperatorCommand([`--vault-authentication-method=${method}`], env, {
    authMethods: AUTH_METHODS,
    patternProblem: () => undefined,
    build: { version: '0', commit: '0' },
  });
  return command.action === 'run'
    ? command.config
    : command.text
        .trimEnd()
        .split('\n')
        .map((line) => line.replace('kms-vault-operator: ', ''));
}

const SECRETS = AUTH_METHODS.flatMap(({ name: method, variables }) =>
  variables.filter(({ secret }) => secret === true).map((variable) => ({ method, variables, variable })),
);

/** What else the method needs. */
function others(method: string, secret: string): Record<string, string> {
  const variables = AUTH_METHODS.find(({ name }) => name === method)?.variables ?? [];
  return Object.fromEntries(
    variables
      .filter(({ name, required, together }) => name !== secret && (required === true || together === secret))
      .map(({ name }) => [name, 'x']),
  );
}

describe.each(SECRETS)(
  '$variable.name of $method',
  ({ method, variables, variable: { name, mayBeEmpty } }) => {
    const rest = others(method, name);

    it('may be in a file, which is not read at the start', () => {
      expect(fileVariables(variables).map((twin) => twin.name)).toContain(`${name}_FILE`);
      const config = configure(method, { ...rest, [`${name}_FILE`]: '/no/such/file\n' });
      expect(config).toMatchObject({ auth: { method, files: { [name]: '/no/such/file' } } });
      expect((config as OperatorConfig).auth.values).not.toHaveProperty([name]);
    });

    it('is refused beside its file, by the names of both', () => {
      const fault = `${name} and ${name}_FILE are both set: set only one of them`;
      const file = { ...rest, [`${name}_FILE`]: '/file' };
      expect(configure(method, { ...file, [name]: '5ecret' })).toEqual([fault]);
      const withEmpty = configure(method, { ...file, [name]: '' });
      if (mayBeEmpty === true) expect(withEmpty).toEqual([fault]);
      else expect(withEmpty).toMatchObject({ auth: { files: { [name]: '/file' } } });
    });

    it('counts alone when the variable of the file is empty', () => {
      const config = configure(method, { ...rest, [name]: 'value', [`${name}_FILE`]: '' });
      expect(config).toMatchObject({ auth: { values: { [name]: 'value' } } });
      expect((config as OperatorConfig).auth.files).toBeUndefined();
    });
  },
);

describe('fileVariables', () => {
  it('are those of secrets and of what is rotated with one, and are no secrets themselves', () => {
    const twins = AUTH_METHODS.flatMap(({ variables }) => fileVariables(variables));
    expect(twins.map(({ name }) => name)).toEqual([
      'VAULT_TOKEN_FILE',
      'VAULT_PASSWORD_FILE',
      'VAULT_APPROLE_SECRET_ID_FILE',
      'VAULT_GITHUB_TOKEN_FILE',
      'VAULT_IAM_AWS_ACCESS_KEY_ID_FILE',
      'VAULT_IAM_AWS_SECRET_ACCESS_KEY_FILE',
      'VAULT_LDAP_PASSWORD_FILE',
    ]);
    const wiped = secretVariables(
      {},
      AUTH_METHODS.flatMap(({ variables }) => variables),
    );
    for (const { name } of twins) expect(wiped).not.toContain(name);
  });

  it('are offered where the secret is missing', () => {
    expect(configure('userpass', { VAULT_USERNAME: 'x' })).toEqual([
      'VAULT_PASSWORD is missing: --vault-authentication-method=userpass needs it (the password), or VAULT_PASSWORD_FILE',
    ]);
  });

  it('need the other half of a pair, in a file or not', () => {
    const missing = (name: string, other: string): string[] => [
      `${name} is missing: it belongs to ${other}; set both or neither`,
    ];
    const [id, key] = ['VAULT_IAM_AWS_ACCESS_KEY_ID', 'VAULT_IAM_AWS_SECRET_ACCESS_KEY'];
    expect(configure('iam', { VAULT_IAM_AWS_SECRET_ACCESS_KEY_FILE: '/k' })).toEqual(missing(id, key));
    expect(configure('iam', { VAULT_IAM_AWS_ACCESS_KEY_ID_FILE: '/i' })).toEqual(missing(key, id));
    expect(configure('iam', { VAULT_IAM_AWS_ACCESS_KEY_ID_FILE: '/i', [key]: 'x' })).toHaveProperty('auth');
    expect(configure('iam', { [id]: 'x', VAULT_IAM_AWS_SECRET_ACCESS_KEY_FILE: '/k' })).toHaveProperty(
      'auth',
    );
  });

  it('say nothing about other methods', () => {
    const config = configure('userpass', {
      VAULT_USERNAME: 'x',
      VAULT_PASSWORD: 'y',
      VAULT_TOKEN: 'z',
      VAULT_TOKEN_FILE: '/file',
    });
    expect(config).toHaveProperty('auth');
  });
});
