import type { Clock } from '../runtime/clock.js';
import type { Session } from './session-life.js';
import { namesUnknownToken, tellsOfDeadToken } from './vault-answers.js';
import { VaultError } from './vault-error.js';
import type { VaultOperation, VaultResponse } from './vault-request.js';

/** Nodes behind one address answer in turns: within so much time one that knows the token has its turn. */
const DOUBT_MS = 5_000;

/**
 * What a 403 to a token that was obtained a moment ago means. A token is written by the active node and known
 * elsewhere once that has been replicated (Vault documentation, "Vault eventual consistency"): until then it
 * is refused like one that never was. Behind a load balancer one node may know it and the next one not.
 */
export class NewTokens {
  /** Whose token a node has taken. */
  private readonly known = new WeakSet<Session>();
  /** Since when each such token has been refused by all who were asked, in monotonic milliseconds. */
  private readonly doubtedMs = new WeakMap<Session, number>();

  constructor(
    private readonly clock: Clock,
    /** For how long after a login a token that is refused may only be not known yet. */
    private readonly patienceMs: () => number,
  ) {}

  /** A node knows the token. */
  taken(session: Session): void {
    this.known.add(session);
    this.doubtedMs.delete(session);
  }

  isNew(session: Session): boolean {
    return session.ours && this.clock.monotonicMs() - session.loggedInMs < this.patienceMs();
  }

  /**
   * Whether a 403 can be judged without a look-up: no node has taken the token yet, or Vault says that the
   * token is not what is wrong.
   */
  isPlain(session: Session, { text }: VaultResponse): boolean {
    return !(this.known.has(session) && tellsOfDeadToken(text));
  }

  /** Whether a new token that the look-up calls dead may live: the node that was asked may be behind. */
  mayLive(session: Session): boolean {
    const nowMs = this.clock.monotonicMs();
    const sinceMs = this.doubtedMs.get(session) ?? nowMs;
    this.doubtedMs.set(session, sinceMs);
    return nowMs - sinceMs < DOUBT_MS;
  }
}

/**
 * A 403 to a new token, as what passes: a permission that is missing may be one of a group or policy that the
 * node does not know yet.
 *
 * @param lives the look-up says so; then the bare `permission denied` is about a permission.
 * @throws VaultError `unavailable` for a token that the node does not know: that is no answer at all.
 */
export function notKnownYet(answer: VaultResponse, operation: VaultOperation, lives = false): VaultResponse {
  const isUnknown = lives ? namesUnknownToken(answer.text) : tellsOfDeadToken(answer.text);
  if (!isUnknown) return { ...answer, mayPass: true };
  throw new VaultError(
    'unavailable',
    'Vault does not know the token of the last login yet (HTTP 403); this passes when it has been replicated',
    { status: 403, operation },
  );
}
