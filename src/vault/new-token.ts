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
  /** A node has taken it. */
  isKnown: boolean;
  /** Since when it has been refused by all who were asked, in monotonic milliseconds. */
  doubtedMs?: number | undefined;
}

/**
 * What a 403 to a token means that this process has had for a moment only. A token is written by the active node
 * and known elsewhere once that has been replicated (Vault documentation, "Vault eventual consistency"): until then it
 * is refused like one that never was. Behind a load balancer one node may know it and the next one not. A token that
 * somebody else created may be as new as one of ours.
 *
 * What is known of a token belongs to its value, whatever renewals and look-ups make of the session. A Vault Agent or
 * Proxy that adds its token replaces it unseen: there the time of issue tells one token from another.
 */
export class NewTokens {
  /** By digest: nothing here keeps a token in memory that has been replaced. */
  private readonly records = new Map<string, TokenRecord>();
  private readonly digestKey = randomBytes(32);

  constructor(
    private readonly clock: Clock,
    /** How long a refused token may only be unknown to a node. */
    private readonly patienceMs: () => number,
  ) {}

  /** A login, or a look-up, found this token; it is new when it is not the one that was there before. */
  found({ token, issued, ours }: Pick<VaultToken, 'token' | 'issued' | 'ours'>): void {
    const digest = this.digestOf(token);
    const before = this.records.get(digest);
    if (before !== undefined) {
      before.issued ??= issued;
      if (issued === undefined || issued === before.issued) return;
    }
    // A token of somebody else was looked up: a node knows it.
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
   * Whether a 403 can be judged without a look-up: no node has accepted the token yet, or Vault says that the
   * token is not what is wrong.
   */
  needsNoLookUp({ token }: Pick<VaultToken, 'token'>, { text }: VaultResponse): boolean {
    return !(this.recordOf(token)?.isKnown === true && saysTokenIsInvalid(text));
  }

  /** Whether a new token that the look-up calls dead may live: the node that was asked may be behind. */
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
 * A 403 to a new token, as what passes: a permission that is missing may be one of a group or policy that the
 * node does not know yet.
 *
 * @param lives the look-up says so; then the bare `permission denied` is about a permission.
 * @throws VaultError `unavailable` for a token that the node does not know: that is no answer at all.
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
