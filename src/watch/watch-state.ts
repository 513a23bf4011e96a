/** `behind`: must be listed. `listing`: a list is in progress that may make it fresh. */
export type Stage = 'behind' | 'listing' | 'fresh';

/** The freshness of one watch. */
export class WatchState {
  stage: Stage = 'behind';
  /** Monotonic milliseconds of the last sign of life. */
  aliveMs = 0;
  /** A list has ended, successfully or not, since the last demand. */
  attempted = false;
  /** The last attempt was refused by the API server. */
  refused = false;
  private inList = false;

  /** Only a list that starts from now on counts. */
  demand(): void {
    this.stage = 'behind';
    this.inList = false;
    this.attempted = false;
  }

  begin(): void {
    this.inList = true;
    if (this.stage === 'behind') this.stage = 'listing';
  }

  complete(nowMs: number): void {
    if (!this.inList) return;
    this.inList = false;
    this.stage = 'fresh';
    this.aliveMs = nowMs;
    this.attempted = true;
    this.refused = false;
  }

  fail(refused: boolean): void {
    if (this.inList) {
      this.inList = false;
      this.attempted = true;
      if (this.stage === 'listing') this.stage = 'behind';
    }
    this.refused = refused;
  }

  miss(): void {
    this.stage = 'behind';
    this.inList = false;
  }

  /**
   * Falls behind when the last sign of life is older than `sinceMs`.
   * @returns whether a list is due that nobody has begun.
   */
  ageOut(sinceMs: number): boolean {
    if (this.stage !== 'fresh' || this.aliveMs >= sinceMs) return false;
    this.stage = this.inList ? 'listing' : 'behind';
    return !this.inList;
  }
}
