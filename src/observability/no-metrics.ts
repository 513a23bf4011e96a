/** For a program that nobody scrapes: takes what the services count, and drops it. */
export class NoMetrics {
  readonly kmsRequests = NOTHING;
  readonly kmsRequestDuration = NOTHING;
  readonly kmsRequestsAvoided = NOTHING;
  readonly kmsThrottled = NOTHING;
  readonly contextViolations = NOTHING;
  readonly vaultRequests = NOTHING;
  readonly vaultRequestDuration = NOTHING;
  readonly vaultWrites = NOTHING;
  readonly driftRepairs = NOTHING;
}

const NOTHING = {
  inc: (): void => undefined,
  startTimer: () => (): number => 0,
};
