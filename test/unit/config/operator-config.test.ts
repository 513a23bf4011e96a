import { describe, expect, it } from '@jest/globals';

import { patternProblem } from '../../../src/api/allowed-paths.js';
import type { CommandLine, Environment, OperatorConfig } from '../../../src/config/config.js';
import { operatorFlags, parseOperatorCommand } from '../../../src/config/operator-config.js';
import { AUTH_METHODS } from '../../../src/vault/authenticator-factory.js';

const ENV = { VAULT_TOKEN: 'the-token' };

function parse(argv: readonly string[] = [], env: Environment = ENV): CommandLine<OperatorConfig> {
  return parseOperatorCommand(argv, env, {
    authMethods: AUTH_METHODS,
    patternProblem,
    build: { version: '1.2.3', commit: 'abc' },
  });
}

function configOf(argv: readonly string[] = [], env: Environment = ENV): OperatorConfig {
  const command = parse(argv, env);
  if (command.action !== 'run') throw new Error(command.text);
  return command.config;
}

function faultsOf(argv: readonly string[], env: Environment = ENV): string[] {
  const command = parse(argv, env);
  if (command.action !== 'print' || command.exitCode !== 2) throw new Error('expected faults');
  return command.text.trimEnd().split('\n');
}

describe('parseOperatorCommand', () => {
  it.each([
    [['-sync-period-seconds=5']],
    [['--sync-period-seconds=5']],
    [['-sync-period-seconds', '5']],
    [['--sync-period-seconds', '5']],
    [['--sync-period-seconds=9', '--sync-period-seconds=5']],
  ])('reads %j as Go does', (argv) => {
    expect(configOf(argv).syncPeriodMs).toBe(5_000);
  });

  it.each([
    [[], false],
    [['--enable-leader-election'], true],
    [['-enable-leader-election=true'], true],
    [['--enable-leader-election=1'], true],
    [['--enable-leader-election=F'], false],
  ])('reads the boolean in %j', (argv, enabled) => {
    expect(configOf(argv).leaderElection.enabled).toBe(enabled);
  });

  it('has the defaults of the contract', () => {
    expect(configOf()).toMatchObject({
      auth: { method: 'token' },
      syncPeriodMs: 120_000,
      metricsAddress: { host: '', port: 8080 },
      healthAddress: { host: '', port: 8082 },
      maxConcurrentReconciles: 10,
      maxConcurrentKmsRequests: 20,
      shutdownGraceMs: 30_000,
      log: { level: 'info', format: 'json' },
      vault: { address: 'https://127.0.0.1:8200', timeoutMs: 60_000, maxRetries: 2, skipVerify: false },
    });
  });

  it('reports every fault at once, one line each', () => {
    const faults = faultsOf(
      [
        '--nope',
        '--sync-period-seconds=soon',
        '--metrics-addr=8080',
        'extra',
        '--watch-namespace=,',
        '--allowed-vault-paths=sys/*',
      ],
      { VAULT_SKIP_VERIFY: 'perhaps', VAULT_CLIENT_TIMEOUT: 'long', VAULT_RATE_LIMIT: '0' },
    );
    for (const name of [
      '--nope',
      '--sync-period-seconds',
      '--metrics-addr',
      '"extra"',
      '--watch-namespace',
      '--allowed-vault-paths',
      'VAULT_SKIP_VERIFY',
      'VAULT_CLIENT_TIMEOUT',
      'VAULT_RATE_LIMIT',
      'VAULT_TOKEN',
    ]) {
      expect(faults.filter((fault) => fault.includes(name))).toHaveLength(1);
    }
    expect(faults).toHaveLength(10);
  });

  it.each([
    [{ VAULT_CLIENT_TIMEOUT: '600h' }, 600 * 3_600_000],
    [{ VAULT_CLIENT_TIMEOUT: '31536000' }, 365 * 24 * 3_600_000],
  ])('takes a long VAULT_CLIENT_TIMEOUT: %j', (env, timeoutMs) => {
    expect(configOf([], { ...ENV, ...env }).vault.timeoutMs).toBe(timeoutMs);
  });

  it.each([
    ['VAULT_CLIENT_TIMEOUT', '8761h'],
    ['VAULT_CLIENT_TIMEOUT', '9'.repeat(400)],
    ['VAULT_MAX_RETRIES', '1001'],
    ['VAULT_RATE_LIMIT', '0.0001:1'],
    ['VAULT_RATE_LIMIT', '1:9999999'],
    ['VAULT_RATE_LIMIT', '9'.repeat(400)],
  ])('refuses a %s that cannot be meant: %.10s', (name, value) => {
    expect(faultsOf([], { ...ENV, [name]: value })).toEqual([
      expect.stringMatching(new RegExp(`^kms-vault-operator: ${name} must be .*[0-9]`)) as unknown,
    ]);
  });

  it.each([
    ['sync-period-seconds', 7 * 24 * 3_600],
    ['shutdown-grace-seconds', 3_600],
    ['max-concurrent-reconciles', 10_000],
    ['max-concurrent-kms-requests', 10_000],
  ])('limits --%s to %d', (flag, limit) => {
    expect(parse([`--${flag}=${String(limit)}`]).action).toBe('run');
    expect(faultsOf([`--${flag}=${String(limit + 1)}`])).toEqual([
      expect.stringContaining(`--${flag} must be a whole number from`) as unknown,
    ]);
  });

  it('never quotes the value of a variable', () => {
    const faults = faultsOf(['--vault-authentication-method=userpass'], {
      VAULT_USERNAME: 'canary/with/slashes',
      VAULT_PASSWORD: 'canary',
      VAULT_HEADERS: 'canary',
      VAULT_ADDR: 'canary',
    });
    expect(faults.length).toBe(3);
    expect(faults.join('')).not.toContain('canary');
  });

  it('prints every flag with its default on --help, and the build on --version', () => {
    const help = parse(['-h'], {});
    if (help.action !== 'print') throw new Error('expected help');
    expect(help.exitCode).toBe(0);
    for (const { name, default: value } of operatorFlags(AUTH_METHODS)) {
      expect(help.text).toContain(`--${name}\n`);
      if (value !== undefined) expect(help.text).toContain(`(default ${JSON.stringify(value)})`);
    }
    expect(parse(['--version'], {})).toMatchObject({
      exitCode: 0,
      text: expect.stringContaining('1.2.3 (commit abc, Node v'),
    });
  });

  it('reads the variables of the official Vault client', () => {
    const { vault } = configOf([], {
      ...ENV,
      VAULT_ADDR: 'https://vault:8200/',
      VAULT_AGENT_ADDR: 'http://127.0.0.1:8100',
      VAULT_CLIENT_TIMEOUT: '90',
      VAULT_MAX_RETRIES: '0',
      VAULT_SKIP_VERIFY: 't',
      VAULT_NAMESPACE: 'team',
      VAULT_RATE_LIMIT: '10:20',
      VAULT_HEADERS: '{"X-Team":"web"}',
      VAULT_DISABLE_REDIRECTS: '1',
      VAULT_HTTP_PROXY: 'http://ignored:1',
      VAULT_PROXY_ADDR: 'http://proxy:3128',
    });
    expect(vault).toMatchObject({
      address: 'http://127.0.0.1:8100',
      timeoutMs: 90_000,
      maxRetries: 0,
      skipVerify: true,
      namespace: 'team',
      rateLimit: { perSecond: 10, burst: 20 },
      headers: { 'X-Team': 'web' },
      disableRedirects: true,
      proxy: 'http://proxy:3128/',
    });
    expect(faultsOf([], { ...ENV, VAULT_SRV_LOOKUP: 'true' })[0]).toContain(
      'VAULT_SRV_LOOKUP is not supported',
    );
  });

  it('reads the region under both names, and what only Go read', () => {
    expect(configOf([], { ...ENV, AWS_DEFAULT_REGION: 'eu-west-1' }).aws.region).toBe('eu-west-1');
    expect(
      configOf([], { ...ENV, AWS_REGION: 'us-east-2', AWS_DEFAULT_REGION: 'eu-west-1' }).aws.region,
    ).toBe('us-east-2');
    const legacy = { accessKeyId: 'id', secretAccessKey: 'key' };
    expect(
      configOf([], { ...ENV, AWS_ACCESS_KEY: 'id', AWS_SECRET_KEY: 'key' }).aws.staticCredentials,
    ).toEqual(legacy);
  });

  it('says once that WATCH_NAMESPACE is not honoured', () => {
    expect(configOf([], { ...ENV, WATCH_NAMESPACE: 'x' }).warnings).toHaveLength(1);
    expect(configOf(['--watch-namespace=x'], { ...ENV, WATCH_NAMESPACE: 'x' }).warnings).toEqual([]);
  });

  it('gives a configuration that cannot be changed', () => {
    const config = configOf([], { ...ENV, VAULT_HEADERS: '{"X-A":"b"}' });
    expect(() => {
      (config.vault.headers as Record<string, string>)['X-A'] = 'c';
    }).toThrow(TypeError);
  });
});
