import { Registry } from 'prom-client';
import { container as root } from 'tsyringe';

import { registerServices, registerValues } from '../../src/composition/registration.js';
import { registerVault } from '../../src/composition/vault.js';
import type { AwsConfig, NetworkConfig, VaultConfig } from '../../src/config/config.js';
import { OperatorMetrics } from '../../src/observability/operator-metrics.js';
import { AgentFactory } from '../../src/runtime/agents.js';
import type { ConnectionLimits } from '../../src/runtime/connector.js';
import { type Clock, systemClock } from '../../src/runtime/clock.js';
import type { Lifecycle } from '../../src/runtime/lifecycle.js';
import { openGate } from '../../src/runtime/write-gate.js';
import { TOKENS } from '../../src/tokens.js';
import { AUTH_METHODS } from '../../src/vault/authenticator-factory.js';
import type { VaultClient } from '../../src/vault/vault-client.js';
import type { VaultKvStore } from '../../src/vault/vault-kv-store.js';
import type { VaultSession } from '../../src/vault/vault-session.js';
import { type RawRequest, type RawResponse, VaultTransport } from '../../src/vault/vault-transport.js';
import { settled } from '../support/fake-clock.js';
import { RecordingLogger } from '../support/loggers.js';
import { eventually } from '../support/wait.js';

export interface FixtureOptions {
  readonly config?: Partial<VaultConfig>;
  readonly network?: NetworkConfig;
  readonly aws?: AwsConfig;
  readonly method?: string;
  /** Variables of the method; its defaults are filled in. */
  readonly values?: Readonly<Record<string, string>>;
  /** Files with values, by variable. */
  readonly files?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  /** Aborted when the operator stops. */
  readonly lifecycle?: Lifecycle;
  readonly limits?: ConnectionLimits;
  /** How long a kept connection may say nothing to a read, in milliseconds. */
  readonly silentMs?: number;
}

/** Behind {@link TOKENS.transport}, which counts requests here. */
const TRANSPORT = Symbol('VaultTransport');

/** The Vault side of the operator, from its own registrations, before any server. */
export class VaultFixture {
  readonly logger = new RecordingLogger();
  readonly registry = new Registry();
  readonly transport: VaultTransport;
  readonly client: VaultClient;
  readonly session: VaultSession;
  readonly store: VaultKvStore;
  private inFlight = 0;

  constructor(address: string, options: FixtureOptions) {
    const { method = 'token', clock = systemClock } = options;
    const config: VaultConfig = {
      address,
      timeoutMs: 5_000,
      maxRetries: 2,
      skipVerify: false,
      headers: {},
      disableRedirects: false,
      ...options.config,
    };
    const { lifecycle, network = { sslCertDirs: [] }, limits, silentMs } = options;
    const container = root.createChildContainer();
    registerVault(container, {
      vault: config,
      auth: {
        method,
        values: { ...defaultsOf(method), ...options.values },
        ...(options.files === undefined ? {} : { files: options.files }),
      },
      maxConcurrentReconciles: 10,
    });
    registerServices(container, [
      [TRANSPORT, VaultTransport],
      [TOKENS.agents, AgentFactory],
      [TOKENS.metrics, OperatorMetrics],
    ]);
    registerValues(container, [
      [TOKENS.transport, { send: async (request: RawRequest) => await this.counted(request) }],
      [TOKENS.registry, this.registry],
      [TOKENS.logger, this.logger],
      [TOKENS.gate, openGate],
      [TOKENS.clock, clock],
      [TOKENS.aws, options.aws ?? {}],
      [TOKENS.network, network],
      [TOKENS.connectionLimits, limits],
      [TOKENS.silentMs, silentMs],
      [TOKENS.lifecycle, lifecycle],
    ]);
    this.transport = container.resolve(TRANSPORT);
    this.client = container.resolve(TOKENS.vaultClient);
    this.session = container.resolve(TOKENS.vaultSession);
    this.store = container.resolve(TOKENS.kvStore);
  }

  /**
   * No request is on its way and none follows from the last: for a clock that is moved by hand, which must not
   * run into the time limits of requests on real sockets.
   */
  async quiet(): Promise<void> {
    await settled();
    while (this.inFlight > 0) {
      await eventually('the answers', () => this.inFlight === 0, 20_000, 1);
      await settled();
    }
  }

  private async counted(request: RawRequest): Promise<RawResponse> {
    this.inFlight += 1;
    try {
      return await this.transport.send(request);
    } finally {
      this.inFlight -= 1;
    }
  }

  async close(): Promise<void> {
    await this.session.stop(AbortSignal.timeout(1_000));
    this.transport.close();
  }
}

function defaultsOf(method: string): Record<string, string> {
  const variables = AUTH_METHODS.find(({ name }) => name === method)?.variables ?? [];
  return Object.fromEntries(
    variables.flatMap((spec) => (spec.default === undefined ? [] : [[spec.name, spec.default]])),
  );
}

/** What went wrong, or the value turned into a failure of the test. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('expected a failure');
}
