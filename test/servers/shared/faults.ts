import type { SeenRequest } from './request-log.js';

/** What a fault does to a request that it matches. */
export type FaultAction =
  /** Answer this instead. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** Serve as usual, but later. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** Reset the connection before anything is served. */
  | { readonly kind: 'reset' }
  /** Serve (take effect), then reset instead of answering: the client cannot know. */
  | { readonly kind: 'serve-then-reset' }
  /** Never answer; the connection stays open until the fault is lifted or the server closes. */
  | { readonly kind: 'hang' };

export interface Fault {
  readonly matches: (request: SeenRequest) => boolean;
  readonly action: FaultAction;
  /** How many requests it hits before it is spent; absent: until lifted. */
  times?: number;
}

/** The switchboard of a loopback server: outside its protocol, only for tests. */
export class Faults {
  private readonly active = new Set<Fault>();

  /** @returns a function that lifts the fault. */
  inject(fault: Fault): () => void {
    this.active.add(fault);
    return () => {
      this.active.delete(fault);
    };
  }

  clear(): void {
    this.active.clear();
  }

  /** The first fault that hits this request, counted as used. */
  take(request: SeenRequest): FaultAction | undefined {
    for (const fault of this.active) {
      if (!fault.matches(request)) continue;
      if (fault.times !== undefined) {
        fault.times -= 1;
        if (fault.times <= 0) this.active.delete(fault);
      }
      return fault.action;
    }
    return undefined;
  }
}
