import type { IncomingMessage } from 'node:http';

/** A request that is answered with an HTTP error; the message is for the client. */
export class RequestProblem extends Error {
  override readonly name = 'RequestProblem';

  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** The client has closed the connection; there is nobody to answer. */
export class ClientDisconnected extends Error {
  override readonly name = 'ClientDisconnected';
}

/** A budget of bytes that all requests in flight share. */
export class ByteBudget {
  private left: number;

  constructor(readonly total: number) {
    this.left = total;
  }

  /** @returns false, and takes nothing, when fewer bytes are left. */
  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.left += bytes;
  }
}

export function overloaded(): RequestProblem {
  return new RequestProblem(503, 'too many admission reviews in progress; try again', { 'retry-after': '1' });
}

/**
 * Reads a body. Its bytes are accepted from the budget; the caller returns `accepted.bytes`, also after a failure.
 * Excess bytes are read and discarded, so that the client sees the answer; the server's request timeout limits
 * this.
 *
 * @throws RequestProblem 413 or 503.
 * @throws ClientDisconnected when the connection ends before the body does.
 */
export function readBody(
  request: IncomingMessage,
  { maxBytes, budget, taken }: { maxBytes: number; budget: ByteBudget; taken: { bytes: number } },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    const fail = (error: Error): void => {
      chunks = [];
      request.off('data', take);
      request.resume();
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      if (taken.bytes + chunk.length > maxBytes) {
        fail(tooLarge(maxBytes));
      } else if (!budget.take(chunk.length)) {
        fail(overloaded());
      } else {
        taken.bytes += chunk.length;
        chunks.push(chunk);
      }
    };
    let complete = false;
    const gone = (): void => {
      if (complete) return;
      fail(new ClientDisconnected('the connection closed before the body was complete'));
    };
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
      fail(tooLarge(maxBytes));
      return;
    }
    request.on('data', take);
    request.once('end', () => {
      complete = true;
      resolve(Buffer.concat(chunks));
    });
    request.once('error', gone);
    request.once('close', gone);
  });
}

function tooLarge(maxBytes: number): RequestProblem {
  return new RequestProblem(413, `the body is larger than ${String(maxBytes)} bytes`);
}
