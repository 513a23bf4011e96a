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
  /** Process the request, then reset the connection instead of answering. */
  | { readonly kind: 'serve-then-reset' }
  /** Never answer; the connection stays open until the fault is lifted or the server closes. */
  | { readonly kind: 'hang' };

export interface Fault {
  readonly matches: (request: SeenRequest) => boolean;
  readonly action: FaultAction;
  /** How many requests it applies to; absent: until it is lifted. */
  times?: number;
}

/** Fault injection of a loopback server; not part of its protocol. */
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

  /** The first fault that matches this request; it counts as one use. */
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
