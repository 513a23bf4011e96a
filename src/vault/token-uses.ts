import type { Logger } from '../observability/logger.js';
import type { TokenApi } from './token-api.js';

/** Counts who uses which token, so that one that was replaced can be revoked when no request uses it any more. */
export class TokenUses {
  private readonly counts = new Map<string, number>();
  private readonly retired = new Set<string>();

  /** @param ended at shutdown, which revokes what is left. */
  constructor(
    private readonly tokens: Pick<TokenApi, 'revoke'>,
    private readonly ended: AbortSignal,
    private readonly logger: Logger,
  ) {}

  /** Uses a token for as long as `act` takes. */
  async during<T>(token: string, act: () => Promise<T>): Promise<T> {
    this.counts.set(token, (this.counts.get(token) ?? 0) + 1);
    try {
      return await act();
    } finally {
      const left = (this.counts.get(token) ?? 1) - 1;
      if (left > 0) this.counts.set(token, left);
      else {
        this.counts.delete(token);
        if (this.retired.has(token)) void this.endOf(token);
      }
    }
  }

  /** No request starts to use the token any more: it is revoked after its last use. */
  retire(token: string): void {
    this.retired.add(token);
    if (!this.counts.has(token)) void this.endOf(token);
  }

  /** Tokens that were retired and may still live. */
  unrevoked(): string[] {
    return [...this.retired];
  }

  private async endOf(token: string): Promise<void> {
    try {
      await this.tokens.revoke(token, this.ended);
    } catch {
      if (!this.ended.aborted)
        this.logger.warn('could not revoke the replaced Vault token; it stays valid until it expires');
    }
    this.retired.delete(token);
  }
}
