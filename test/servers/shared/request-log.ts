/** One request that a loopback server saw; a test reads these, nothing else does. */
export interface SeenRequest {
  readonly method: string;
  /** Path with query, as sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** `performance.now()` when the request was complete. */
  readonly at: number;
  /** Which connection it came on, counted from 1. */
  readonly connection: number;
  /** What the server calls the request: `Decrypt`, `PATCH kmsvaultsecrets/status`, `read` … */
  operation: string;
  /** The answer's status; undefined while in flight, 0 when the connection was cut. */
  status: number | undefined;
}

/** Every request a server saw, and how many were in flight at once. */
export class RequestLog {
  readonly all: SeenRequest[] = [];
  private inFlight = 0;
  peakInFlight = 0;

  begin(request: SeenRequest): void {
    this.all.push(request);
    this.inFlight += 1;
    this.peakInFlight = Math.max(this.peakInFlight, this.inFlight);
  }

  end(request: SeenRequest, status: number): void {
    if (request.status !== undefined) return;
    request.status = status;
    this.inFlight -= 1;
  }

  count(matches: (request: SeenRequest) => boolean): number {
    return this.all.filter(matches).length;
  }

  clear(): void {
    this.all.length = 0;
    this.peakInFlight = this.inFlight;
  }
}
