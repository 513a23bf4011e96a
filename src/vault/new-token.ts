import { createHmac, randomBytes } from 'node:crypto';

import type { Clock } from '../runtime/clock.js';
import type { VaultToken } from './authenticator.js';
import { namesUnknownToken, saysTokenIsInvalid } from './vault-answers.js';
import { VaultError } from './vault-error.js';
import type { VaultOperation, VaultResponse } from './vault-request.js';

/** Nodes behind one address answer in turns: within this time a node that knows the token answers. */
const DOUBT_MS = 5_000;
/**
 * How long a permission of a given token may be missing only because a group or policy is not replicated yet. A longer
 * time would delay every first write to a path that the token may write but not read.
 */
const GIVEN_PATIENCE_MS = 5_000;
/** Requests may be in flight with the token that was replaced last. */
const REMEMBERED = 2;

interface TokenRecord {
  /** When this process first had the token, in monotonic milliseconds. */
  readonly sinceMs: number;
  /** Whether a login of this process created it. */
  readonly ours: boolean;
  issued: string | undefined;
  /** A node has accepted it. */
  isKnown: boolean;
  /** Since when every node that was asked has refused it, in monotonic milliseconds. */
  doubtedMs?: number | undefined;
}

/**
 * Decides what a 403 means for a token that this process got only a moment ago. The active node writes a token, and
 * other nodes know it once it has been replicated (Vault documentation, "Vault eventual consistency"): until then
 * they refuse it like a token that never existed. Behind a load balancer one node may know it and the next one may
 * not. A token that somebody else created may be as new as one of ours.
 *
 * What is known about a token is kept by its value, because renewals and look-ups replace the session. A Vault Agent
 * or Proxy that adds its own token may replace it without notice: there the time of issue distinguishes tokens.
 */
export class NewTokens {
  /** By digest: nothing here keeps a token in memory that has been replaced. */
  private readonly records = new Map<string, TokenRecord>();
  private readonly digestKey = randomBytes(32);

  constructor(
    private readonly clock: Clock,
    /** For how long a refused token may merely be unknown to a node. */
    private readonly patienceMs: () => number,
  ) {}

  /** A login or a look-up gave this token; it is new unless it is the previous one. */
  found({ token, issued, ours }: Pick<VaultToken, 'token' | 'issued' | 'ours'>): void {
    const digest = this.digestOf(token);
    const before = this.records.get(digest);
    if (before !== undefined) {
      before.issued ??= issued;
      if (issued === undefined || issued === before.issued) return;
    }
    // Somebody else's token was looked up: a node knows it.
    this.records.set(digest, { sinceMs: this.clock.monotonicMs(), ours, issued, isKnown: !ours });
    const [oldest] = this.records.keys();
    if (this.records.size > REMEMBERED && oldest !== undefined) this.records.delete(oldest);
  }

  /** A node has accepted the token. */
  accepted({ token }: Pick<VaultToken, 'token'>): void {
    const standing = this.recordOf(token);
    if (standing === undefined) return;
    standing.isKnown = true;
    standing.doubtedMs = undefined;
  }

  /** Whether this 403 may pass because the token is new. */
  isNew({ token }: Pick<VaultToken, 'token'>, { text }: VaultResponse): boolean {
    const standing = this.recordOf(token);
    if (standing === undefined) return false;
    const patienceMs = standing.ours || saysTokenIsInvalid(text) ? this.patienceMs() : GIVEN_PATIENCE_MS;
    return this.clock.monotonicMs() - standing.sinceMs < patienceMs;
  }

  /**
   * Whether a 403 can be interpreted without a look-up: no node has accepted the token yet, or Vault says that the
   * token is not the problem.
   */
  needsNoLookUp({ token }: Pick<VaultToken, 'token'>, { text }: VaultResponse): boolean {
    return !(this.recordOf(token)?.isKnown === true && saysTokenIsInvalid(text));
  }

  /**
   * Whether a new token may be valid although the look-up says that it is not: the node that was asked may lag
   * behind.
   */
  mayBeUnreplicated({ token }: Pick<VaultToken, 'token'>): boolean {
    const standing = this.recordOf(token);
    if (standing === undefined) return false;
    const nowMs = this.clock.monotonicMs();
    standing.doubtedMs ??= nowMs;
    return nowMs - standing.doubtedMs < DOUBT_MS;
  }

  private recordOf(token: string): TokenRecord | undefined {
    return this.records.get(this.digestOf(token));
  }

  private digestOf(token: string): string {
    return createHmac('sha256', this.digestKey).update(token).digest('base64');
  }
}

/**
 * The error for a 403 to a new token, which may pass: the missing permission may come from a group or policy that the
 * node does not know yet.
 *
 * @param lives the look-up says that the token is valid; then the bare `permission denied` is about a permission.
 * @throws VaultError `unavailable` for a token that the node does not know, which counts as no answer.
 */
export function notKnownYet(answer: VaultResponse, operation: VaultOperation, lives = false): VaultResponse {
  const isUnknown = lives ? namesUnknownToken(answer.text) : saysTokenIsInvalid(answer.text);
  if (!isUnknown) return { ...answer, mayPass: true };
  throw new VaultError(
    'unavailable',
    'this Vault node does not know the new token yet (HTTP 403): replication is behind; will retry',
    { status: 403, operation },
  );
}
