/**
 * The longest `Retry-After` that is honoured, in milliseconds, by place. A peer that names a day but is back in a second
 * must not be ignored for a day.
 */
export const NAMED_WAIT_LIMITS_MS = {
  /** Between two attempts of one request to Vault: it occupies a worker, so longer waits are left to the work queue. */
  vaultAttempt: 5_000,
  /** Before the next login: nothing is synced without one, and one login a minute costs nothing. */
  vaultLogin: 60_000,
  /** Before a resource is processed again: as long as its own longest backoff. */
  resource: 60_000,
  /** Before a list or watch: edits are not seen meanwhile. */
  watch: 60_000,
  /** Before an event is sent again: others wait behind it. */
  event: 60_000,
  /** Before a standby looks at the lease again: below the lease's duration, so that a takeover is not late. */
  lease: 10_000,
} as const;

/**
 * The longest time, in milliseconds, that one request to Vault may take with its retries, whatever
 * `VAULT_CLIENT_TIMEOUT` says: a request that is never answered must not block the next one.
 */
export const VAULT_REQUEST_LIMITS_MS = {
  /** Logins and requests about the token: everything waits for them. The official client's default. */
  session: 60_000,
  /** Requests for secrets: each holds a worker. */
  secret: 10 * 60_000,
} as const;

/** The wait that a peer asked for, cut to the limit of the place; 0 if it asked for none. */
export function namedWaitMs(askedMs: number | undefined, place: keyof typeof NAMED_WAIT_LIMITS_MS): number {
  return Math.min(askedMs ?? 0, NAMED_WAIT_LIMITS_MS[place]);
}
