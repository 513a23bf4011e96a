/**
 * Tells what is new from what stands already, so that each thing is said once: until its state changes or it is
 * over. One text is kept per topic; there must be few topics.
 */
export class SayOnce {
  private readonly standing = new Map<string, string>();

  /** Whether a topic is in this state for the first time since it began, was over, or was in another state. */
  isNews(topic: string, state = ''): boolean {
    if (this.standing.get(topic) === state) return false;
    this.standing.set(topic, state);
    return true;
  }

  /** Whether any topic is in this state. */
  stands(state: string): boolean {
    return [...this.standing.values()].includes(state);
  }

  /** The topic is news the next time. @returns whether it stood. */
  over(topic: string): boolean {
    return this.standing.delete(topic);
  }

  /** Whether no topic stands. */
  get isEmpty(): boolean {
    return this.standing.size === 0;
  }
}
