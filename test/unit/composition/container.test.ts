import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { KubeConfig } from '@kubernetes/client-node';
import { describe, expect, it } from '@jest/globals';
import type { DependencyContainer } from 'tsyringe';

import { patternProblem } from '../../../src/api/allowed-paths.js';
import { Console } from '../../../src/cli/console.js';
import { createCliContainer } from '../../../src/composition/cli-container.js';
import { createOperatorContainer } from '../../../src/composition/container.js';
import { addImport } from '../../../src/composition/import-parts.js';
import { addPlan } from '../../../src/composition/plan-parts.js';
import { createWebhookContainer } from '../../../src/composition/webhook-container.js';
import type { OperatorConfig } from '../../../src/config/config.js';
import { parseOperatorCommand } from '../../../src/config/operator-config.js';
import { parseWebhookCommand } from '../../../src/config/webhook-config.js';
import type { Decryptor } from '../../../src/kms/decryptor.js';
import type { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { TOKENS } from '../../../src/tokens.js';
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

const EVERYTHING = [
  '--enable-leader-election',
  '--leader-election-namespace=vault',
  '--watch-namespace=a',
  '--metrics-secure',
  '--metrics-tls-cert-file=tls.crt',
  '--metrics-tls-key-file=tls.key',
];

function operatorContainer(...flags: readonly string[]): DependencyContainer {
  return createOperatorContainer({ config: configOf(...flags), kubeConfig: kubeConfig(), build });
}

function webhookContainer(): DependencyContainer {
  const command = parseWebhookCommand(
    ['--tls-cert-file=cert.pem', '--tls-key-file=key.pem'],
    { AWS_REGION: 'eu-west-1' },
    { patternProblem, build },
  );
  if (command.action !== 'run') throw new Error(command.text);
  return createWebhookContainer({ config: command.config, build });
}

function cliContainer(): DependencyContainer {
  const { stdout, stderr } = process;
  const environment = { AWS_REGION: 'eu-west-1' };
  return createCliContainer({ environment, console: new Console({ stdout, stderr, environment }), build });
}

function importContainer(): DependencyContainer {
  const { stdout, stderr } = process;
  const environment = { AWS_REGION: 'eu-west-1', VAULT_TOKEN: 'token' };
  const container = cliContainer();
  addImport(container, { environment, console: new Console({ stdout, stderr, environment }) });
  return container;
}

/** With all parts that a command can ask for. */
async function planContainer(): Promise<DependencyContainer> {
  const folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
  const kubeconfig = join(folder, 'config');
  writeFileSync(kubeconfig, kubeConfig().exportConfig());
  const { stdout, stderr } = process;
  const environment = { AWS_REGION: 'eu-west-1', VAULT_TOKEN: 'token' };
  const container = cliContainer();
  const console = new Console({ stdout, stderr, environment });
  await addPlan(container, { environment, console }, { policy: {}, cluster: { kubeconfig } });
  rmSync(folder, { recursive: true });
  return container;
}

const withPlan = await planContainer();

const tokensOf = (container: DependencyContainer): [string, symbol][] =>
  Object.entries(TOKENS).filter(([, token]) => container.isRegistered(token, true));

/** Several services stand behind them. */
const COLLECTIONS: readonly symbol[] = [TOKENS.readinessChecks, TOKENS.resourceMemories];
/** Constructors have defaults for them. */
const LIMITS: readonly symbol[] = [
  TOKENS.random,
  TOKENS.silentMs,
  TOKENS.connectionLimits,
  TOKENS.kubeLimits,
  TOKENS.eventLimits,
  TOKENS.leaseSettings,
  TOKENS.watchLimits,
  TOKENS.maxReviewsAtKms,
  TOKENS.usedCpuMs,
];

describe.each([
  ['createOperatorContainer', () => operatorContainer(...EVERYTHING)],
  ['createWebhookContainer', webhookContainer],
  ['createCliContainer', cliContainer],
  ['createCliContainer with addImport', importContainer],
  ['createCliContainer with addPlan', () => withPlan],
])('%s', (_name, create) => {
  it.each(tokensOf(create()).filter(([, token]) => !COLLECTIONS.includes(token)))(
    'resolves %s, once',
    (_token, token) => {
      const container = create();
      expect(container.resolve(token)).toBe(container.resolve(token));
    },
  );

  it('shares no service with a child container', () => {
    const container = create();
    const child = container.createChildContainer();
    const services = [TOKENS.decryptor, TOKENS.kmsApi, TOKENS.lifecycle, TOKENS.registry];
    for (const token of services.filter((service) => container.isRegistered(service))) {
      expect(child.resolve(token)).not.toBe(container.resolve(token));
    }
  });
});

describe('the tokens', () => {
  it('stand each for something in one of the programs', () => {
    const registered = [
      ...tokensOf(operatorContainer(...EVERYTHING)),
      ...tokensOf(webhookContainer()),
      ...tokensOf(importContainer()),
      ...tokensOf(withPlan),
    ];
    const known = new Set([...registered.map(([, token]) => token), ...LIMITS]);
    expect(Object.entries(TOKENS).filter(([, token]) => !known.has(token))).toEqual([]);
  });
});

describe('a child container', () => {
  it('replaces a service for all that depend on it, and leaves its parent as it was', async () => {
    const container = operatorContainer();
    const program = container.resolve(TOKENS.program);
    const child = container.createChildContainer();
    const kms = new FakeKms();
    child.register(TOKENS.decryptor, { useValue: kms });
    const request = { encryptedSecret: FakeKms.encrypt('plain'), context: {} };
    expect(await child.resolve<Decryptor>(TOKENS.decryptor).decrypt(request)).toBe('plain');
    expect(container.resolve(TOKENS.decryptor)).not.toBe(kms);
    expect(child.resolve(TOKENS.program)).not.toBe(program);
    expect(child.resolve(TOKENS.reconciler)).not.toBe(container.resolve(TOKENS.reconciler));
    expect(container.resolve(TOKENS.program)).toBe(program);
  });

  it('replaces a part of the configuration', async () => {
    const child = operatorContainer().createChildContainer();
    child.register(TOKENS.syncPeriodMs, { useValue: 7_000 });
    const { syncPeriod } = child.resolve<OperatorMetrics>(TOKENS.metrics);
    expect((await syncPeriod.get()).values).toEqual([{ labels: {}, value: 7 }]);
  });

  it('sets a limit that has a default', () => {
    const child = operatorContainer().createChildContainer();
    child.register(TOKENS.kubeLimits, { useValue: { timeoutMs: 5 } });
    expect(child.resolve(TOKENS.kubeClient)).toMatchObject({ timeoutMs: 5 });
  });
});

describe('createOperatorContainer', () => {
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
    const metrics = container.resolve<OperatorMetrics>(TOKENS.metrics);
    expect((await metrics.leader.get()).values).toEqual([{ labels: {}, value: leader }]);
    container.resolve(TOKENS.operator);
    expect((await metrics.resources.get()).values.map(({ value }) => value)).toEqual([0, 0]);
    expect((await metrics.watchSynced.get()).values).toEqual([
      { labels: { kind: 'KMSVaultSecret', namespace: 'a' }, value: 0 },
      { labels: { kind: 'PartialKMSVaultSecret', namespace: 'a' }, value: 0 },
    ]);
  });

  it('has no endpoints that flags switch off', () => {
    const container = operatorContainer('--metrics-addr=0', '--health-addr=0');
    expect(container.isRegistered(TOKENS.metricsEndpoint, true)).toBe(false);
    expect(container.isRegistered(TOKENS.healthEndpoint, true)).toBe(false);
    expect(container.resolve(TOKENS.program)).toBeDefined();
  });
});
