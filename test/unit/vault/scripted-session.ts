import { Registry } from 'prom-client';

import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import type { VaultToken } from '../../../src/vault/authenticator.js';
import type { VaultRequest, VaultResponse } from '../../../src/vault/vault-request.js';
import { VaultSession } from '../../../src/vault/vault-session.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { RecordingLogger } from '../../support/loggers.js';

export const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
export const MINUTE = 60_000;
export const NO_PERMISSION = JSON.stringify({
  errors: ['1 error occurred:\n\t* permission denied\n\n'],
});
/** How nodes of Vault say that they do not know a token. */
export const UNKNOWN = [
  ['permission denied'],
  ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'],
  ['bad token'],
];

/** A Vault, and an auth method of it, that behave as a test says. */
export class Scripted {
  logins = 0;
  inFlight = 0;
  /** Answers come after it. */
  hold: Promise<void> | undefined;
  readonly seen: VaultRequest[] = [];
  login: () => VaultToken = () => this.token({});
  answer: (request: VaultRequest) => VaultResponse = () => ({ status: 200, text: '{}' });
  renewal: () => VaultResponse = () => ({ status: 200, text: '{"auth":{"lease_duration":600}}' });

  token(of: Partial<VaultToken>): VaultToken {
    const token = `t${String(this.logins)}`;
    return { token, ttlSeconds: 600, renewable: true, ours: true, mayLookUp: true, ...of };
  }

  readonly authenticator = {
    login: () =>
      this.during(() => {
        this.logins += 1;
        return this.login();
      }),
  };

  request(request: VaultRequest): Promise<VaultResponse> {
    this.seen.push(request);
    return this.during(() => (request.operation === 'token_renew' ? this.renewal() : this.answer(request)));
  }

  private async during<T>(act: () => T): Promise<T> {
    this.inFlight += 1;
    await this.hold;
    this.inFlight -= 1;
    return act();
  }
}

/** A session with a scripted Vault, on a clock that the test moves. */
export class ScriptedSession {
  readonly vault = new Scripted();
  readonly logger = new RecordingLogger();
  readonly clock: FakeClock;

  /** @param earlyMs how much too early timers fire. */
  constructor(earlyMs?: number) {
    this.clock = new FakeClock(undefined, earlyMs);
  }

  async started(stopping?: AbortSignal): Promise<VaultSession> {
    const session = new VaultSession(
      this.vault,
      this.vault.authenticator,
      'approle',
      this.clock,
      this.logger,
      new OperatorMetrics(new Registry()),
      stopping,
      () => 0.5,
    );
    session.start();
    await settled();
    return session;
  }
}
