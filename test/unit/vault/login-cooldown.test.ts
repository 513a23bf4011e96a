import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';

import { REASONS } from '../../../src/api/reasons.js';
import { OperatorMetrics } from '../../../src/observability/operator-metrics.js';
import { LoginCooldown } from '../../../src/vault/login-cooldown.js';
import { VaultError, type VaultFailure } from '../../../src/vault/vault-error.js';
import { FakeClock } from '../../support/fake-clock.js';
import { RecordingLogger } from '../../support/loggers.js';

const MINUTE = 60_000;

/** All of them: the compiler asks for one that is missing. */
const FAILURES = Object.keys({
  unavailable: 0,
  forbidden: 0,
  'engine-mismatch': 0,
  'mount-gone': 0,
  rejected: 0,
} satisfies Record<VaultFailure, 0>) as VaultFailure[];

describe('LoginCooldown', () => {
  it.each(FAILURES)('after logins that failed with %s, rests as the reason of it says', async (failure) => {
    const metrics = new OperatorMetrics(new Registry());
    const deps = {
      method: 'userpass',
      locksOut: true,
      clock: new FakeClock(),
      logger: new RecordingLogger(),
    };
    const rest = new LoginCooldown({ ...deps, metrics, random: () => 0.999 });
    const error = new VaultError(failure, 'no');
    for (let attempt = 0; attempt < 6; attempt += 1) rest.failed(error);
    const { outage } = REASONS[error.reason];
    const restsMs = rest.untilMs - deps.clock.monotonicMs();
    // Only a refusal counts towards a lock-out, which 15 quiet minutes end.
    expect(restsMs > 15 * MINUTE).toBe(!outage);
    expect(restsMs <= MINUTE / 2).toBe(outage);
    const [counted] = (await metrics.vaultLogins.get()).values;
    expect(counted?.labels.result).toBe(outage ? 'error' : 'refused');
  });
});
