/** One request that a loopback server received, for tests to read. */
export interface SeenRequest {
  readonly method: string;
  /** Path with query, as sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** `performance.now()` when the request was complete. */
  readonly at: number;
  /** Number of the connection, counted from 1. */
  readonly connection: number;
  /** The operation: `Decrypt`, `PATCH kmsvaultsecrets/status`, `read` … */
  operation: string;
  /** Status of the response; undefined while in flight, 0 when the connection was closed. */
  status: number | undefined;
}

/** Every request that a server received, and how many were in flight at the same time. */
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
