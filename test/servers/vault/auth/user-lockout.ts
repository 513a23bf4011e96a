import { VaultFault } from '../protocol.js';

/** Vault's default user lockout: five failures; the counter is reset after 15 minutes. */
const LOCKOUT_FAILURES = 5;
const LOCKOUT_MS = 15 * 60_000;

/** Refuses the logins of a user who failed too often (Vault documentation, "User lockout"). */
export class UserLockout {
  private readonly failures = new Map<string, { count: number; lastMs: number }>();

  constructor(private readonly now: () => Date) {}

  /** @throws VaultFault 403 while the user is locked out. */
  check(user: string): void {
    if (this.recent(user) >= LOCKOUT_FAILURES) throw new VaultFault(403, ['permission denied']);
  }

  failed(user: string): void {
    this.failures.set(user, { count: this.recent(user) + 1, lastMs: this.now().getTime() });
  }

  succeeded(user: string): void {
    this.failures.delete(user);
  }

  private recent(user: string): number {
    const before = this.failures.get(user);
    return before !== undefined && this.now().getTime() - before.lastMs < LOCKOUT_MS ? before.count : 0;
  }
}
