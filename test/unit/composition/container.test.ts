import { KubeConfig } from '@kubernetes/client-node';
import { describe, expect, it } from '@jest/globals';
import type { InjectionToken } from 'tsyringe';

import { patternProblem } from '../../../src/api/allowed-paths.js';
import { createOperatorContainer } from '../../../src/composition/container.js';
import { TOKENS } from '../../../src/composition/tokens.js';
import type { OperatorConfig } from '../../../src/config/config.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';
import { FakeKms } from '../../support/fake-kms.js';

const build = { version: 'test', commit: 'test' };

function configOf(...flags: readonly string[]): OperatorConfig {
  const command = parseOperatorCommand(
    flags,
    { VAULT_TOKEN: 'token', AWS_REGION: 'eu-west-1' },
    { authMethods: AUTH_METHODS, patternProblem, build },
  );
  if (command.action !== 'run') throw new Error(command.text);
  return command.config;
}

function kubeConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromString(
    JSON.stringify({
      clusters: [{ name: 'cluster', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [{ name: 'user', user: { token: 'token' } }],
      contexts: [{ name: 'context', context: { cluster: 'cluster', user: 'user' } }],
      'current-context': 'context',
    }),
  );
  return config;
}

describe('createOperatorContainer', () => {
  it.each(Object.entries(TOKENS))('resolves %s, once', (_name, token) => {
    const container = createOperatorContainer({ config: configOf(), kubeConfig: kubeConfig(), build });
    const any: InjectionToken<unknown> = token;
    expect(container.resolve(any)).toBe(container.resolve(any));
  });

  it('lets a child container put a fake in the place of any service', async () => {
    const container = createOperatorContainer({ config: configOf(), kubeConfig: kubeConfig(), build });
    const kms = new FakeKms();
    container.register(TOKENS.decryptor, { useValue: kms });
    const request = { encryptedSecret: FakeKms.encrypt('plain'), context: {} };
    expect(await container.resolve(TOKENS.decryptor).decrypt(request)).toBe('plain');
    expect(kms.asked).toBe(1);
  });

  it.each([
    ['1 without leader election', 1, []],
    [
      '0 on a replica that does not hold the lease',
      0,
      ['--enable-leader-election', '--leader-election-namespace=vault'],
    ],
  ])('shows right gauges before anything else is made: leader is %s', async (_what, leader, flags) => {
    const config = configOf('--watch-namespace=a', ...flags);
    const container = createOperatorContainer({ config, kubeConfig: kubeConfig(), build });
    const metrics = container.resolve(TOKENS.metrics);
    expect((await metrics.leader.get()).values).toEqual([{ labels: {}, value: leader }]);
    container.resolve(TOKENS.operator);
    expect((await metrics.resources.get()).values.map(({ value }) => value)).toEqual([0, 0]);
    expect((await metrics.watchSynced.get()).values).toEqual([
      { labels: { kind: 'KMSVaultSecret', namespace: 'a' }, value: 0 },
      { labels: { kind: 'PartialKMSVaultSecret', namespace: 'a' }, value: 0 },
    ]);
  });

  it('has no endpoints that flags switch off', () => {
    const config = configOf('--metrics-addr=0', '--health-addr=0');
    const container = createOperatorContainer({ config, kubeConfig: kubeConfig(), build });
    expect(container.resolve(TOKENS.metricsEndpoint)).toBeUndefined();
    expect(container.resolve(TOKENS.healthEndpoint)).toBeUndefined();
  });
});
