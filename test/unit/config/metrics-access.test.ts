import { describe, expect, it } from '@jest/globals';

import type { CommandLine, OperatorConfig } from '../../../src/config/config.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

function parse(...argv: string[]): CommandLine<OperatorConfig> {
  return parseOperatorCommand(
    argv,
    { VAULT_TOKEN: 't' },
    { authMethods: AUTH_METHODS, patternProblem: () => undefined, build: { version: '0', commit: '0' } },
  );
}

const FILES = ['--metrics-tls-cert-file=/tls.crt', '--metrics-tls-key-file=/tls.key'];

describe('--metrics-secure', () => {
  it('is off by default, and needs both files', () => {
    expect(parse()).toMatchObject({ config: { metricsTls: undefined } });
    expect(parse('--metrics-secure', ...FILES)).toMatchObject({
      config: { metricsTls: { certFile: '/tls.crt', keyFile: '/tls.key' } },
    });
    expect(parse('--metrics-secure')).toMatchObject({
      exitCode: 2,
      text:
        'kms-vault-operator: --metrics-tls-cert-file is missing: --metrics-secure needs it\n' +
        'kms-vault-operator: --metrics-tls-key-file is missing: --metrics-secure needs it\n',
    });
  });

  it('is said to have no effect where there are no metrics', () => {
    expect(parse('--metrics-secure', ...FILES, '--metrics-addr=0')).toMatchObject({
      config: {
        warnings: ['--metrics-secure has no effect with --metrics-addr=0, which switches the metrics off'],
      },
    });
  });

  it('is not implied by a file, which would be ignored without it', () => {
    expect(parse(FILES[0] ?? '')).toMatchObject({
      exitCode: 2,
      text: 'kms-vault-operator: --metrics-tls-cert-file needs --metrics-secure: add it, or remove both\n',
    });
  });
});
