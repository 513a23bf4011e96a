import { describe, expect, it } from '@jest/globals';

import { patternProblem } from '../../../src/api/allowed-paths.js';
import type { CommandLine, Environment, OperatorConfig } from '../../../src/config/config.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

function parse(env: Environment): CommandLine<OperatorConfig> {
  const rules = { authMethods: AUTH_METHODS, patternProblem, build: { version: '1', commit: 'c' } };
  const all = { VAULT_TOKEN: 'a-token', ...env };
  return parseOperatorCommand(['--vault-authentication-method=token'], all, rules);
}

function configOf(env: Environment): OperatorConfig {
  const command = parse(env);
  if (command.action !== 'run') throw new Error(command.text);
  return command.config;
}

/** What paths are appended to, for each variable that is read here. */
const READ: Readonly<Record<string, (config: OperatorConfig) => string | undefined>> = {
  VAULT_ADDR: ({ vault }) => vault.address,
  VAULT_AGENT_ADDR: ({ vault }) => vault.address,
  AWS_ENDPOINT_URL_KMS: ({ aws }) => aws.kmsEndpoint,
};
const NAMES = Object.keys(READ);
const LIBRARY_NAMES = ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_STS'];

function each<T extends readonly unknown[]>(names: readonly string[], rows: readonly T[]): [string, ...T][] {
  return names.flatMap((name) => rows.map((row): [string, ...T] => [name, ...row]));
}

describe('the URL of a server', () => {
  it.each(
    each(NAMES, [
      ['https://peer.test', 'https://peer.test'],
      ['https://peer.test/', 'https://peer.test'],
      ['HTTPS://Peer.Test:8200/Path//', 'https://peer.test:8200/Path'],
      ['http://[::1]:8200', 'http://[::1]:8200'],
      ['https://peer.test.:8200', 'https://peer.test.:8200'],
    ]),
  )('is what paths are appended to: %s=%s', (name, text, expected) => {
    const config = configOf({ [name]: text });
    expect(READ[name]?.(config)).toBe(expected);
    expect(config.warnings).toEqual([]);
  });

  const WITH_MORE = [
    ['https://peer.test:8200?canary=1'],
    ['https://peer.test:8200/?canary=1'],
    ['https://peer.test:8200#canary'],
    ['https://peer.test:8200/#/canary'],
  ] as const;

  it.each(each(NAMES, WITH_MORE))('loses a query and a fragment with a warning: %s=%s', (name, text) => {
    const config = configOf({ [name]: text });
    expect(READ[name]?.(config)).toBe('https://peer.test:8200');
    expect(config.warnings).toEqual([`${name} contains a query or fragment; it is ignored: remove it`]);
  });

  it.each(each(LIBRARY_NAMES, WITH_MORE))('is warned of where the SDK reads it: %s=%s', (name, text) => {
    const { warnings } = configOf({ [name]: text });
    expect(warnings).toEqual([`${name} contains a query or fragment; it is ignored: remove it`]);
  });

  it('is warned of only when it is used', () => {
    const env = { VAULT_ADDR: 'https://peer.test?a', VAULT_AGENT_ADDR: 'http://127.0.0.1:8100' };
    expect(configOf(env).warnings).toEqual([]);
  });

  it('has a path that is cleaned for Vault, as in the Go client', () => {
    expect(configOf({ VAULT_ADDR: 'https://peer.test//a///vault//' }).vault.address).toBe(
      'https://peer.test/a/vault',
    );
  });

  it.each(
    each(
      [...NAMES, ...LIBRARY_NAMES],
      [['https://canary@peer.test'], ['https://:canary@peer.test'], ['https://user:canary@peer.test']],
    ),
  )('is refused with a user name or password, which is not quoted: %s=%s', (name, text) => {
    const command = parse({ [name]: text });
    if (command.action !== 'print') throw new Error('it started');
    expect(command.text).toContain(`${name} contains a user name or password`);
    expect(command.text.includes('VAULT_HEADERS')).toBe(name.startsWith('VAULT'));
    expect(command.text).not.toContain('canary');
  });
});
