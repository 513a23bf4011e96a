import { Registry } from 'prom-client';

import type { VaultConfig } from '../../../src/config/config.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import type { Lifecycle } from '../../../src/runtime/lifecycle.js';
import { openGate, type WriteGate } from '../../../src/runtime/write-gate.js';
import { VaultClient } from '../../../src/vault/vault-client.js';
import type { VaultRequest, VaultResponse } from '../../../src/vault/vault-request.js';
import type { RawRequest, RawResponse } from '../../../src/vault/vault-transport.js';
import { FakeClock, settled } from '../../support/fake-clock.js';

const CONFIG: VaultConfig = {
  address: 'https://vault.example:8200',
  timeoutMs: 60_000,
  maxRetries: 2,
  skipVerify: false,
  headers: {},
  disableRedirects: false,
};
export const READ: VaultRequest = { method: 'GET', path: 'kv/app', operation: 'read', token: 'tok' };
export const WRITE: VaultRequest = {
  ...READ,
  method: 'POST',
  operation: 'write',
  body: '{}',
  mutates: true,
};

type Step = Partial<RawResponse> | Error | 'hang';

interface ClientOptions {
  readonly config?: Partial<VaultConfig>;
  readonly gate?: WriteGate;
  readonly lifecycle?: Lifecycle;
}

/** A failure of a socket; its text must not get into any message. */
export const coded = (code: string): Error => Object.assign(new Error('s3cret'), { code });

/** A Vault client over a transport that answers by a script, on a clock that the test moves. */
export class ClientFixture {
  readonly clock = new FakeClock();
  /** What went out. */
  sent: RawRequest[] = [];
  private registry = new Registry();

  /** @param steps the answers in their order; the last one repeats. */
  client(steps: readonly Step[], options: ClientOptions = {}): VaultClient {
    this.registry = new Registry();
    let calls = 0;
    const send = async (request: RawRequest): Promise<RawResponse> => {
      this.sent.push(request);
      calls += 1;
      const step = steps[Math.min(calls, steps.length) - 1];
      if (step instanceof Error) throw step;
      if (step === 'hang') {
        return await new Promise((_resolve, reject) => {
          request.signal.addEventListener('abort', () => {
            reject(Object.assign(new Error('canceled'), { code: 'ERR_CANCELED' }));
          });
        });
      }
      return { status: 200, headers: {}, text: '{}', ...step };
    };
    return new VaultClient(
      { ...CONFIG, ...options.config },
      { send },
      options.gate ?? openGate,
      this.clock,
      new OperatorMetrics(this.registry),
      options.lifecycle,
    );
  }

  /** Lets time pass until the request has an outcome. */
  async outcome(request: Promise<VaultResponse>): Promise<VaultResponse | Error> {
    let result: VaultResponse | Error | undefined;
    request.then(
      (answer) => (result = answer),
      (error: Error) => (result = error),
    );
    await settled();
    for (let waited = 0; result === undefined && waited < 200; waited += 1) await this.clock.advance(1_000);
    if (result === undefined) throw new Error('no outcome');
    return result;
  }

  /** Requests of the last client by operation and code, as the metric has them. */
  async counted(): Promise<Record<string, number>> {
    const metric = await this.registry.getSingleMetric('kms_vault_operator_vault_requests_total')?.get();
    return Object.fromEntries(
      (metric?.values ?? []).map(({ labels, value }) => [
        `${String(labels.operation)} ${String(labels.code)}`,
        value,
      ]),
    );
  }
}
