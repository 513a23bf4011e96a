/**
 * Decides whether a state is logged, so that each one is logged once: until it changes or is cleared. One state is kept
 * per topic; there must be few topics.
 */
export class LogOnce {
  private readonly states = new Map<string, string>();

  /** Whether the topic was not in this state before. */
  isNew(topic: string, state = ''): boolean {
    if (this.states.get(topic) === state) return false;
    this.states.set(topic, state);
    return true;
  }

  /** Whether any topic is in this state. */
  has(state: string): boolean {
    return [...this.states.values()].includes(state);
  }

  /** Any state of the topic is new the next time. @returns whether it had one. */
  clear(topic: string): boolean {
    return this.states.delete(topic);
  }

  /** Whether no topic has a state. */
  get isEmpty(): boolean {
    return this.states.size === 0;
  }
}
