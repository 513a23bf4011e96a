import { SingleFlight } from '../runtime/single-flight.js';
import { type NewTokens, notKnownYet } from './new-token.js';
import type { Session } from './session-life.js';
import type { TokenApi } from './token-api.js';
import { saysTokenIsInvalid } from './vault-answers.js';
import type { VaultOperation, VaultResponse } from './vault-request.js';

/** A request that got a 403, and the session that it was sent with. */
export interface Denial {
  readonly session: Session;
  readonly answer: VaultResponse;
  readonly operation: VaultOperation;
}

/** Decides what a 403 means. */
export class DeniedRequests {
  /** Look-ups, by token. */
  private readonly checks = new SingleFlight<Awaited<ReturnType<TokenApi['lookUp']>>>();

  constructor(
    private readonly tokens: TokenApi,
    private readonly newTokens: NewTokens,
    private readonly ended: AbortSignal,
  ) {}

  /**
   * @param isCurrent whether the session still has this token: another request may have replaced it while this one was
   * in flight.
   * @returns the answer; `replaced` when there is another token, `dead` when the token is invalid.
   * @throws VaultError `unavailable` when the token is not known yet, or there is no answer.
   */
  async judge(
    { session, answer, operation }: Denial,
    isCurrent: () => boolean,
  ): Promise<VaultResponse | 'replaced' | 'dead'> {
    const { newTokens } = this;
    const isNew = newTokens.isNew(session, answer);
    if (isNew && newTokens.needsNoLookUp(session, answer)) return notKnownYet(answer, operation);
    if (!isCurrent()) return 'replaced';
    if (!(await this.isDead(session, answer.text))) {
      newTokens.accepted(session);
      // The look-up may have found another token.
      return newTokens.isNew(session, answer) ? notKnownYet(answer, operation, true) : answer;
    }
    return isNew && newTokens.mayBeUnreplicated(session) ? notKnownYet(answer, operation) : 'dead';
  }

  /** The answer to the request that is sent once more. */
  second({ session, answer, operation }: Denial): VaultResponse {
    const isDenied = answer.status === 403 && this.newTokens.isNew(session, answer);
    return isDenied ? notKnownYet(answer, operation) : answer;
  }

  /** Distinguishes an invalid token from a missing permission; one look-up for all callers. */
  private async isDead(session: Session, answer: string): Promise<boolean> {
    // Without the permission for a look-up, only the text of the 403 tells.
    if (!session.mayLookUp) return saysTokenIsInvalid(answer);
    const { token, ours } = session;
    const seen = await this.checks.run(token, () => this.tokens.lookUp(token, this.ended));
    if (typeof seen === 'object' && !ours) this.newTokens.found({ token, ours, ...seen });
    return seen === 'dead';
  }
}
