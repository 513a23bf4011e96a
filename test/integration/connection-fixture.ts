import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import type { LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import type { AwsConfig, NetworkConfig } from '../../src/config/config.js';
import { AwsKmsApi } from '../../src/kms/kms-client.js';
import { KmsConnection } from '../../src/kms/kms-connection.js';
import { ApiConnection } from '../../src/kube/api-connection.js';
import { KubeClient } from '../../src/kube/kube-client.js';
import type { KubeConfig } from '../../src/kube/kubeconfig.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import type { ConnectionLimits } from '../../src/runtime/connector.js';
import { systemClock } from '../../src/runtime/clock.js';
import { proxyFor } from '../../src/runtime/proxy.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { seal } from '../servers/kms/ciphertext.js';
import { DEMO_ACCESS_KEY, DEMO_KEY_ID, DEMO_KEY_MATERIAL, DEMO_REGION } from '../servers/kms/demo-key.js';
import { TestAuthority } from '../servers/shared/certificates.js';
import { LoopbackServer } from '../servers/shared/loopback-server.js';
import { closeAll, closing } from '../support/closing.js';
import { silentLogger } from '../support/loggers.js';
import { VaultFixture, type FixtureOptions } from './vault-fixture.js';
import { plainKubeConfig } from './watch-recording.js';

/** A request to the K/V v1 mount `kv`. */
export const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
export const CIPHERTEXT = seal(DEMO_KEY_ID, DEMO_KEY_MATERIAL, Buffer.from('value'), {});
/** Every name is this machine. */
export const lookup: LookupFunction = (_host, _options, callback) => {
  callback(null, [{ address: '127.0.0.1', family: 4 }]);
};

/** Whom the servers are trusted by, and where files lie; there while tests run. */
export let authority: TestAuthority;
export let folder: string;

export function vaultFixture(address: string, options: FixtureOptions = {}): VaultFixture {
  const config = { caCertBytes: authority.cert, maxRetries: 0, timeoutMs: 20_000, ...options.config };
  return closing(new VaultFixture(address, { values: { VAULT_TOKEN: 'none' }, ...options, config }));
}

interface KmsOptions {
  readonly aws: Partial<AwsConfig>;
  readonly network?: Partial<NetworkConfig>;
  readonly limits?: ConnectionLimits;
  readonly maxSockets?: number;
  readonly silentMs?: number;
  readonly registry?: Registry;
}

export function kmsApi(options: KmsOptions): AwsKmsApi {
  const { aws, network = {}, limits = {}, maxSockets = 8, registry = new Registry(), silentMs } = options;
  const api = new AwsKmsApi(
    new KmsConnection(
      { region: DEMO_REGION, staticCredentials: DEMO_ACCESS_KEY, ...aws },
      new AgentFactory({ sslCertDirs: [], ...network }, silentLogger, limits),
      maxSockets,
      new OperatorMetrics(registry),
      silentMs,
    ),
  );
  return closing(api);
}

export function kubeClient(
  kubeConfig: KubeConfig,
  network: Partial<NetworkConfig> = {},
  limits = {},
): KubeClient {
  const connection = new ApiConnection(
    kubeConfig,
    { proxyFor: (url) => proxyFor(url, { sslCertDirs: [], ...network }) },
    undefined,
    limits,
  );
  closing(connection);
  return new KubeClient(connection, openGate, systemClock);
}

export function kubeConfigOf(server: string, ca: string): KubeConfig {
  const kubeConfig = plainKubeConfig(server);
  const cluster = {
    name: 'loopback',
    server,
    skipTLSVerify: false,
    caData: Buffer.from(ca).toString('base64'),
  };
  kubeConfig.clusters.splice(0, 1, cluster);
  return kubeConfig;
}

export async function apiServer(tls?: Parameters<typeof LoopbackServer.start>[1]): Promise<LoopbackServer> {
  return closing(
    await LoopbackServer.start((_seen, _request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    }, tls),
  );
}

/** To be called once in a file of tests. */
export function useConnections(): void {
  beforeAll(async () => {
    authority = await TestAuthority.create('root');
    folder = mkdtempSync(join(tmpdir(), 'connections-'));
  });

  afterEach(closeAll);

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
}
