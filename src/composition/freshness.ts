import type { OperatorConfig } from '../config/config.js';
import { StallDetector } from '../runtime/stall-detector.js';
import { bothGates } from '../runtime/write-gate.js';
import { Freshness } from '../watch/freshness.js';
import { DEFAULT_WATCH_LIMITS } from '../watch/watch-limits.js';
import type { Register } from './register.js';
import { TOKENS } from './tokens.js';

/** What keeps the operator from writing to Vault out of an old cache. */
export function registerFreshness(register: Register, config: OperatorConfig): void {
  register(
    TOKENS.freshness,
    (c) =>
      new Freshness({
        clock: c.resolve(TOKENS.clock),
        logger: c.resolve(TOKENS.logger),
        metrics: c.resolve(TOKENS.metrics),
        namespaces: config.watchNamespaces,
        limitMs: DEFAULT_WATCH_LIMITS.inactivityMs,
      }),
  );
  register(TOKENS.stalls, (c) => {
    const freshness = c.resolve(TOKENS.freshness);
    const stalls = new StallDetector({
      clock: c.resolve(TOKENS.clock),
      onStall: (stalledMs) => {
        const facts = { seconds: Math.round(stalledMs / 1_000) };
        c.resolve(TOKENS.logger).warn('the process did not run for a while; listing again', facts);
        freshness.demand();
      },
      onBeat: () => {
        freshness.beat();
      },
    });
    freshness.checkStall = () => {
      stalls.check();
    };
    return stalls;
  });
  register(TOKENS.vaultGate, (c) => bothGates(c.resolve(TOKENS.gate), c.resolve(TOKENS.freshness)));
}
