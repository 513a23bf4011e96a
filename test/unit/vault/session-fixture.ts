import { Registry } from 'prom-client';

import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import type { Lifecycle } from '../../../src/runtime/lifecycle.js';
import type { VaultAuthenticator, VaultToken } from '../../../src/vault/authenticator.js';
import { VaultError } from '../../../src/vault/vault-error.js';
import type { VaultRequest, VaultRequests, VaultResponse } from '../../../src/vault/vault-request.js';
import { VaultSession } from '../../../src/vault/vault-session.js';
import { FakeClock, settled } from '../../support/fake-clock.js';
import { RecordingLogger } from '../../support/loggers.js';

export const READ = { method: 'GET', path: 'kv/app', operation: 'read' } as const;
export const MINUTE = 60_000;
/** How nodes of Vault say that they do not know a token. */
export const UNKNOWN = [
  ['permission denied'],
  ['2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n'],
  ['bad token'],
] as const;
const DEAD = JSON.stringify({ errors: UNKNOWN[0] });
export const NO_PERMISSION = JSON.stringify({ errors: ['1 error occurred:\n\t* permission denied\n\n'] });
/** How a login fails: Vault refuses it, or cannot be reached. */
export const refused = new VaultError('rejected', 'Vault refused the login (HTTP 400)', {
  status: 400,
  operation: 'login',
});
export const down = new VaultError('unavailable', 'Vault cannot be reached (ECONNREFUSED)');

/** A Vault in memory that answers by token, or as a test says. */
export class FakeVault implements VaultRequests {
  readonly seen: VaultRequest[] = [];
  readonly dead = new Set<string>();
  /** Paths that no token may read. */
  readonly forbidden = new Set<string>();
  lookUpAllowed = true;
  isDown = false;
  /** Seconds that a renewal gives, a refusal, or the answer. */
  renewal: number | 'refused' | (() => VaultResponse) = 3600;
  /** Set: the answer to everything but renewals. */
  answer: ((request: VaultRequest) => VaultResponse) | undefined;
  /** Answers come after it. */
  hold: Promise<void> | undefined;
  inFlight = 0;

  async request(request: VaultRequest): Promise<VaultResponse> {
    this.seen.push(request);
    this.inFlight += 1;
    await this.hold;
    this.inFlight -= 1;
    return this.respond(request);
  }

  private respond(request: VaultRequest): VaultResponse {
    if (request.operation === 'token_renew' && typeof this.renewal === 'function') return this.renewal();
    if (request.operation !== 'token_renew' && this.answer !== undefined) return this.answer(request);
    if (this.isDown) throw new VaultError('unavailable', 'Vault answered HTTP 503: Vault is sealed');
    if (this.dead.has(request.token ?? '')) return { status: 403, text: DEAD };
    switch (request.operation) {
      case 'token_lookup':
        return this.lookUpAllowed
          ? { status: 200, text: '{"data":{"ttl":0,"expire_time":null,"renewable":false}}' }
          : { status: 403, text: NO_PERMISSION };
      case 'token_renew':
        return this.renewal === 'refused'
          ? { status: 400, text: '{"errors":["lease is not renewable"]}' }
          : renewed(Number(this.renewal));
      case 'token_revoke':
        this.dead.add(request.token ?? '');
        return { status: 204, text: '' };
      default:
        return this.forbidden.has(request.path)
          ? { status: 403, text: NO_PERMISSION }
          : { status: 200, text: '{}' };
    }
  }

  count(operation: VaultRequest['operation']): number {
    return this.seen.filter((request) => request.operation === operation).length;
  }
}

export const renewed = (seconds: number): VaultResponse => ({
  status: 200,
  text: `{"auth":{"lease_duration":${String(seconds)}}}`,
});

/** Hands out tokens t1, t2 … or fails. */
export class FakeAuthenticator implements VaultAuthenticator {
  logins = 0;
  failure: VaultError | undefined;
  /** What differs from the default; a function may throw the failure of the login. */
  token: Partial<VaultToken> | (() => Partial<VaultToken>) = {};
  inFlight = 0;

  constructor(readonly locksOut = false) {}

  async login(): Promise<VaultToken> {
    this.logins += 1;
    this.inFlight += 1;
    await Promise.resolve();
    this.inFlight -= 1;
    if (this.failure !== undefined) throw this.failure;
    return {
      token: `t${String(this.logins)}`,
      ttlSeconds: 3600,
      renewable: true,
      ours: true,
      mayLookUp: true,
      ...(typeof this.token === 'function' ? this.token() : this.token),
    };
  }
}

/** A session with a Vault and an auth method in memory, on a clock that the test moves. */
export class SessionFixture {
  readonly clock: FakeClock;
  readonly vault = new FakeVault();
  readonly registry = new Registry();
  readonly logger = new RecordingLogger();

  /** @param earlyMs how much too early timers fire. */
  constructor(
    readonly authenticator = new FakeAuthenticator(),
    earlyMs?: number,
  ) {
    this.clock = new FakeClock(undefined, earlyMs);
  }

  session(random = 0.5, lifecycle?: Lifecycle): VaultSession {
    return new VaultSession(
      this.vault,
      this.authenticator,
      'approle',
      this.clock,
      this.logger,
      new OperatorMetrics(this.registry),
      lifecycle,
      () => random,
    );
  }

  async started(random?: number, lifecycle?: Lifecycle): Promise<VaultSession> {
    const session = this.session(random, lifecycle);
    session.start();
    await settled();
    return session;
  }

  /** Its token is no longer new: a 403 right after a login may come from a node that does not know it yet. */
  async startedAMinuteAgo(): Promise<VaultSession> {
    const session = await this.started();
    await this.clock.advance(MINUTE);
    return session;
  }

  async gauge(name = 'vault_token_expiry_timestamp_seconds'): Promise<number | undefined> {
    const metric = this.registry.getSingleMetric(`kms_vault_operator_${name}`);
    return (await metric?.get())?.values[0]?.value;
  }

  /** Logins by method and result, as the metric has them. */
  async logins(): Promise<Record<string, number>> {
    const metric = await this.registry.getSingleMetric('kms_vault_operator_vault_logins_total')?.get();
    return Object.fromEntries(
      (metric?.values ?? []).map(({ labels, value }) => [
        `${String(labels.method)} ${String(labels.result)}`,
        value,
      ]),
    );
  }
}
