import type { VaultToken } from './authenticator.js';

/** At least this long between two attempts to renew a token. */
const MIN_PAUSE_MS = 1_000;
const DAY_MS = 24 * 60 * 60_000;

/** A token in use. Times are monotonic milliseconds. */
export interface Session extends VaultToken {
  readonly loggedInMs: number;
  /** Of the login or the last renewal. */
  readonly sinceMs: number;
  /** Undefined: never. */
  readonly endsAtMs: number | undefined;
}

/** The session of a token that was obtained or looked up now. */
export function sessionOf(token: VaultToken, nowMs: number): Session {
  const { ttlSeconds } = token;
  return {
    ...token,
    loggedInMs: nowMs,
    sinceMs: nowMs,
    endsAtMs: ttlSeconds === 0 ? undefined : nowMs + ttlSeconds * 1_000,
  };
}

export function isOver({ endsAtMs }: Session, nowMs: number): boolean {
  return endsAtMs !== undefined && nowMs >= endsAtMs;
}

/** When the end of a token is near: in its last tenth, but at most one day before the end. */
export function endIsNearFromMs({ sinceMs, endsAtMs }: Session): number {
  if (endsAtMs === undefined) return Infinity;
  return endsAtMs - Math.min(DAY_MS, (endsAtMs - sinceMs) / 10);
}

/** When a token is renewed or replaced, in monotonic milliseconds. */
export const renewalSchedule = {
  /** At about two thirds of its life, a little earlier or later, so that replicas do not renew together. */
  firstMs({ sinceMs, endsAtMs }: Session, random: () => number): number {
    if (endsAtMs === undefined) return Infinity;
    return sinceMs + Math.max(MIN_PAUSE_MS, (endsAtMs - sinceMs) * (0.62 + 0.08 * random()));
  },

  /** When there is something to do: a login without a session; undefined for a token that never expires. */
  dueAtMs(session: Session | undefined, renewAtMs: number, loginFromMs: number): number | undefined {
    if (session === undefined) return loginFromMs;
    const { endsAtMs } = session;
    return endsAtMs === undefined ? undefined : Math.min(renewAtMs, Math.max(endsAtMs, loginFromMs));
  },

  /** Again after a quarter of what is left, and when the end comes near. */
  nextMs(session: Session, nowMs: number): number {
    const leftMs = (session.endsAtMs ?? Infinity) - nowMs;
    const againMs = nowMs + Math.max(MIN_PAUSE_MS, leftMs / 4);
    const nearMs = endIsNearFromMs(session);
    return nowMs < nearMs ? Math.min(againMs, Math.max(nearMs, nowMs + MIN_PAUSE_MS)) : againMs;
  },

  /** The session with its new life; near the maximum life of a token renewals grow short. */
  renewed(
    session: Session,
    ttlSeconds: number,
    nowMs: number,
  ): { readonly session: Session; readonly isLongEnough: boolean } {
    const lifeMs = (session.endsAtMs ?? Infinity) - session.sinceMs;
    const endsAtMs = ttlSeconds === 0 ? undefined : nowMs + ttlSeconds * 1_000;
    const isLongEnough = ttlSeconds === 0 || ttlSeconds * 1_000 > lifeMs / 2;
    // A short renewal only prolongs the life that is ending, which began with the last full one.
    const sinceMs = isLongEnough ? nowMs : session.sinceMs;
    return { session: { ...session, sinceMs, endsAtMs }, isLongEnough };
  },
};
